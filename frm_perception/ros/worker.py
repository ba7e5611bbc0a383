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


_REFUSALS = {MalformedImage: Outcome.MALFORMED, StaleFrame: Outcome.STALE}
"""What a frame's own fault is booked as; whatever else is raised is a failure."""


class Worker(Generic[Frame]):
    """
    Answers frames from mailboxes on a thread of its own until it is stopped.

    No error of a frame ends it: each is reported, booked, and followed by the next frame.

    :param mailboxes: where frames come from and where outcomes are booked.
    :param answer: answers one camera's frame; :class:`MalformedImage` and
        :class:`StaleFrame` mean the frame's fault.
    :param report: told of every frame without an answer.
    """

    def __init__(
            self, mailboxes: Mailboxes[Frame], answer: Callable[[str, Frame], None],
            report: Callable[[str, Outcome, Exception], None]) -> None:
        self._mailboxes = mailboxes
        self._answer = answer
        self._report = report
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the mailboxes and begin."""
        self._mailboxes.open()
        thread = threading.Thread(target=self._run, name='inference', daemon=True)
        thread.start()  # raises where the system has no more threads: there is none to wait for
        self._thread = thread

    def stop(self) -> None:
        """Close the mailboxes and wait for the frame in work, if there is one."""
        self._mailboxes.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (taken := self._mailboxes.take()) is not None:
            camera, frame = taken
            try:
                self._answer(camera, frame)
            except Exception as error:
                outcome = _REFUSALS.get(type(error), Outcome.FAILED)
                self._mailboxes.finish(camera, outcome)
                self._report(camera, outcome, error)
            else:
                self._mailboxes.finish(camera, Outcome.ANSWERED)
