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
"""Changes of a mask are made when they last, and areas stay that are large and near enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from kernel_cases import KERNELS
from kernel_cases import name_of
from numpy.typing import NDArray

from frm_perception.runtime.kernels.contract import Foot
from frm_perception.runtime.kernels.contract import Kernels

all_kernels = pytest.mark.parametrize('kernels', KERNELS, ids=name_of)


def flood(mask: NDArray[np.uint8], least: int, foot: Foot | None) -> NDArray[np.uint8]:
    """Return what is to stay, area by area and pixel by pixel."""
    result = mask.copy()
    open_pixels = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    while open_pixels:
        area, reached = set(), [open_pixels.pop()]
        while reached:
            y, x = reached.pop()
            area.add((y, x))
            for neighbour in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if neighbour in open_pixels:
                    open_pixels.remove(neighbour)
                    reached.append(neighbour)
        reaches = foot is None or any(
            y >= foot.top and foot.left <= x < foot.right for y, x in area)
        if len(area) < least or not reaches:
            for y, x in area:
                result[y, x] = 0
    return result


@all_kernels
@settings(max_examples=200)
@given(st.integers(1, 24), st.integers(1, 150), st.floats(0, 1), st.integers(0, 2**32 - 1),
       st.integers(0, 60), st.data())
def test_areas_stay_as_the_definition_says(
        kernels: Kernels, height: int, width: int, density: float, seed: int, least: int,
        data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    mask = np.where(random.random((height, width)) < density, 255, 0).astype(np.uint8)
    foot = None
    if data.draw(st.booleans()):
        left = data.draw(st.integers(0, width - 1))
        foot = Foot(data.draw(st.integers(0, height - 1)), left,
                    data.draw(st.integers(left + 1, width)))
    expected = flood(mask, least, foot)
    kernels.remove_areas(mask, least, foot)
    np.testing.assert_array_equal(mask, expected)


@all_kernels
def test_a_ring_and_what_lies_in_it_are_two_areas(kernels: Kernels) -> None:
    mask = np.zeros((40, 200), np.uint8)
    mask[5:35, 20:180] = 255
    mask[10:30, 30:170] = 0
    mask[15:25, 60:140] = 255
    ring = mask.copy()
    ring[15:25, 60:140] = 0
    kernels.remove_areas(mask, 1, Foot(34, 50, 150))
    np.testing.assert_array_equal(mask, ring)


@all_kernels
def test_the_teeth_of_a_comb_are_one_area(kernels: Kernels) -> None:
    mask = np.zeros((30, 99), np.uint8)
    mask[:, ::2] = 255
    mask[20] = 255
    expected = mask.copy()
    kernels.remove_areas(mask, np.count_nonzero(mask), Foot(29, 98, 99))
    np.testing.assert_array_equal(mask, expected)


@all_kernels
@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_a_change_is_made_by_the_last_of_so_many_frames_in_succession(
        kernels: Kernels, appear: int, vanish: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    mask, before = (np.where(random.random((7, 130)) < 0.5, 255, 0).astype(np.uint8)
                    for _ in range(2))
    needed = np.where(before, vanish, appear)
    contradicted = (random.random(mask.shape) * needed).astype(np.uint8)  # always fewer
    state, streak = before.copy(), contradicted.copy()
    kernels.settle(mask, state, streak, appear, vanish)
    frames = np.where(mask == before, 0, contradicted + 1)
    np.testing.assert_array_equal(state, np.where(frames == needed, mask, before))
    np.testing.assert_array_equal(streak, np.where(frames == needed, 0, frames))
