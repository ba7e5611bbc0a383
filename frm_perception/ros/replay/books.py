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
"""
What became of the images that were played, by the answers to them and by the node's own counts.

The node says how many images it received, answered and did not answer, by reason, and not which
ones. Which ones follows where it can be nothing else: all images without an answer are of one
reason, if the node has counted as many under it. Where one image of a camera is underway at a
time, that names the fate of every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frm_perception.ros.mailbox import Outcome

REASONS = ('dropped', *(outcome.value for outcome in Outcome if outcome is not Outcome.ANSWERED))
"""Why the node answers no image; docs/metrics.md says what each of them means."""

ANSWERED = 'answered'
LOST = 'lost'
"""The image never reached the node."""
UNHEARD = 'unheard'
"""By its count the node answered the image, but the answer never arrived here."""
UNDECIDED = 'undecided'
"""Nobody said what became of it."""


@dataclass(frozen=True)
class Counts:
    """
    What a node has said of a camera's images until now.

    :param unanswered: images by each of :data:`REASONS`.
    :param in_flight: images that are not decided yet.
    """

    received: int
    answered: int
    unanswered: Mapping[str, int]
    in_flight: int

    @classmethod
    def read(cls, camera: Mapping[str, Any]) -> Counts:
        """Take the counts from a camera's object of `~/metrics`."""
        return cls(camera['received'], camera['answered'],
                   {reason: camera[reason] for reason in REASONS}, camera['in_flight'])


@dataclass(frozen=True)
class Balance:
    """
    The fates of all images of a camera that were played.

    :param answered: label and drivable mask arrived here.
    :param unanswered: without an answer, by reason, as far as the node has counted any.
    :param lost: that never reached the node.
    :param notes: what does not add up, and what that means, in words; nothing where all does.
    """

    published: int
    answered: int
    unanswered: Mapping[str, int]
    lost: int
    notes: tuple[str, ...]


class Book:
    """
    Keeps track of the images of one camera.

    :param before: what the node had said before the first of them.
    """

    def __init__(self, before: Counts) -> None:
        self._before = self._latest = before
        self._known = dict(before.unanswered)
        self._open: list[int] = []
        self._published = 0
        self._lost = 0
        self._unheard = 0
        self._answered = 0
        self._heard = 0
        self.fates: dict[int, str] = {}
        """By number of the image: answered, lost, or one of :data:`REASONS`."""

    def publish(self, number: int) -> None:
        """Book an image that is sent to the node."""
        self._published += 1
        self._heard = 0
        self._open.append(number)

    def answer(self, number: int) -> None:
        """Book that the answer to an image has arrived, be it one that was given up."""
        if number in self._open:
            self._open.remove(number)
        self._lost -= self.fates.get(number) == LOST
        self._unheard -= self.fates.get(number) == UNHEARD
        self._answered += self.fates.get(number) != ANSWERED
        self.fates[number] = ANSWERED

    def hear(self, counts: Counts) -> None:
        """Take in what the node says, and decide the fates that follow from it."""
        self._latest = counts
        self._heard += 1
        moved = {reason: counts.unanswered[reason] - known
                 for reason, known in self._known.items()
                 if counts.unanswered[reason] != known}
        if self._open and len(moved) == 1:
            (reason, number), = moved.items()
            if number == len(self._open):
                self.fates.update(dict.fromkeys(self._open, reason))
                self._open.clear()
                self._known[reason] += number

    def give_up(self) -> str:
        """
        Wait no longer for the latest image, whose fate is open.

        :return: :data:`LOST` where the node has not received it, :data:`UNHEARD` where it has
            answered more images than answers have arrived, else :data:`UNDECIDED`: its answer may
            still come. Of what the node said since, the first may be from before it.
        """
        received, answered = (getattr(self._latest, name) - getattr(self._before, name)
                              for name in ('received', 'answered'))
        fate = UNDECIDED
        if self._heard >= 2 and received < self._published - self._lost:
            fate = LOST
            self._lost += 1
        elif answered > self._answered + self._unheard:
            fate = UNHEARD
            self._unheard += 1
        if fate != UNDECIDED:
            self.fates[self._open.pop()] = fate
        return fate

    def close(self) -> None:
        """Take all images as lost whose fate is open, if the node has missed as many by now."""
        missed = self._published - (self._latest.received - self._before.received) - self._lost
        if missed == len(self._open):
            self.fates.update(dict.fromkeys(self._open, LOST))
            self._lost += missed
            self._open.clear()

    def balance(self) -> Balance:
        """Return what the images came to, by what the node has said until now."""
        before, after = self._before, self._latest
        received = after.received - before.received
        counted = after.answered - before.answered
        unanswered = {reason: after.unanswered[reason] - before.unanswered[reason]
                      for reason in REASONS}
        if min(received, counted, *unanswered.values()) < 0:
            return Balance(self._published, self._answered, {}, 0, (
                'the node was configured anew meanwhile, and its counts began anew with that: why '
                'images were not answered is not known',))
        notes = []
        if received > self._published:
            notes.append(f'{received - self._published} images more reached the node than were '
                         'played: something else publishes on the topic, and the counts of the '
                         'node are of both')
        if counted > self._answered:
            notes.append(f'{counted - self._answered} answers of the node, by its count, never '
                         'arrived here, or are to images of something else')
        if counted < self._answered:
            notes.append(f'{self._answered - counted} answers arrived that the node had not '
                         'counted when it spoke last')
        if after.in_flight:
            notes.append(f'{after.in_flight} images were still undecided when the node spoke last')
        return Balance(
            self._published, self._answered,
            {reason: number for reason, number in unanswered.items() if number},
            max(self._published - received, 0), tuple(notes))
