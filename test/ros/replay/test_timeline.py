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
"""The recording's time while it is played: it never goes back, and never runs ahead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies

from frm_perception.ros.replay.timeline import Timeline

BEGIN_NS = 1_700_000_000 * 10**9
TIMES = strategies.lists(strategies.integers(0, 10**10), min_size=1, max_size=20)


@given(TIMES, strategies.lists(strategies.floats(0, 100), min_size=1, max_size=20),
       strategies.sampled_from([None, 0.5, 1.0, 4.0]))
def test_it_never_goes_back_and_never_passes_a_message_that_waits(
        recorded: list[int], clock: list[float], rate: float | None) -> None:
    timeline = Timeline(BEGIN_NS, 5.0, rate)
    said = [timeline.now_ns(5.0)]
    steady = sorted(5.0 + seconds for seconds in clock)
    for after_ns in recorded:
        timeline.wait_for(BEGIN_NS + after_ns)
        for now in steady:
            said.append(timeline.now_ns(now))
            assert said[-1] <= max(said[-2], BEGIN_NS + after_ns)
        timeline.reach(BEGIN_NS + after_ns)
        said.append(timeline.now_ns(steady[-1]))
        assert said[-1] >= BEGIN_NS + after_ns
    assert said == sorted(said)


def test_messages_are_due_at_the_rate_from_the_beginning_on() -> None:
    timeline = Timeline(BEGIN_NS, 5.0, rate=2.0)
    assert timeline.due(BEGIN_NS) == 5.0
    assert timeline.due(BEGIN_NS + 3 * 10**9) == 6.5


def test_the_time_passes_at_the_rate_while_a_message_is_not_due() -> None:
    timeline = Timeline(BEGIN_NS, 5.0, rate=2.0)
    timeline.wait_for(BEGIN_NS + 10 * 10**9)
    assert timeline.now_ns(6.0) == BEGIN_NS + 2 * 10**9


def test_without_a_rate_every_message_is_due_and_the_time_is_that_of_the_latest() -> None:
    timeline = Timeline(BEGIN_NS, 5.0, rate=None)
    timeline.wait_for(BEGIN_NS + 10**9)
    assert timeline.due(BEGIN_NS + 10**9) == 5.0
    assert timeline.now_ns(100.0) == BEGIN_NS
    timeline.reach(BEGIN_NS + 10**9)
    timeline.wait_for(BEGIN_NS + 2 * 10**9)
    assert timeline.now_ns(200.0) == BEGIN_NS + 10**9
