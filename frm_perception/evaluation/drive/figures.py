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
"""The figures of a set of frames, from their records; docs/bags.md defines each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import numpy as np

from frm_perception.evaluation.comparison import DRIVABLE_CLASSES
from frm_perception.evaluation.drive.alarms import ALARMS
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.metrics import known
from frm_perception.evaluation.metrics import known_by_name

SHARES = ('drivable_share', 'confidence', 'stability', 'agreement')
"""Figures that are means over those frames that have them."""


def figures(records: Sequence[FrameRecord], compared: Sequence[str]) -> dict[str, Any]:
    """
    Return the figures, ready for JSON; None where nothing was seen of what they measure.

    Confusions are summed over the frames first; other figures are means over frames.

    :param compared: names of the classes that model and labels have in common; none where the
        labels only tell what is drivable, or there are none.
    """
    classes = ConfusionMatrix(compared)
    drivable = ConfusionMatrix(DRIVABLE_CLASSES)
    for record in records:
        if record.confusion is not None:
            classes.counts += np.array(record.confusion, np.int64)
        if record.drivable_confusion is not None:
            drivable.counts += np.array(record.drivable_confusion, np.int64)
    return {
        'frames': len(records),
        'labelled': sum(record.drivable_confusion is not None for record in records),
        'mean_iou': known(classes.mean_iou()),
        'iou': known_by_name(classes.classes, classes.iou()),
        'pixel_accuracy': known(classes.pixel_accuracy()),
        'drivable_iou': known(drivable.iou()[0]),
        'drivable_precision': known(drivable.precision()[0]),
        'drivable_recall': known(drivable.recall()[0]),
        **{name: _mean(getattr(record, name) for record in records) for name in SHARES},
        'alarms': {name: sum(name in record.alarms for record in records) for name in ALARMS},
        'confusion': classes.to_json()}


def drivable_iou(record: FrameRecord) -> float | None:
    """Return the IoU of one frame's drivable area; None where there is none, true or found."""
    if record.drivable_confusion is None:
        return None
    matrix = ConfusionMatrix(DRIVABLE_CLASSES)
    matrix.counts += np.array(record.drivable_confusion, np.int64)
    return known(matrix.iou()[0])


def mean_iou(record: FrameRecord) -> float | None:
    """Return the mean IoU of one frame over the classes that occur in it, true or found."""
    if record.confusion is None:
        return None
    matrix = ConfusionMatrix([''] * len(record.confusion))
    matrix.counts += np.array(record.confusion, np.int64)
    return known(matrix.mean_iou())


def _mean(values: Iterable[float | None]) -> float | None:
    # The exact sum does not depend on the order of the frames.
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None
