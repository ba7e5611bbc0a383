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
"""How well labels agree with the truth; pixels without a known class do not count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE


class ConfusionMatrix:
    """
    Counts of pixels by true class and predicted class.

    :param classes: names of the classes in the order of their ids.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.counts = np.zeros((len(self.classes), len(self.classes) + 1), np.int64)
        """(true class, predicted class); the last column is for predictions without a class."""

    def update(self, target: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> None:
        """
        Count an image.

        :param target: (H, W) uint8 true class ids; :data:`IGNORE` where unknown.
        :param prediction: (H, W) uint8 predicted class ids; :data:`IGNORE`, no class, counts as
            wrong.
        :raises ValueError: the sizes differ, or an id that is not a class.
        """
        if target.shape != prediction.shape:
            raise ValueError(f'labels of {prediction.shape} pixels cannot be compared with '
                             f'{target.shape}')
        count = len(self.classes)
        known = target != IGNORE
        truth = target[known].astype(np.int64)
        found = prediction[known].astype(np.int64)
        for ids in (truth, found):
            beyond = ids[(ids >= count) & (ids != IGNORE)]
            if beyond.size:
                raise ValueError(f'an id beyond the {count} classes: {beyond[0]}')
        pairs = truth * (count + 1) + np.where(found == IGNORE, count, found)
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    def iou(self) -> NDArray[np.float64]:
        """Return (classes,) intersection over union, NaN for a class never seen nor predicted."""
        hits = np.diagonal(self.counts)
        return ratio(hits, self.counts.sum(axis=1) + self.counts[:, :-1].sum(axis=0) - hits)

    def mean_iou(self) -> float:
        """Return the mean of :meth:`iou` over the classes that occur; NaN if none does."""
        return mean_of_known(self.iou())

    def precision(self) -> NDArray[np.float64]:
        """Return (classes,) share of a class's predictions that are right, NaN without any."""
        return ratio(np.diagonal(self.counts), self.counts[:, :-1].sum(axis=0))

    def recall(self) -> NDArray[np.float64]:
        """Return (classes,) share of a class's pixels that are found, NaN without any."""
        return ratio(np.diagonal(self.counts), self.counts.sum(axis=1))

    def pixel_accuracy(self) -> float:
        """Return the share of known pixels with the right class; NaN if there are none."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else float('nan')


class BinaryIoU:
    """Intersection over union of a mask, such as the drivable area."""

    def __init__(self) -> None:
        self.intersection = 0
        self.union = 0

    def update(self, target: NDArray[np.bool_], prediction: NDArray[np.bool_],
               known: NDArray[np.bool_] | None = None) -> None:
        """
        Count an image.

        :param target: (H, W) bool, the true mask.
        :param prediction: (H, W) bool, the predicted mask.
        :param known: (H, W) bool, pixels to count; None counts all.
        :raises ValueError: the sizes differ.
        """
        if target.shape != prediction.shape or (known is not None and known.shape != target.shape):
            raise ValueError(f'a mask of {prediction.shape} pixels cannot be compared with '
                             f'{target.shape}')
        counted = np.ones_like(target) if known is None else known
        self.intersection += int(np.count_nonzero(target & prediction & counted))
        self.union += int(np.count_nonzero((target | prediction) & counted))

    def iou(self) -> float:
        """Return intersection over union; NaN if neither mask ever had a pixel."""
        return self.intersection / self.union if self.union else float('nan')


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64 quotients, NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are numbers; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')
