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
"""Which frames of a drive deserve a look: the worst, and some that are spread over it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from frm_perception.evaluation.drive.figures import drivable_iou
from frm_perception.evaluation.drive.figures import mean_iou
from frm_perception.evaluation.drive.frame_record import FrameRecord

WORST_OF_EACH = 4
"""So many frames are worst in each of the figures."""

STRIP_FRAMES = 60
"""So many frames of each camera have a small picture."""

_APART_NS = 1_000_000_000

_FIGURES: dict[str, Callable[[FrameRecord], float | None]] = {
    'drivable IoU': drivable_iou,
    'mean IoU': mean_iou,
    'agreement': lambda record: record.agreement,
    'stability': lambda record: record.stability,
    'confidence': lambda record: record.confidence,
}


@dataclass(frozen=True)
class WorstFrame:
    """A frame, and which of its figures is why it is here, in words."""

    record: FrameRecord
    why: str


def worst_frames(records: Sequence[FrameRecord]) -> list[WorstFrame]:
    """
    Return the frames that are worst in any figure, figure by figure, the worst first.

    A frame is left out that was taken within a second of one that is there, by the same camera:
    it would show the same.
    """
    worst: list[WorstFrame] = []
    for name, figure in _FIGURES.items():
        valued = [(value, number) for number, value in enumerate(map(figure, records))
                  if value is not None]
        most = len(worst) + WORST_OF_EACH
        for value, number in sorted(valued):
            if len(worst) == most:
                break
            if not any(_near(records[number], other.record) for other in worst):
                worst.append(WorstFrame(records[number], f'{name} {100 * value:.1f} %'))
    return worst


def spread_frames(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    """Return at most :data:`STRIP_FRAMES` of one camera's records, evenly spread over them."""
    count = min(len(records), STRIP_FRAMES)
    return [records[(2 * number + 1) * len(records) // (2 * count)] for number in range(count)]


def _near(one: FrameRecord, other: FrameRecord) -> bool:
    return ((one.bag, one.camera) == (other.bag, other.camera)
            and abs(one.stamp_ns - other.stamp_ns) < _APART_NS)
