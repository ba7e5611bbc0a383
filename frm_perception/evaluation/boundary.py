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
"""How well contours agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.metrics import mean_of_known
from frm_perception.evaluation.metrics import ratio
from frm_perception.labels import IGNORE

BAND = 0.02
"""Width of the band along contours over the image's diagonal, as the paper takes it."""


class BoundaryIoU:
    """
    Intersection over union of what lies along contours: Boundary IoU (Cheng et al., CVPR 2021).

    Of every class's mask, true and predicted, only the pixels at most ``d`` pixels away from what
    is not in the mask count. ``d`` is 2 % of the image's diagonal, rounded, at least 1; distances
    are the larger of rows and columns, and the image's border is a contour, both as in the
    authors' code. Pixels whose truth is unknown are in no mask, true or predicted: they are to
    both what lies beyond the border. Intersections and unions are summed over all images, as for
    the IoU, where the paper takes single objects.

    :param classes: names of the classes in the order of their ids.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.intersection = np.zeros(len(self.classes), np.int64)
        self.union = np.zeros(len(self.classes), np.int64)

    def update(self, target: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> None:
        """
        Count an image.

        :param target: (H, W) uint8 true class ids; :data:`IGNORE` where unknown.
        :param prediction: (H, W) uint8 predicted class ids; :data:`IGNORE` is no class.
        :raises ValueError: the sizes differ, or an id that is not a class.
        """
        if target.shape != prediction.shape:
            raise ValueError(f'labels of {prediction.shape} pixels cannot be compared with '
                             f'{target.shape}')
        reach = max(round(BAND * math.hypot(*target.shape)), 1)
        truth = _band(target, reach)
        found = _band(np.where(target == IGNORE, np.uint8(IGNORE), prediction), reach)
        hits = self._count(truth[truth == found])
        self.intersection += hits
        self.union += self._count(truth) + self._count(found) - hits

    def iou(self) -> NDArray[np.float64]:
        """Return (classes,) intersection over union, NaN for a class never seen nor predicted."""
        return ratio(self.intersection, self.union)

    def mean_iou(self) -> float:
        """Return the mean of :meth:`iou` over the classes that occur; NaN if none does."""
        return mean_of_known(self.iou())

    def _count(self, ids: NDArray[np.uint8]) -> NDArray[np.int64]:
        counts = np.bincount(ids.ravel(), minlength=256)
        beyond = np.flatnonzero(counts[len(self.classes):IGNORE])
        if beyond.size:
            raise ValueError(f'an id beyond the {len(self.classes)} classes: '
                             f'{len(self.classes) + beyond[0]}')
        return counts[:len(self.classes)]


def _band(labels: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Return (H, W) uint8 labels with :data:`IGNORE` for all further than that from others."""
    # All masks at once: a pixel is far from its class's contour where all around it is alike.
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    least, most = (
        operation(labels, around, borderType=cv2.BORDER_CONSTANT, borderValue=(IGNORE,))
        for operation in (cv2.erode, cv2.dilate))
    return np.where(least == most, np.uint8(IGNORE), labels)
