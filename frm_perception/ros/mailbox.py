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
"""One slot per camera, in which the newest frame wins, and the book of every frame's fate."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from types import MappingProxyType
from typing import Generic
from typing import TypeVar

from frm_perception.ros.scheduler import Turns

Frame = TypeVar('Frame')


class Outcome(Enum):
    """What became of a frame; the values are the fields of :class:`FrameCounts`."""

    ANSWERED = 'answered'
    PAUSED = 'paused'
    UNWANTED = 'unwanted'
    LIMITED = 'limited'
    STALE = 'stale'
    MALFORMED = 'malformed'
    FAILED = 'failed'


@dataclass(frozen=True)
class FrameCounts:
    """
    Where one camera's frames are: each received frame is in exactly one of the other fields.

    :param received: frames that reached the node.
    :param waiting: in the mailbox, 0 or 1.
    :param working: with the worker, 0 or 1.
    :param answered: label and drivable were published.
    :param dropped: a newer frame came before this one's turn, or the node was deactivated.
    :param paused: the parameter `paused` was true when it came.
    :param unwanted: nobody had subscribed to anything of this camera when it came.
    :param limited: it came sooner than `max_rate` lets its camera have an answer.
    :param stale: it was too old when its turn came.
    :param malformed: the message does not hold an image that can be read.
    :param failed: inference or publishing raised an error.
    """

    received: int = 0
    waiting: int = 0
    working: int = 0
    answered: int = 0
    dropped: int = 0
    paused: int = 0
    unwanted: int = 0
    limited: int = 0
    stale: int = 0
    malformed: int = 0
    failed: int = 0

    @property
    def in_flight(self) -> int:
        """Frames that are not decided yet."""
        return self.waiting + self.working


class Mailboxes(Generic[Frame]):
    """
    Hands frames of several cameras from the thread that receives to the thread that works.

    A camera has room for one waiting frame. A newer one replaces it but keeps its turn, so that no
    camera gets ahead of another by being faster.

    :param weights: of the cameras under whose names frames are put; see :class:`Turns`.
    :param counts: with which their books begin, where they are not new.
    """

    def __init__(self, weights: Mapping[str, float],
                 counts: Mapping[str, FrameCounts] = MappingProxyType({})) -> None:
        self._counts = {camera: counts.get(camera, FrameCounts()) for camera in weights}
        self._frames: dict[str, Frame] = {}
        self._turns = Turns(weights)
        self._open = False
        self._changed = threading.Condition()

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Let the same cameras have other weights from their next turns on."""
        with self._changed:
            self._turns.weights = weights

    def open(self) -> None:
        """Let frames in; the counts go on from where they were."""
        with self._changed:
            self._open = True

    def close(self) -> None:
        """Drop what waits and make :meth:`take` return nothing, now and until :meth:`open`."""
        with self._changed:
            self._open = False
            for camera in self._frames:
                self._count(camera, waiting=-1, dropped=1)
            self._frames.clear()
            self._turns.clear()
            self._changed.notify_all()

    def put(self, camera: str, frame: Frame) -> None:
        """Receive a frame; it replaces the camera's waiting one, which is counted as dropped."""
        with self._changed:
            if not self._open:
                self._count(camera, received=1, dropped=1)
                return
            if camera in self._frames:
                self._count(camera, received=1, dropped=1)
            else:
                self._count(camera, received=1, waiting=1)
                self._turns.join(camera)
            self._frames[camera] = frame
            self._changed.notify()

    def reject(self, camera: str, outcome: Outcome) -> None:
        """Receive a frame whose fate is known on arrival: it never displaces a good one."""
        with self._changed:
            self._count(camera, received=1, **{outcome.value: 1})

    def take(self, most: int = 1) -> list[tuple[str, Frame]]:
        """
        Wait for the frame whose camera is next; nothing once closed.

        :param most: frames, where others wait as well that belong with it, see
            :meth:`Turns.batch`. For them nobody waits.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or not self._open)
            if not self._open:
                return []
            cameras = self._turns.batch(most)
            for camera in cameras:
                self._count(camera, waiting=-1, working=1)
            return [(camera, self._frames.pop(camera)) for camera in cameras]

    def finish(self, camera: str, outcome: Outcome) -> None:
        """Book how the work on a taken frame ended."""
        with self._changed:
            self._count(camera, working=-1, **{outcome.value: 1})

    def counts(self, camera: str) -> FrameCounts:
        """Return one camera's book, taken at one moment."""
        with self._changed:
            return self._counts[camera]

    def _count(self, camera: str, **changes: int) -> None:
        old = self._counts[camera]
        self._counts[camera] = replace(
            old, **{name: getattr(old, name) + change for name, change in changes.items()})
