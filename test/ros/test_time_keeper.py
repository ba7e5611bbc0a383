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
"""Tests that steps are taken where they must be, and that nothing makes them flap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from collections.abc import Sequence

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.ros.ladder import Rung
from frm_perception.ros.time_keeper import CALM_S
from frm_perception.ros.time_keeper import LEAST_FRAMES
from frm_perception.ros.time_keeper import MARGIN
from frm_perception.ros.time_keeper import MOST_CALM_S
from frm_perception.ros.time_keeper import RETRY
from frm_perception.ros.time_keeper import Step
from frm_perception.ros.time_keeper import TimeKeeper

RUNGS = [Rung((384, 640), 'fp32'), Rung((384, 640), 'int8'), Rung((320, 544), 'int8'),
         Rung((288, 480), 'int8'), Rung((224, 384), 'int8'), Rung((192, 320), 'int8')]
SIZES = [Rung(rung.resolution, 'int8') for rung in RUNGS[1:]]
TICK_S = 1.0
BUILD_S = 1.0

Times = Callable[[Rung, float], float]


def run(keeper: TimeKeeper, times: Times, seconds: float, hz: float = 20.0, start: float = 0.0
        ) -> list[tuple[float, Step]]:
    """
    Let frames come and steps be taken, each of which takes a while, as a node does.

    :param times: milliseconds of a frame by its rung and the time.
    :return: when which step was due.
    """
    taken: list[tuple[float, Step]] = []
    on_the_way: tuple[float, Step] | None = None
    frame, tick = start, start
    while tick < start + seconds:
        while frame < tick:
            keeper.add(times(keeper.rungs[keeper.rung], frame), frame)
            frame += 1 / hz
        if on_the_way is not None:
            if tick >= on_the_way[0]:
                keeper.arrive(on_the_way[1], tick)
                on_the_way = None
        elif (step := keeper.decide(tick)) is not None:
            on_the_way = tick + BUILD_S, step
            taken.append((tick, step))
        tick += TICK_S
    return taken


def cost(fixed: float, per_pixel: float, int8: float = 0.5) -> Times:
    """Return times that are linear in the pixels, and in int8 a share of what they are in fp32."""
    return lambda rung, _: (fixed + per_pixel * rung.pixels / 1e5) * (
        int8 if rung.precision == 'int8' else 1.0)


def test_frames_in_time_cause_no_step() -> None:
    keeper = TimeKeeper(100.0, RUNGS, 0.0)
    assert run(keeper, lambda *_: 100.0, 600.0) == []


def test_late_frames_lead_to_the_first_rung_that_keeps_the_budget() -> None:
    keeper = TimeKeeper(60.0, RUNGS, 0.0)
    times = cost(fixed=10.0, per_pixel=70.0)  # 182 ms, in int8 91, 71, 53 ...
    taken = run(keeper, times, 3600.0)
    assert keeper.rungs[keeper.rung] == Rung((288, 480), 'int8')
    assert [step.to for _, step in taken] == sorted({step.to for _, step in taken})
    assert 'took up to 182.0 ms, and deadline_ms is 60' in taken[0][1].why


def test_rungs_that_would_be_late_at_best_are_passed_over() -> None:
    keeper = TimeKeeper(20.0, SIZES, 0.0)
    taken = run(keeper, cost(fixed=0.0, per_pixel=60.0), 60.0)
    assert [step.to for _, step in taken] == [4]


def test_at_the_floor_late_frames_cause_no_more_steps() -> None:
    keeper = TimeKeeper(1.0, RUNGS, 0.0)
    run(keeper, lambda *_: 50.0, 60.0)
    assert keeper.is_exhausted
    assert run(keeper, lambda *_: 50.0, 600.0, start=60.0) == []


def test_a_few_frames_may_be_late() -> None:
    keeper = TimeKeeper(100.0, RUNGS, 0.0)
    frames = itertools.count()
    assert run(keeper, lambda *_: 500.0 if next(frames) % 14 == 0 else 50.0, 600.0) == []
    assert run(keeper, lambda *_: 500.0 if next(frames) % 7 == 0 else 50.0, 10.0, start=600.0)


def test_a_camera_that_is_slow_or_silent_is_not_judged_by_a_few_frames() -> None:
    keeper = TimeKeeper(10.0, RUNGS, 0.0)
    taken = run(keeper, lambda *_: 50.0, LEAST_FRAMES - 1, hz=1.0)
    assert taken == []
    keeper = TimeKeeper(100.0, RUNGS, 0.0)
    run(keeper, lambda *_: 500.0 if keeper.rung == 0 else 1.0, 8.0)
    assert keeper.rung == 1
    assert run(keeper, lambda *_: 1.0, 600.0, hz=1e-9, start=8.0) == []


def test_when_a_load_has_gone_it_climbs_to_what_was_asked_for() -> None:
    keeper = TimeKeeper(60.0, RUNGS, 0.0)
    calm = cost(fixed=5.0, per_pixel=15.0)  # 42 ms
    taken = run(
        keeper, lambda rung, at: calm(rung, at) * (4.0 if 30.0 < at < 90.0 else 1.0), 300.0)
    assert max(step.to for _, step in taken) > 1
    assert keeper.rung == 0
    assert len(taken) <= 2 * len(RUNGS)


def test_a_load_that_was_there_from_the_start_does_not_keep_it_down_for_ever() -> None:
    """What the more exact precision took under the load says nothing of what it takes without."""
    keeper = TimeKeeper(60.0, RUNGS, 0.0)
    calm = cost(fixed=5.0, per_pixel=15.0)
    run(keeper, lambda rung, at: calm(rung, at) * (5.0 if at < 20.0 else 1.0), 1200.0)
    assert keeper.rung == 0


def test_another_budget_is_kept_from_now_on() -> None:
    keeper = TimeKeeper(1000.0, SIZES, 0.0)
    times = cost(fixed=0.0, per_pixel=60.0)
    assert run(keeper, times, 60.0) == []
    keeper.budget_ms = 30.0
    run(keeper, times, 60.0, start=60.0)
    assert keeper.rung > 0
    keeper.budget_ms = 1000.0
    run(keeper, times, 120.0, start=120.0)
    assert keeper.rung == 0


rungs_of_one_precision = st.integers(1, len(SIZES)).map(lambda count: SIZES[:count])


@settings(deadline=None, max_examples=25)
@given(rungs=rungs_of_one_precision, budget=st.floats(5.0, 200.0), fixed=st.floats(0.0, 50.0),
       per_pixel=st.floats(1.0, 100.0), hz=st.floats(2.0, 30.0),
       noise=st.lists(st.floats(0.9, 1.0), min_size=1, max_size=37))
def test_under_an_even_load_smaller_inputs_are_never_left_again(
        rungs: Sequence[Rung], budget: float, fixed: float, per_pixel: float, hz: float,
        noise: Sequence[float]) -> None:
    keeper = TimeKeeper(budget, rungs, 0.0)
    times = cost(fixed, per_pixel)
    frames = itertools.count()
    taken = run(keeper, lambda rung, at: times(rung, at) * noise[next(frames) % len(noise)],
                300.0, hz)
    indices = [step.to for _, step in taken]
    assert indices == sorted(set(indices))


@settings(deadline=None, max_examples=25)
@given(budget=st.floats(5.0, 200.0), data=st.data(), hz=st.floats(5.0, 12.0))
def test_under_any_even_load_steps_up_become_ever_rarer(
        budget: float, data: st.DataObject, hz: float) -> None:
    """Also where times have nothing to do with pixels, so that expectations are wrong."""
    fixed = {rung: data.draw(st.floats(1.0, 300.0)) for rung in RUNGS}
    keeper = TimeKeeper(budget, RUNGS, 0.0)
    hours = 1.0
    taken = run(keeper, lambda rung, _: fixed[rung], 3600.0 * hours, hz)
    before = 0
    climbs = dict.fromkeys(range(len(RUNGS)), 0)
    for _, step in taken:
        climbs[step.to] += step.to < before
        before = step.to
    most = math.log2(MOST_CALM_S / CALM_S) + 1 + 3600.0 * hours / MOST_CALM_S
    assert all(count <= most for count in climbs.values())


@settings(deadline=None, max_examples=10)
@given(budget=st.floats(5.0, 200.0), hz=st.floats(5.0, 12.0),
       loads=st.lists(st.tuples(st.floats(0.0, 60.0), st.floats(0.1, 20.0)), max_size=3))
def test_whatever_happens_it_stays_on_the_ladder_and_comes_back_to_what_was_asked_for(
        budget: float, hz: float, loads: Sequence[tuple[float, float]]) -> None:
    keeper = TimeKeeper(budget, RUNGS, 0.0)
    now = 0.0
    for seconds, milliseconds in loads:
        for _, step in run(keeper, lambda rung, _, t=milliseconds: t * 10, seconds, hz, now):
            assert 0 <= step.to < len(RUNGS)
        now += seconds
    quiet = CALM_S * 2 ** len(loads) * (RETRY + len(RUNGS) * LEAST_FRAMES) + 100.0
    run(keeper, lambda rung, _: MARGIN * budget * rung.pixels / RUNGS[0].pixels * 0.99, quiet, hz,
        now)
    assert keeper.rung == 0
