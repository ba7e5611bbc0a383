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
"""Pictures of the images on which a network is worst."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.media.overlay import color_legend
from frm_perception.media.overlay import contact_sheet

Image = NDArray[np.uint8]

RANKED_BY = {'drivable_iou': 'drivable IoU', 'mean_iou': 'mean IoU'}
"""Figures by which the worst images are chosen, and their names for people."""
SHOWN = 4
"""Images for each of :data:`RANKED_BY`."""

_RIGHT = (20, 54, 32)
_UNLABELLED = (0, 0, 0)
_COLUMNS = 2
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = (24, 26, 30)
_INK = (235, 235, 235)


def percent(figure: float | None) -> str:
    """Return a figure, 0..1, for people; a dash where there was nothing to measure."""
    return '-' if figure is None else f'{figure:.1%}'


@dataclass(frozen=True)
class Failure:
    """
    An image with its labels and what a network says of it.

    :param image: (H, W, 3) uint8 RGB.
    :param target: (H, W) uint8 true class ids, IGNORE where unknown.
    :param labels: (H, W) uint8 predicted class ids.
    :param figures: of this image alone; None where there is nothing to measure.
    """

    name: str
    image: Image
    target: Image
    labels: Image
    figures: Mapping[str, float | None]


def worst(failures: Sequence[Failure], measure: str) -> list[Failure]:
    """Return those with the lowest figures, the lowest first; none without a figure."""
    known = [(figure, failure) for failure in failures
             if (figure := failure.figures[measure]) is not None]
    return [failure for _, failure in sorted(known, key=lambda pair: pair[0])[:SHOWN]]


def failures_picture(failures: Mapping[str, Sequence[Failure]], space: LabelSpace,
                     photographs: bool, tile_width: int) -> Image:
    """
    Return one picture of the worst images: what the network says, and where that is wrong.

    :param failures: the images by the figure, of :data:`RANKED_BY`, that they are worst in.
    :param photographs: whether to show the images themselves, too: not for a bundle, because the
        licence of the data may not allow to pass them on.
    :param tile_width: pixels of each tile.
    """
    tiles = 3 if photographs else 2
    width = _COLUMNS * tiles * tile_width
    parts = []
    for measure, shown in failures.items():
        cells = [(_caption(failure, tiles * tile_width), _tiles(failure, space, photographs))
                 for failure in shown]
        if cells:
            sheet = contact_sheet(cells, _COLUMNS, tiles * tile_width)
            parts += [_heading(f'Lowest {RANKED_BY[measure]}, worst first', width, 0.65), sheet]
    if photographs:
        order = 'Left to right: the image; the predicted classes; where they are wrong'
    else:
        order = 'Left: the predicted classes. Right: where they are wrong'
    parts += [
        _heading(f'{order}, in the colour of the true class.', width, 0.5),
        color_legend([*zip(space.classes, space.palette), ('right', _RIGHT),
                      ('not labelled', _UNLABELLED)], width)]
    width = max(part.shape[1] for part in parts)
    return np.vstack([_padded(part, width) for part in parts])


def _tiles(failure: Failure, space: LabelSpace, photographs: bool) -> Image:
    colors = space.colors()
    wrong = colors[failure.target]
    wrong[failure.target == failure.labels] = _RIGHT
    wrong[failure.target == IGNORE] = _UNLABELLED
    gap = np.full((len(wrong), max(wrong.shape[1] // 60, 1), 3), _PAPER, np.uint8)
    shown = [colors[failure.labels], gap, wrong]
    return np.hstack([failure.image, gap, *shown] if photographs else shown)


def _caption(failure: Failure, width: int) -> str:
    figures = ', '.join(f'{name} {percent(failure.figures[key])}'
                        for key, name in RANKED_BY.items())
    for end in range(len(failure.name), 0, -1):
        shortened = failure.name if end == len(failure.name) else f'{failure.name[:end]}...'
        caption = f'{shortened}: {figures}'
        if cv2.getTextSize(caption, _FONT, 0.45, 1)[0][0] <= width:
            break
    return caption


def _heading(text: str, width: int, size: float) -> Image:
    strip = np.full((36, width, 3), _PAPER, np.uint8)
    cv2.putText(strip, text, (10, 25), _FONT, size, _INK, 1, cv2.LINE_AA)
    return strip


def _padded(part: Image, width: int) -> Image:
    return np.asarray(cv2.copyMakeBorder(part, 0, 0, 0, width - part.shape[1],
                                         cv2.BORDER_CONSTANT, value=_PAPER), np.uint8)
