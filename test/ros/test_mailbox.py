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
from __future__ import annotations

import threading

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.mailbox import Outcome


def opened(*cameras: str) -> Mailboxes[int]:
    mailboxes: Mailboxes[int] = Mailboxes(dict.fromkeys(cameras, 1.0))
    mailboxes.open()
    return mailboxes


def test_newest_frame_wins_and_the_older_is_counted_as_dropped() -> None:
    mailboxes = opened('a')
    for frame in (1, 2, 3):
        mailboxes.put('a', frame)
    assert mailboxes.take() == [('a', 3)]
    assert mailboxes.counts('a') == FrameCounts(received=3, dropped=2, working=1)


def test_a_fast_camera_does_not_get_ahead_of_one_that_waits() -> None:
    mailboxes = opened('fast', 'slow')
    mailboxes.put('fast', 1)
    mailboxes.put('slow', 2)
    mailboxes.put('fast', 3)
    assert mailboxes.take() == [('fast', 3)]
    mailboxes.put('fast', 4)
    assert mailboxes.take() == [('slow', 2)]
    assert mailboxes.take() == [('fast', 4)]


def test_several_frames_are_taken_together_one_of_each_camera_that_waits() -> None:
    mailboxes = opened('a', 'b', 'c')
    for frame, camera in enumerate(('a', 'b', 'a')):
        mailboxes.put(camera, frame)
    assert mailboxes.take(3) == [('a', 2), ('b', 1)]
    assert [mailboxes.counts(camera).working for camera in 'abc'] == [1, 1, 0]
    mailboxes.put('c', 3)
    assert mailboxes.take(3) == [('c', 3)]


def test_rejecting_a_frame_leaves_the_waiting_one_alone() -> None:
    mailboxes = opened('a')
    mailboxes.put('a', 1)
    mailboxes.reject('a', Outcome.MALFORMED)
    assert mailboxes.take() == [('a', 1)]
    assert mailboxes.counts('a').malformed == 1


def test_closing_drops_what_waits_and_releases_the_taker() -> None:
    mailboxes = opened('a')
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.append(mailboxes.take()))
    taker.start()
    mailboxes.close()
    taker.join(timeout=10)
    assert taken == [[]]
    mailboxes.put('a', 1)
    assert mailboxes.counts('a') == FrameCounts(received=1, dropped=1)


def test_reopening_keeps_the_counts() -> None:
    mailboxes = opened('a')
    mailboxes.put('a', 1)
    mailboxes.close()
    mailboxes.open()
    mailboxes.put('a', 2)
    assert mailboxes.take() == [('a', 2)]
    assert mailboxes.counts('a') == FrameCounts(received=2, dropped=1, working=1)


ACTIONS = st.lists(st.tuples(
    st.sampled_from(['put', 'reject', 'take', 'finish', 'close', 'open']),
    st.sampled_from(['a', 'b']), st.sampled_from(list(Outcome))))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_every_received_frame_is_in_exactly_one_place(
        actions: list[tuple[str, str, Outcome]]) -> None:
    mailboxes = opened('a', 'b')
    is_open = True
    waiting: set[str] = set()
    working: list[str] = []
    for action, camera, outcome in actions:
        if action == 'put':
            mailboxes.put(camera, 0)
            waiting |= {camera} if is_open else set()
        elif action == 'reject':
            mailboxes.reject(camera, outcome)
        elif action == 'take' and (waiting or not is_open):
            for taken, _ in mailboxes.take(2):
                waiting.remove(taken)
                working.append(taken)
        elif action == 'finish' and working:
            mailboxes.finish(working.pop(), outcome)
        elif action == 'close':
            mailboxes.close()
            is_open = False
            waiting.clear()
        elif action == 'open':
            mailboxes.open()
            is_open = True
        for name in ('a', 'b'):
            counts = mailboxes.counts(name)
            assert counts.received == (
                sum(getattr(counts, each.value) for each in Outcome)
                + counts.dropped + counts.in_flight)
            assert counts.waiting == (name in waiting)
            assert counts.working == working.count(name)
