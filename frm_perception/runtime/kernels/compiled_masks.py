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
"""What is done to masks, compiled: changes made when they last, small and far areas removed."""

from __future__ import annotations

import numpy as np

from frm_perception.runtime.kernels.compile import compiled
from frm_perception.runtime.kernels.contract import U8
from frm_perception.runtime.kernels.sampling import Int

_BLOCK = 64


@compiled('void(uint8[:, ::1], uint8[:, ::1], uint8[:, ::1], uint8, uint8)')
def settle(mask: U8, state: U8, streak: U8, appear: int, vanish: int) -> None:
    """Do :meth:`.contract.Kernels.settle`."""
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            before = state[y, x]
            frames = np.uint8(streak[y, x] + 1) if mask[y, x] != before else np.uint8(0)
            limit = vanish if before else appear
            lasted = frames >= limit
            streak[y, x] = np.uint8(0) if lasted else frames
            state[y, x] = mask[y, x] if lasted else before


@compiled('intp(uint8[:, ::1], intp, intp)')
def _run_end(mask: U8, y: int, x: int) -> int:
    """Return where the run of equal values that begins at ``x`` of a row ends."""
    value, width = mask[y, x], mask.shape[1]
    while x + _BLOCK <= width:
        difference = np.uint8(0)
        for k in range(_BLOCK):
            difference |= mask[y, x + k] ^ value
        if difference:
            break
        x += _BLOCK
    while x < width and mask[y, x] == value:
        x += 1
    return x


@compiled('int32(int32[::1], int32)')
def _root(parent: Int, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@compiled('void(uint8[:, ::1], intp, intp, intp, intp)')
def remove_areas(mask: U8, least: int, foot_top: int, foot_left: int, foot_right: int) -> None:
    """Join the runs of every row with those they touch in the row above, then look at each."""
    height, width = mask.shape
    most = height * ((width + 1) // 2)
    start, end = np.empty(most, np.int32), np.empty(most, np.int32)
    parent, size = np.empty(most, np.int32), np.empty(most, np.int32)
    stays = np.empty(most, np.bool_)
    first = np.empty(height + 1, np.int32)  # of every row's runs
    count = 0
    for y in range(height):
        first[y] = count
        above = first[y - 1] if y else 0
        x = 0
        while x < width:
            start[count] = x
            x = _run_end(mask, y, x)
            if not mask[y, start[count]]:
                continue
            end[count], parent[count], size[count] = x, count, x - start[count]
            stays[count] = (y >= foot_top and start[count] < foot_right and x > foot_left)
            while above < first[y] and end[above] <= start[count]:
                above += 1
            other = above
            while other < first[y] and start[other] < x:
                a, b = _root(parent, other), _root(parent, count)
                if a != b:
                    parent[b] = a
                    size[a] += size[b]
                    stays[a] |= stays[b]
                other += 1
            count += 1
    first[height] = count
    for y in range(height):
        for run in range(first[y], first[y + 1]):
            root = _root(parent, run)
            if size[root] < least or not stays[root]:
                mask[y, start[run]:end[run]] = 0
