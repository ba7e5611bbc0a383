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

import math
from collections.abc import Iterator
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE

# OpenCV counts in single precision, which knows every whole number up to this one.
_EXACT = 2 ** 24


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
        self.add(count_pairs(target, prediction))

    def add(self, pairs: NDArray[np.int64]) -> None:
        """
        Count what :func:`count_pairs` counted of true and predicted class ids.

        :raises ValueError: an id that is not a class.
        """
        count = len(self.classes)
        known = pairs[:IGNORE]
        for ids in (known.sum(axis=1), known[:, :IGNORE].sum(axis=0)):
            beyond = np.flatnonzero(ids[count:])
            if beyond.size:
                raise ValueError(f'an id beyond the {count} classes: {count + beyond[0]}')
        self.counts[:, :-1] += known[:count, :count]
        self.counts[:, -1] += known[:count, IGNORE]

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

    def to_json(self) -> dict[str, object]:
        """Return names, counts by true and predicted class, and those predicted as no class."""
        return {'classes': list(self.classes), 'counts': self.counts[:, :-1].tolist(),
                'no_class': self.counts[:, -1].tolist()}


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


def count_values(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """
    Return (256,) counts of the pixels with each value.

    :param image: (H, W) uint8.
    """
    counts = np.zeros(256, np.int64)
    for rows in _blocks(image.shape):
        block = np.ascontiguousarray(image[rows])
        counts += cv2.calcHist([block], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def count_pairs(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int64]:
    """
    Return (256, 256) counts of the pixels that have one value in an image and one in another.

    :param first: (H, W) uint8.
    :param second: (H, W) uint8.
    :raises ValueError: the sizes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f'labels of {second.shape} pixels cannot be compared with {first.shape}')
    counts = np.zeros((256, 256), np.int64)
    for rows in _blocks(first.shape):
        block = [np.ascontiguousarray(image[rows]) for image in (first, second)]
        counts += cv2.calcHist(block, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return counts


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield rows of an image in blocks that OpenCV can count; none of an empty image."""
    height, width = shape
    rows = max(_EXACT // max(width, 1), 1)
    for top in range(0, height if width else 0, rows):
        yield slice(top, top + rows)


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64 quotients, NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are numbers; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def known(value: float) -> float | None:
    """Return a figure as JSON has it: None instead of NaN."""
    return None if math.isnan(value) else float(value)


def known_by_name(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return one figure for each name, None instead of NaN."""
    return {name: known(value) for name, value in zip(names, values, strict=True)}
