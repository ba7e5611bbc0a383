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
"""The thread that answers frames, where the system gives it trouble."""

from __future__ import annotations

import threading

import pytest

from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.worker import Worker


def test_a_thread_that_cannot_start_leaves_a_worker_that_can_be_stopped_and_started(
        monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    mailboxes: Mailboxes[int] = Mailboxes({'a': 1.0})
    worker = Worker(mailboxes, lambda *_: answered.set(), lambda *_: None)

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
