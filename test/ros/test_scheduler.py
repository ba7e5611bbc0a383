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
"""Fair shares and limited rates, counted and never timed."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.mailbox import Outcome
from frm_perception.ros.scheduler import RateLimit
from frm_perception.ros.scheduler import Turns

WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6).map(
    lambda weights: {f'camera{index}': weight for index, weight in enumerate(weights)})


def answers(periods: dict[str, float], weights: dict[str, float], work: float, until: float,
            most: int = 1) -> dict[str, int]:
    """
    Return how many frames of each camera are answered by then, on a simulated clock.

    :param periods: time from one frame of a camera to the next.
    :param work: what one answer takes.
    :param most: answers of one batch.
    """
    mailboxes: Mailboxes[float] = Mailboxes(weights)
    mailboxes.open()
    arrivals = [(period * (index + 1) / 10, name)
                for index, (name, period) in enumerate(periods.items())]
    heapq.heapify(arrivals)
    free = 0.0
    while arrivals[0][0] < until:
        now, name = heapq.heappop(arrivals)
        heapq.heappush(arrivals, (now + periods[name], name))
        mailboxes.put(name, now)
        upcoming = arrivals[0][0]
        while max(free, now) < upcoming and any(
                mailboxes.counts(each).waiting for each in periods):
            taken = mailboxes.take(most)
            for camera, _ in taken:
                mailboxes.finish(camera, Outcome.ANSWERED)
            free = max(free, now) + work * len(taken)
    return {name: mailboxes.counts(name).answered for name in periods}


@pytest.mark.parametrize('work', [0.02, 0.05, 0.1, 0.31])
@pytest.mark.parametrize('period', [1 / 30, 1 / 29.97, 1 / 15])
def test_four_equal_cameras_get_equal_shares_of_an_overloaded_engine(
        period: float, work: float) -> None:
    names = ('front', 'rear', 'left', 'right')
    found = answers(dict.fromkeys(names, period), dict.fromkeys(names, 1.0), work, until=200.0)
    fair = sum(found.values()) / 4
    assert sum(found.values()) == pytest.approx(200 / work, rel=0.02)
    assert all(abs(count - fair) <= 0.1 * fair for count in found.values())


def test_a_fast_camera_gets_no_more_than_slower_ones_that_could_use_the_engine_too() -> None:
    found = answers({'fast': 1 / 120, 'slow': 1 / 15, 'slower': 1 / 12},
                    {'fast': 1.0, 'slow': 1.0, 'slower': 1.0}, work=0.05, until=100.0)
    fair = sum(found.values()) / 3
    assert all(abs(count - fair) <= 0.1 * fair for count in found.values())


def test_a_slow_camera_is_answered_whole_and_the_others_share_what_it_leaves() -> None:
    found = answers({'slow': 1.0, 'a': 1 / 30, 'b': 1 / 30},
                    {'slow': 1.0, 'a': 1.0, 'b': 1.0}, work=0.1, until=100.0)
    assert found['slow'] >= 99
    assert abs(found['a'] - found['b']) <= 5


@pytest.mark.parametrize('most', [1, 2])
def test_weights_share_an_overloaded_engine(most: int) -> None:
    found = answers({'front': 1 / 60, 'rear': 1 / 60}, {'front': 3.0, 'rear': 1.0},
                    work=0.1, until=200.0, most=most)
    assert found['front'] == pytest.approx(3 * found['rear'], rel=0.1)


@given(WEIGHTS, st.integers(1, 400))
def test_cameras_that_always_wait_have_turns_in_proportion_to_their_weights(
        weights: dict[str, float], rounds: int) -> None:
    turns = Turns(weights)
    counts = dict.fromkeys(weights, 0)
    for name in weights:
        turns.join(name)
    for _ in range(rounds):
        name = turns.next()
        counts[name] += 1
        turns.join(name)
    used = {name: counts[name] / weights[name] for name in weights}
    for a in weights:
        for b in weights:
            assert abs(used[a] - used[b]) <= (1 / weights[a] + 1 / weights[b]) * 1.0001


@given(WEIGHTS, st.integers(1, 200), st.integers(1, 6))
def test_batches_of_cameras_that_always_wait_keep_the_proportions_of_their_weights(
        weights: dict[str, float], rounds: int, most: int) -> None:
    turns = Turns(weights)
    counts = dict.fromkeys(weights, 0)
    for name in weights:
        turns.join(name)
    for _ in range(rounds):
        batch = turns.batch(most)
        assert 1 <= len(batch) <= most and len(set(batch)) == len(batch)
        for name in batch:
            counts[name] += 1
            turns.join(name)
    used = {name: counts[name] / weights[name] for name in weights}
    for a in weights:
        for b in weights:
            assert abs(used[a] - used[b]) <= (1 / weights[a] + 1 / weights[b]) * 1.0001


def test_equal_cameras_that_wait_are_one_batch() -> None:
    turns = Turns(dict.fromkeys('abcd', 1.0))
    for name in 'cab':
        turns.join(name)
    assert turns.batch(4) == ['c', 'a', 'b']
    for name in 'dabc':
        turns.join(name)
    assert turns.batch(2) == ['d', 'a']


@given(WEIGHTS, st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=200))
def test_a_camera_that_waits_is_passed_only_as_often_as_the_weights_allow(
        weights: dict[str, float], steps: list[tuple[int, bool]]) -> None:
    """Whatever came before: what a camera did not use it has not saved up."""
    turns = Turns(weights)
    names = list(weights)
    passed: dict[str, dict[str, int]] = {}
    for index, takes in steps:
        name = names[index % len(names)]
        if name not in passed:
            turns.join(name)
            passed[name] = dict.fromkeys(names, 0)
        elif takes:
            taken = turns.next()
            del passed[taken]
            for others in passed.values():
                others[taken] += 1
        for waiting, others in passed.items():
            for other, times in others.items():
                assert times <= weights[other] / weights[waiting] * 1.0001 + 2


def test_with_nobody_waiting_nobody_is_next() -> None:
    turns = Turns({'a': 1.0})
    turns.join('a')
    turns.clear()
    with pytest.raises(ValueError, match='empty'):
        turns.next()


@given(st.floats(0.1, 100), st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_never_more_frames_pass_than_the_rate_allows(most: float, gaps: list[float]) -> None:
    limit = RateLimit(most)
    now, admitted = 1000.0, []
    for gap in gaps:
        now += gap
        if limit.admits(now):
            admitted.append(now)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            allowed = (admitted[last] - admitted[first]) * most + 2
            assert last - first + 1 <= allowed + 1e-6


@pytest.mark.parametrize(('rate', 'most'), [(30, 20), (30, 7), (30, 29), (30, 30.5), (10, 30)])
def test_a_camera_gets_the_rate_it_may_have_or_has(rate: float, most: float) -> None:
    limit = RateLimit(most)
    passed = sum(limit.admits(5 + frame / rate) for frame in range(round(100 * rate)))
    assert passed == pytest.approx(100 * min(rate, most), rel=0.01)


def test_no_limit_lets_all_pass() -> None:
    limit = RateLimit(0.0)
    assert all(limit.admits(1.0) for _ in range(1000))
