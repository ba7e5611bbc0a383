# Copyright 2026 The frm_perception authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Show labels and the drivable area on camera images, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace

Image = NDArray[np.uint8]

DRIVABLE_COLOR = (40, 230, 110)
"""RGB of the drivable area."""

_CONTOUR_COLOR = (190, 255, 210)

# The drivable area stands out, and lane markings stay visible in it.
_DRIVABLE_STRENGTH = 0.8
_OTHERS_STRENGTH = 0.7

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = (235, 235, 235)
_PAPER = (24, 26, 30)
_ROW = 26
_MARGIN = 10


def draw_overlay(image: Image, labels: Image, space: LabelSpace, drivable: Image | None = None,
                 alpha: float = 0.5) -> Image:
    """
    Return the image with its classes as a tint, and the drivable area in green with an outline.

    :param image: (H, W, 3) uint8 RGB.
    :param labels: (H, W) uint8 class ids; pixels without a class stay as they are.
    :param drivable: (H, W) uint8, not 0 where a vehicle may drive; None draws classes only.
    :param alpha: how strong the tint is, 0..1.
    """
    if drivable is None:
        return _tint(image, labels, space, alpha)
    mask = (drivable != 0).view(np.uint8)
    picture = _tint(image, labels, space, alpha * _OTHERS_STRENGTH)
    amount = alpha * _DRIVABLE_STRENGTH
    green = cv2.addWeighted(image, 1 - amount, np.full_like(image, DRIVABLE_COLOR), amount, 0)
    cv2.copyTo(green, mask, picture)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thickness = max(round(min(image.shape[:2]) / 270), 1)
    cv2.drawContours(picture, outlines, -1, _CONTOUR_COLOR, thickness, cv2.LINE_AA)
    return picture


def legend(space: LabelSpace, width: int) -> Image:
    """Return a (h, width, 3) uint8 RGB strip that shows the colour and name of every class."""
    return color_legend(
        [('drivable', DRIVABLE_COLOR), *zip(space.classes, space.palette, strict=True)], width)


def color_legend(entries: Sequence[tuple[str, tuple[int, int, int]]], width: int) -> Image:
    """Return a (h, width, 3) uint8 RGB strip that shows colours, each with its name beside it."""
    places: list[tuple[int, int]] = []
    x, row = _MARGIN, 0
    for name, _ in entries:
        needed = _text_width(name) + 36
        if x + needed > width and x > _MARGIN:
            x, row = _MARGIN, row + 1
        places.append((x, row))
        x += needed
    strip = np.full(((row + 1) * _ROW + 8, width, 3), _PAPER, np.uint8)
    for (name, color), (left, line) in zip(entries, places, strict=True):
        top = line * _ROW + 8
        cv2.rectangle(strip, (left, top), (left + 16, top + 16), color, -1)
        _write(strip, name, left + 22, top + 13)
    return strip


def contact_sheet(frames: Sequence[tuple[str, Image]], columns: int = 3,
                  tile_width: int = 480) -> Image:
    """
    Return one picture of several, each with a caption below it.

    :param frames: (caption, (H, W, 3) uint8 RGB image); sizes may differ.
    :raises ValueError: no frames.
    """
    if not frames:
        raise ValueError('a contact sheet needs at least one frame')
    tile_height = max(round(tile_width * image.shape[0] / image.shape[1]) for _, image in frames)
    cells = [_cell(caption, image, tile_width, tile_height) for caption, image in frames]
    columns = min(columns, len(cells))
    blank = np.full_like(cells[0], _PAPER)
    cells += [blank] * (-len(cells) % columns)
    rows = [np.hstack(cells[start:start + columns]) for start in range(0, len(cells), columns)]
    return cv2.copyMakeBorder(np.vstack(rows), _MARGIN // 2, _MARGIN // 2, _MARGIN // 2,
                              _MARGIN // 2, cv2.BORDER_CONSTANT, value=_PAPER).astype(np.uint8)


def _tint(image: Image, labels: Image, space: LabelSpace, strength: float) -> Image:
    """
    Blend the colours of the classes into an image; pixels without a class stay as they are.

    In eight bits and by look-up, as sums of floats take three times as long.
    """
    kept = np.full((256, 1, 3), round(255 * (1 - strength)), np.uint8)
    kept[IGNORE] = 255
    added = np.round(space.colors() * np.float32(strength)).astype(np.uint8)[:, None]
    index = cv2.merge([labels, labels, labels])
    tinted = cv2.multiply(image, cv2.LUT(index, kept), scale=1 / 255)
    return np.asarray(cv2.add(tinted, cv2.LUT(index, added)), np.uint8)


def _cell(caption: str, image: Image, width: int, height: int) -> Image:
    cell = np.full((height + _ROW + _MARGIN, width + _MARGIN, 3), _PAPER, np.uint8)
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left = _MARGIN // 2 + (width - size[0]) // 2
    top = _MARGIN // 2 + (height - size[1]) // 2
    cell[top:top + size[1], left:left + size[0]] = cv2.resize(image, size, interpolation=how)
    _write(cell, caption, _MARGIN // 2 + 2, height + _MARGIN // 2 + 18)
    return cell


def _write(picture: Image, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), _FONT, 0.45, _INK, 1, cv2.LINE_AA)


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, 0.45, 1)[0][0])
