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
"""What is wrong with a frame that no truth is needed to tell."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.drive.frame_record import FrameRecord

ALARMS = ('one_class', 'frozen')
"""Their names, in the order in which a record lists them."""

FROZEN_FRAMES = 5
"""An image is frozen when it and as many before it as make this number are nearly the same."""

FROZEN_DIFFERENCE = 0.05
"""Mean difference of two small grey images that are nearly the same, at most, of 255 steps."""


def shows_one_class(class_pixels: Sequence[int], unlabelled: int) -> bool:
    """
    Tell whether all pixels that the network saw have the same label, or none has one.

    :param class_pixels: pixels of each class.
    :param unlabelled: pixels without a class.
    """
    return sum(map(bool, class_pixels)) + bool(unlabelled and not any(class_pixels)) == 1


class FrozenImages:
    """Whether a camera's images stay the same."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._same = 0

    def update(self, grey: NDArray[np.uint8]) -> bool:
        """
        Take in the next image; tell whether it is frozen.

        :param grey: (h, w) uint8, :func:`.stability.small_grey` of the image.
        """
        before, self._before = self._before, grey
        same = (before is not None and before.shape == grey.shape
                and _difference(before, grey) <= FROZEN_DIFFERENCE)
        self._same = self._same + 1 if same else 1
        return self._same >= FROZEN_FRAMES


@dataclass(frozen=True)
class AlarmSpan:
    """
    Frames of one camera in succession that have the same alarm.

    :param begin_ns: stamp of the first of them; ``end_ns`` is the last one's.
    :param frames: how many there are.
    """

    kind: str
    bag: str
    camera: str
    begin_ns: int
    end_ns: int
    frames: int


def alarm_spans(records: Sequence[FrameRecord]) -> list[AlarmSpan]:
    """
    Return the alarms of one camera's records, by kind and in the order of the frames.

    :param records: those of one camera of one bag, in their order.
    """
    return [span for kind in ALARMS for span in _spans(kind, records)]


def _spans(kind: str, records: Sequence[FrameRecord]) -> Iterator[AlarmSpan]:
    for raised, group in groupby(records, lambda record: kind in record.alarms):
        frames = list(group)
        if raised:
            yield AlarmSpan(kind, frames[0].bag, frames[0].camera, frames[0].stamp_ns,
                            frames[-1].stamp_ns, len(frames))


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
