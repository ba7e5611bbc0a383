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
"""The thread that owns the engine while the node is active."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.mailbox import Outcome

Frame = TypeVar('Frame')


class StaleFrame(Exception):
    """A frame that is too old to be answered; the text says how old it is."""


_BOOKED = {MalformedImage: Outcome.MALFORMED, StaleFrame: Outcome.STALE}
"""What a frame's own fault is booked as; whatever else is raised is a failure."""
REFUSALS = tuple(_BOOKED)
"""Errors that are a frame's own fault."""


Answered = Callable[[str, Exception | None], None]
"""Told of every frame's camera, once, that it is answered (None), or why not."""


class Worker(Generic[Frame]):
    """
    Answers frames from mailboxes on a thread of its own until it is stopped.

    No error of a frame ends it: each is reported, booked, and followed by the next frame.

    :param mailboxes: where frames come from and where outcomes are booked.
    :param most: how many cameras' frames may be answered together now.
    :param answer: answers frames of several cameras and tells of each; :class:`MalformedImage` and
        :class:`StaleFrame` mean the frame's fault.
    :param report: told of every frame without an answer.
    """

    def __init__(
            self, mailboxes: Mailboxes[Frame], most: Callable[[], int],
            answer: Callable[[list[tuple[str, Frame]], Answered], None],
            report: Callable[[str, Outcome, Exception], None]) -> None:
        self._mailboxes = mailboxes
        self._most = most
        self._answer = answer
        self._report = report
        self._unanswered: set[str] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the mailboxes and begin."""
        self._mailboxes.open()
        thread = threading.Thread(target=self._run, name='inference', daemon=True)
        thread.start()  # raises where the system has no more threads: there is none to wait for
        self._thread = thread

    def stop(self) -> None:
        """Close the mailboxes and wait for the frames in work, if there are any."""
        self._mailboxes.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while taken := self._mailboxes.take(self._most()):
            self._unanswered = {camera for camera, _ in taken}
            try:
                self._answer(taken, self._finish)
            except Exception as error:
                for camera in tuple(self._unanswered):
                    self._finish(camera, error)

    def _finish(self, camera: str, error: Exception | None) -> None:
        self._unanswered.remove(camera)
        if error is None:
            self._mailboxes.finish(camera, Outcome.ANSWERED)
            return
        outcome = _BOOKED.get(type(error), Outcome.FAILED)
        self._mailboxes.finish(camera, outcome)
        self._report(camera, outcome, error)
