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
"""The pictures the demo leaves: a frame of its video, and the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import LabelSpace
from frm_perception.media.overlay import contact_sheet
from frm_perception.media.overlay import draw_overlay
from frm_perception.media.overlay import legend

Picture = NDArray[np.uint8]

_PANE_WIDTH = 800
_SHEET_FRAMES = 9
_SHEET_COLUMNS = 3
_TILE_WIDTH = 480
_MARGIN = 10
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = (24, 26, 30)
_BRIGHT = (245, 245, 245)
_FAINT = (168, 174, 184)
_ALARM = (255, 120, 90)


def answered_picture(image: Picture, label: Picture, drivable: Picture,
                     space: LabelSpace) -> Picture:
    """
    Return the camera's image with what the segmenter said of it, at the video's size.

    :param image: (H, W, 3) uint8 RGB.
    :param label: (h, w) uint8 class ids; drawn at the image's size.
    :param drivable: (h, w) uint8, 0 or 255.
    """
    pane = _pane(image)
    size = pane.shape[1], pane.shape[0]
    label, drivable = (
        np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
        for mask in (label, drivable))
    return draw_overlay(pane, label, space, drivable)


def unanswered_picture(image: Picture) -> Picture:
    """Return the camera's image as it is shown where no answer came: grey and dark."""
    grey = cv2.cvtColor(cv2.cvtColor(_pane(image), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return (grey * 0.45).astype(np.uint8)


def video_frame(image: Picture, picture: Picture, caption: str, note: str, answered: bool,
                space: LabelSpace) -> Picture:
    """
    Return a frame of the video: camera on the left, answer on the right, captions and legend.

    :param picture: of :func:`answered_picture` or :func:`unanswered_picture`.
    :param caption: on this frame; in another colour where there is no answer.
    :param note: on the right-hand side, the same on every frame.
    """
    panes = np.hstack([_pane(image), picture])
    strip = np.full((34, panes.shape[1], 3), _PAPER, np.uint8)
    _write(strip, caption, _MARGIN, 23, 0.55, _BRIGHT if answered else _ALARM)
    right = cv2.getTextSize(note, _FONT, 0.5, 1)[0][0]
    _write(strip, note, strip.shape[1] - right - _MARGIN, 23, 0.5, _FAINT)
    return np.vstack([panes, strip, legend(space, panes.shape[1])])


def sheet(frames: Sequence[tuple[str, Picture]], title: str, lines: Sequence[str],
          space: LabelSpace) -> Picture:
    """
    Return the contact sheet: title, lines of text, frames with captions, legend.

    :param frames: captions and pictures, at most 9 of which :func:`choose` chose.
    """
    tiles = contact_sheet(frames, _SHEET_COLUMNS, _TILE_WIDTH)
    width = max(tiles.shape[1], _SHEET_COLUMNS * (_TILE_WIDTH + _MARGIN) + _MARGIN)
    tiles = np.asarray(cv2.copyMakeBorder(
        tiles, 0, 0, 0, width - tiles.shape[1], cv2.BORDER_CONSTANT, value=_PAPER), np.uint8)
    header = np.full((58 + 24 * len(lines), width, 3), _PAPER, np.uint8)
    _write(header, title, _MARGIN + 2, 38, 0.9, _BRIGHT, 2)
    for row, line in enumerate(lines):
        _write(header, line, _MARGIN + 2, 66 + 24 * row, 0.55, _FAINT)
    return np.vstack([header, tiles, legend(space, width)])


def choose(indices: Sequence[int]) -> list[int]:
    """Return up to 9 of them, evenly spread; whole rows where there are enough."""
    count = min(len(indices), _SHEET_FRAMES)
    if count > _SHEET_COLUMNS:
        count -= count % _SHEET_COLUMNS
    places = (np.arange(count) + 0.5) * len(indices) / max(count, 1)
    return [indices[int(place)] for place in places]


def _pane(image: Picture) -> Picture:
    if image.shape[1] <= _PANE_WIDTH:
        return image
    size = _PANE_WIDTH, round(image.shape[0] * _PANE_WIDTH / image.shape[1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(picture: Picture, text: str, x: int, y: int, scale: float,
           color: tuple[int, int, int], thickness: int = 1) -> None:
    cv2.putText(picture, text, (x, y), _FONT, scale, color, thickness, cv2.LINE_AA)
