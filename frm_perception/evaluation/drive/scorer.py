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
"""From a frame and its labels to its record: what every figure of a drive is made of."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128

from frm_perception.evaluation.comparison import DRIVABLE_CLASSES
from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.alarms import ALARMS
from frm_perception.evaluation.drive.alarms import FROZEN_FRAMES
from frm_perception.evaluation.drive.alarms import FrozenImages
from frm_perception.evaluation.drive.alarms import shows_one_class
from frm_perception.evaluation.drive.frame_record import Counts
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.stability import Stability
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.metrics import count_pairs
from frm_perception.evaluation.metrics import count_values
from frm_perception.labels import IGNORE

MEMORY = FROZEN_FRAMES - 1
"""A record depends on its frame and on so many of the same camera before it, on no others."""

_DRIVABLE = 255


@dataclass(frozen=True)
class DriveFrame:
    """
    Which frame it is, and what of its image the figures need.

    :param index: number of the message on its topic, from 0.
    :param stamp_ns: when the image was taken, in nanoseconds.
    :param recorded_ns: when the message was recorded, in nanoseconds.
    :param grey: (h, w) uint8, :func:`.stability.small_grey` of the image.
    :param truth: (H, W) uint8 true labels; None where there are none.
    """

    index: int
    stamp_ns: int
    recorded_ns: int
    grey: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class FrameLabels:
    """
    What a model made of a frame.

    :param labels: (H, W) uint8 class ids at the camera's size, IGNORE where it saw nothing.
    :param drivable: (H, W) uint8, 255 where a vehicle may drive, else 0.
    :param milliseconds: durations by stage.
    :param confidence: uint8 of any size, 255 times the softmax probability of the label, 0 where
        the model saw nothing; None where it was not computed.
    :param second: (H, W) uint8, the second model's class ids; None without one.
    """

    labels: NDArray[np.uint8]
    drivable: NDArray[np.uint8]
    milliseconds: Mapping[str, float]
    confidence: NDArray[np.uint8] | None = None
    second: NDArray[np.uint8] | None = None


class Scorer:
    """
    The records of one camera's frames, which it must be given in their order.

    The evaluation of a recording and that of a running node both use it, so that their figures
    mean the same. What it remembers reaches :data:`MEMORY` frames back.

    :param bag: name of the bag in this run.
    :param camera: topic of the images.
    :param classes: names of the model's classes.
    :param comparison: what the model's ids and those of the truth mean to each other; None where
        there is no truth.
    :param second: what the model's ids and the second model's mean to each other; None without a
        second model.
    """

    def __init__(self, bag: str, camera: str, classes: Sequence[str],
                 comparison: Comparison | None = None, second: Comparison | None = None) -> None:
        self._bag = bag
        self._camera = camera
        self._classes = len(classes)
        self._comparison = comparison
        self._second = second
        self._frozen = FrozenImages()
        self._stability = Stability()

    def score(self, frame: DriveFrame, found: FrameLabels) -> FrameRecord:
        """
        Return the record of the camera's next frame.

        :raises ValueError: sizes differ, or labels are given without what they mean.
        """
        labels = found.labels
        pairs = None if frame.truth is None else count_pairs(frame.truth, labels)
        pixels = count_values(labels) if pairs is None else pairs.sum(axis=0)
        class_pixels = tuple(pixels[:self._classes].tolist())
        raised = {'one_class': shows_one_class(class_pixels, int(pixels[IGNORE])),
                  'frozen': self._frozen.update(frame.grey)}
        return FrameRecord(
            bag=self._bag, camera=self._camera, index=frame.index, stamp_ns=frame.stamp_ns,
            recorded_ns=frame.recorded_ns, height=labels.shape[0], width=labels.shape[1],
            labels_digest=labels_digest(labels), drivable_digest=drivable_digest(found.drivable),
            class_pixels=class_pixels,
            drivable_share=cv2.countNonZero(found.drivable) / found.drivable.size,
            confidence=None if found.confidence is None else _mean(found.confidence),
            confusion=None if pairs is None else self._confusion(pairs),
            drivable_confusion=None if frame.truth is None or pairs is None
            else self._drivable_confusion(frame.truth, found.drivable, pairs),
            stability=self._stability.update(frame.grey, labels, frame.stamp_ns),
            agreement=None if found.second is None else self._agreement(labels, found.second),
            alarms=tuple(name for name in ALARMS if raised[name]),
            milliseconds=found.milliseconds)

    def _confusion(self, pairs: NDArray[np.int64]) -> Counts | None:
        comparison = _given(self._comparison, 'true labels')
        if comparison.drivable_alone:
            return None
        matrix = ConfusionMatrix(comparison.classes)
        matrix.add(_renumbered(pairs, comparison.target_table, comparison.prediction_table))
        return _counts(matrix)

    def _drivable_confusion(self, truth: NDArray[np.uint8], mask: NDArray[np.uint8],
                            pairs: NDArray[np.int64]) -> Counts:
        """
        Compare the mask itself, which is what a vehicle would follow.

        :param pairs: of truth and labels, which tell where the model saw nothing.
        """
        masks = count_pairs(truth, mask)
        by_mask = np.zeros_like(masks)
        by_mask[:, 0] = masks[:, _DRIVABLE]
        by_mask[:, 1] = masks[:, 0] - pairs[:, IGNORE]
        by_mask[:, IGNORE] = pairs[:, IGNORE]
        table = _given(self._comparison, 'true labels').drivable_target
        matrix = ConfusionMatrix(DRIVABLE_CLASSES)
        matrix.add(_renumbered(by_mask, table, np.arange(256, dtype=np.uint8)))
        return _counts(matrix)

    def _agreement(self, labels: NDArray[np.uint8], second: NDArray[np.uint8]) -> float | None:
        comparison = _given(self._second, 'labels of a second model')
        pairs = _renumbered(count_pairs(second, labels), comparison.target_table,
                            comparison.prediction_table)[:IGNORE, :IGNORE]
        compared = int(pairs.sum())
        return int(np.trace(pairs)) / compared if compared else None


def labels_digest(labels: NDArray[np.uint8]) -> str:
    """
    Return what tells one label image from another, in hexadecimal: XXH3, 16 bytes.

    :param labels: (H, W) uint8.
    """
    return _digest(labels, np.ascontiguousarray(labels))


def drivable_digest(mask: NDArray[np.uint8]) -> str:
    """
    Return what tells one drivable mask from another: as :func:`labels_digest`, of one bit a pixel.

    :param mask: (H, W) uint8, 0 or 255.
    """
    return _digest(mask, np.packbits(mask))


def _digest(image: NDArray[np.uint8], data: NDArray[np.uint8]) -> str:
    digest = xxh3_128(repr(image.shape).encode())
    digest.update(data.data)
    return digest.hexdigest()


def _mean(confidence: NDArray[np.uint8]) -> float | None:
    seen = cv2.countNonZero(confidence)
    return int(confidence.sum(dtype=np.int64)) / (255 * seen) if seen else None


def _renumbered(pairs: NDArray[np.int64], first: NDArray[np.uint8], second: NDArray[np.uint8]
                ) -> NDArray[np.int64]:
    """Return counts of pairs of ids as counts of pairs of the numbers that tables give them."""
    counts = np.zeros_like(pairs)
    rows, columns = np.nonzero(pairs)
    np.add.at(counts, (first[rows], second[columns]), pairs[rows, columns])
    return counts


def _counts(matrix: ConfusionMatrix) -> Counts:
    return tuple(map(tuple, matrix.counts.tolist()))


def _given(comparison: Comparison | None, what: str) -> Comparison:
    if comparison is None:
        raise ValueError(f'{what} are given, but not what they mean')
    return comparison
