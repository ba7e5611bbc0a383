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
"""The thread that answers frames, where the system or a frame gives it trouble."""

from __future__ import annotations

import threading

import pytest

from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.mailbox import Outcome
from frm_perception.ros.worker import Answered
from frm_perception.ros.worker import StaleFrame
from frm_perception.ros.worker import Worker


def test_a_thread_that_cannot_start_leaves_a_worker_that_can_be_stopped_and_started(
        monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    mailboxes: Mailboxes[int] = Mailboxes({'a': 1.0})

    def answer(taken: list[tuple[str, int]], told: Answered) -> None:
        for camera, _ in taken:
            told(camera, None)
        answered.set()

    worker = Worker(mailboxes, lambda: 1, answer, lambda *_: None)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, 'start', refuse)
        with pytest.raises(RuntimeError, match='new thread'):
            worker.start()
    worker.stop()
    worker.start()
    mailboxes.put('a', 1)
    assert answered.wait(10)
    worker.stop()
    assert mailboxes.counts('a') == FrameCounts(received=1, answered=1)


def test_every_frame_of_a_batch_has_the_fate_that_is_told_and_the_rest_that_of_the_batch() -> None:
    mailboxes: Mailboxes[int] = Mailboxes(dict.fromkeys('abcd', 1.0))
    mailboxes.open()
    for frame, camera in enumerate('abcd'):
        mailboxes.put(camera, frame)
    reported: dict[str, tuple[Outcome, str]] = {}
    last = threading.Event()

    def answer(taken: list[tuple[str, int]], told: Answered) -> None:
        assert taken == [('a', 0), ('b', 1), ('c', 2), ('d', 3)]
        told('b', StaleFrame('old'))
        told('a', None)
        raise RuntimeError('the rest')

    def report(camera: str, outcome: Outcome, error: Exception) -> None:
        reported[camera] = outcome, str(error)
        if len(reported) == 3:
            last.set()

    worker = Worker(mailboxes, lambda: 4, answer, report)
    worker.start()
    assert last.wait(10)
    worker.stop()
    assert reported == {'b': (Outcome.STALE, 'old'), 'c': (Outcome.FAILED, 'the rest'),
                        'd': (Outcome.FAILED, 'the rest')}
    assert mailboxes.counts('a') == FrameCounts(received=1, answered=1)
    assert mailboxes.counts('b') == FrameCounts(received=1, stale=1)
    assert mailboxes.counts('c') == mailboxes.counts('d') == FrameCounts(received=1, failed=1)
