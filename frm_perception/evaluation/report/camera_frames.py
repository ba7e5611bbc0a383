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
"""The figures of a camera's frames as arrays, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frm_perception.evaluation.drive.figures import drivable_iou
from frm_perception.evaluation.drive.figures import mean_iou
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.report.columns import Floats
from frm_perception.evaluation.report.columns import Integers
from frm_perception.evaluation.report.wording import clock


@dataclass(frozen=True)
class CameraFrames:
    """
    What a report shows of each of N frames of one camera.

    :param seconds: (N,) float64 when they were recorded, since the bag begins; ascending.
    :param stamps: (N,) int64 nanoseconds.
    :param index: (N,) int64 numbers of the messages on their topic.
    :param figures: by name (N,) float64, NaN where a frame does not have it.
    :param class_pixels: (C,) int64, predicted pixels of each of the model's classes, in all.
    """

    bag: str
    camera: str
    seconds: Floats
    stamps: Integers
    index: Integers
    figures: Mapping[str, Floats]
    class_pixels: Integers

    @classmethod
    def of(cls, bag: str, camera: str, begin_ns: int, records: Iterable[FrameRecord],
           classes: int) -> CameraFrames:
        """
        Keep of records what is shown, and no more: there may be very many.

        :param begin_ns: when the bag begins, in nanoseconds.
        :param classes: how many the model has.
        """
        numbers = []
        rows: list[Sequence[float | None]] = []
        pixels = np.zeros(classes, np.int64)
        for record in records:
            numbers.append((record.recorded_ns - begin_ns, record.stamp_ns, record.index))
            rows.append(_figures(record))
            pixels += record.class_pixels
        times, stamps, index = np.array(numbers, np.int64).reshape(-1, 3).T
        order = np.argsort(times, kind='stable')
        table = np.array(rows, np.float64).reshape(-1, len(_NAMES))[order]
        return cls(bag, camera, times[order] / 1e9, stamps[order], index[order],
                   dict(zip(_NAMES, table.T, strict=True)), pixels)

    def when(self, position: int) -> str:
        """Return which frame is at a position, and its time, in words."""
        return f'frame {self.index[position]} at {clock(float(self.seconds[position]))}'


_NAMES = ('mean_iou', 'drivable_iou', 'confidence', 'stability', 'agreement', 'drivable_share',
          'milliseconds')


def _figures(record: FrameRecord) -> tuple[float | None, ...]:
    """Return what :data:`_NAMES` names."""
    return (mean_iou(record), drivable_iou(record), record.confidence, record.stability,
            record.agreement, record.drivable_share, record.milliseconds.get('total'))
