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
"""From classes to a drivable mask, rule by rule, on rendered roads whose labels are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from frm_perception.labels import CAMVID
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.drivable import by_class
from frm_perception.runtime.kernels.arrays import ArrayKernels
from frm_perception.runtime.kernels.sampling import sampling
from frm_perception.scenes.drive import RenderedDrive

SIZE = (120, 200)
STRIDE = 4
ROAD, CAR = (CAMVID.classes.index(name) for name in ('road', 'car'))
CLASSES = CAMVID.drivable_lut()
TENTH = 10**8
"""Nanoseconds from frame to frame."""

U8 = NDArray[np.uint8]


@pytest.fixture(scope='module')
def road() -> U8:
    """Return the labels of a rendered road."""
    return RenderedDrive(seed=3, height=SIZE[0], width=SIZE[1], frames=1)[0].labels


def filtered(camera: DrivableFilter, labels: U8, stamp_ns: int | None = None,
             logits: NDArray[np.float32] | None = None) -> U8:
    """Return the mask of labels, which logits are needed for where confidence matters."""
    cells = np.zeros((11, 1, 1), np.float32) if logits is None else logits
    return camera.mask(cells, sampling(SIZE, STRIDE, SIZE), labels, CLASSES, ArrayKernels(),
                       stamp_ns)


def test_without_rules_every_pixel_of_the_classes_is_drivable(road: U8) -> None:
    mask = filtered(DrivableFilter(DrivableRules()), road)
    assert np.array_equal(mask, np.where(road == ROAD, 255, 0))
    assert np.array_equal(mask, by_class(road, CLASSES))
    assert 0.1 < np.mean(mask != 0) < 0.9


@given(labels=arrays(np.uint8, (7, 5)), drivable=st.sets(st.integers(0, 255), max_size=20))
def test_any_classes_may_be_drivable(labels: U8, drivable: set[int]) -> None:
    classes = np.zeros(256, np.uint8)
    classes[list(drivable)] = 255
    assert np.array_equal(by_class(labels, classes), classes[labels])


def test_pixels_the_network_is_unsure_of_are_not_drivable(road: U8) -> None:
    cells = np.zeros((11, SIZE[0] // STRIDE, SIZE[1] // STRIDE), np.float32)
    cells[ROAD, :, :] = 6
    cells[CAR, :, 25:] = 5  # on the right it could as well be a car
    labels = np.full(SIZE, ROAD, np.uint8)
    mask = filtered(DrivableFilter(DrivableRules(min_confidence=0.9)), labels, logits=cells)
    assert (mask[:, :94] == 255).all() and (mask[:, 106:] == 0).all()
    lenient = filtered(DrivableFilter(DrivableRules(min_confidence=0.5)), labels, logits=cells)
    assert (lenient == 255).all()


def test_small_areas_go_and_large_ones_stay(road: U8) -> None:
    labels = road.copy()
    labels[2:6, 2:12] = ROAD  # 40 pixels in the sky
    mask = filtered(DrivableFilter(DrivableRules(min_area=41 / road.size)), labels)
    assert not mask[:8, :14].any()
    assert np.count_nonzero(mask) > 0.9 * np.count_nonzero(road == ROAD)
    mask = filtered(DrivableFilter(DrivableRules(min_area=40 / road.size)), labels)
    assert (mask[2:6, 2:12] == 255).all()


def test_areas_that_do_not_reach_the_vehicle_go(road: U8) -> None:
    labels = road.copy()
    labels[2:40, 2:60] = ROAD  # large, but in the sky
    barrier = labels.copy()
    barrier[90:96] = CAR
    camera = DrivableFilter(DrivableRules(foot=0.05))
    mask = filtered(camera, labels)
    assert not mask[2:40, 2:60].any() and mask[-1, 100] == 255
    beyond = filtered(camera, barrier)
    assert not beyond[:96].any()
    assert np.array_equal(beyond[96:], mask[96:])


def test_what_touches_the_lower_border_only_at_its_sides_is_not_ahead() -> None:
    labels = np.full(SIZE, CAR, np.uint8)
    labels[60:, :50] = ROAD
    camera = DrivableFilter(DrivableRules(foot=0.05))
    assert not filtered(camera, labels).any()
    labels[60:, 50] = ROAD
    assert np.array_equal(filtered(camera, labels) != 0, labels == ROAD)


def masks(camera: DrivableFilter, frames: list[bool], start: int = 0,
          step: int = TENTH) -> list[bool]:
    """Return for every frame whether a picture that is all road, or none, is drivable."""
    found = []
    for index, drivable in enumerate(frames):
        labels = np.full(SIZE, ROAD if drivable else CAR, np.uint8)
        mask = filtered(camera, labels, start + index * step)
        assert len(np.unique(mask)) == 1
        found.append(bool(mask[0, 0]))
    return found


def test_a_pixel_appears_and_vanishes_after_so_many_frames_in_succession() -> None:
    camera = DrivableFilter(DrivableRules(appear_frames=3, vanish_frames=2))
    seen = [1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]
    made = [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert masks(camera, [bool(value) for value in seen]) == [bool(value) for value in made]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_every_pixel_has_its_own_history(appear: int, vanish: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    camera = DrivableFilter(DrivableRules(appear_frames=appear, vanish_frames=vanish))
    state, streak = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.intp)
    for index in range(12):
        drivable = random.random(SIZE) < 0.6
        mask = filtered(camera, np.where(drivable, ROAD, CAR).astype(np.uint8), index * TENTH)
        if (appear, vanish) == (1, 1):
            state = drivable
        else:
            streak = np.where(drivable == state, 0, streak + 1)
            turns = streak >= np.where(state, vanish, appear)
            state, streak = state ^ turns, np.where(turns, 0, streak)
        np.testing.assert_array_equal(mask != 0, state)


@pytest.mark.parametrize(('stamp_ns', 'forgets'), [
    (5 * TENTH, False), (TENTH, False), (TENTH + 10**9, False), (TENTH + 10**9 + 1, True),
    (TENTH - 1, True), (0, True)])
def test_time_that_jumps_makes_the_filter_forget(stamp_ns: int, forgets: bool) -> None:
    camera = DrivableFilter(DrivableRules(appear_frames=2, max_gap_s=1.0))
    assert masks(camera, [True, True]) == [False, True]  # the second at TENTH
    assert masks(camera, [True, True], stamp_ns) == [not forgets, True]


def test_another_size_makes_the_filter_forget() -> None:
    camera = DrivableFilter(DrivableRules(appear_frames=2))
    assert masks(camera, [True, True]) == [False, True]
    small = np.full((60, 100), ROAD, np.uint8)
    mask = camera.mask(np.zeros((11, 1, 1), np.float32), sampling(SIZE, STRIDE, (60, 100)), small,
                       CLASSES, ArrayKernels(), 2 * TENTH)
    assert mask.shape == (60, 100) and not mask.any()


def test_cameras_do_not_share_their_history() -> None:
    rules = DrivableRules(appear_frames=2)
    front, rear = DrivableFilter(rules), DrivableFilter(rules)
    assert masks(front, [True, True]) == [False, True]
    assert masks(rear, [True, True]) == [False, True]


def test_a_mask_is_not_changed_by_the_next_frame() -> None:
    camera = DrivableFilter(DrivableRules(vanish_frames=2, foot=0.1))
    labels = np.full(SIZE, ROAD, np.uint8)
    first = filtered(camera, labels, 0)
    filtered(camera, np.full(SIZE, CAR, np.uint8), TENTH)
    filtered(camera, np.full(SIZE, CAR, np.uint8), 2 * TENTH)
    assert (first == 255).all()


def test_areas_are_looked_at_after_time_and_do_not_enter_its_memory() -> None:
    camera = DrivableFilter(DrivableRules(appear_frames=2, foot=0.1))
    apart = np.full(SIZE, CAR, np.uint8)
    apart[:50] = ROAD
    joined = np.full(SIZE, ROAD, np.uint8)
    assert not filtered(camera, apart, 0).any()
    assert not filtered(camera, joined, TENTH).any()
    assert (filtered(camera, joined, 2 * TENTH) == 255).all()


def test_rules_that_look_at_time_need_a_stamp(road: U8) -> None:
    with pytest.raises(ValueError, match='need the stamp_ns'):
        filtered(DrivableFilter(DrivableRules(vanish_frames=2)), road)


@pytest.mark.parametrize('values', [
    {'min_confidence': 1.1}, {'min_confidence': float('nan')}, {'min_area': -0.1}, {'foot': 2},
    {'appear_frames': 0}, {'vanish_frames': 101}, {'max_gap_s': 0},
    {'max_gap_s': float('inf')}])
def test_rules_out_of_their_range_are_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f'^{next(iter(values))} is '):
        DrivableRules(**values)
