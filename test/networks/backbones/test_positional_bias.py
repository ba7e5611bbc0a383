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
"""The positional bias of a query and a key is the table's entry at their distance."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.backbones.positional_bias import positional_bias  # noqa: E402

grids = st.integers(1, 7)
steps = st.sampled_from((1, 2))


def _table(side, seed=0):
    torch.manual_seed(seed)
    return torch.randn(2, side * side, dtype=torch.float64)


@pytest.mark.parametrize('step', [1, 2])
def test_at_512x512_every_pair_has_its_own_entry_of_the_table(step):
    # That is what the released code does; there, the grid at stride 32 has 16x16 cells.
    side = 16 * step
    table = _table(side)
    indices = [abs(step * qy - ky) * side + abs(step * qx - kx)
               for qy, qx in product(range(16), repeat=2)
               for ky, kx in product(range(side), repeat=2)]
    expected = table[:, indices].reshape(2, 256, side * side)
    assert torch.equal(positional_bias(table, 16, 16, step), expected)


def _sample(table, y, x):
    """Read (side, side) bilinearly at (y, x), clamped to the last entries."""
    last = table.shape[0] - 1
    y, x = min(y, last), min(x, last)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, last), min(left + 1, last)
    upper = table[top, left] * (1 - x + left) + table[top, right] * (x - left)
    lower = table[bottom, left] * (1 - x + left) + table[bottom, right] * (x - left)
    return upper * (1 - y + top) + lower * (y - top)


@given(rows=grids, columns=grids, step=steps, side=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_on_any_grid_it_is_the_table_sampled_at_the_scaled_distance(rows, columns, step, side):
    table = _table(side)
    bias = positional_bias(table, rows, columns, step)
    assert bias.shape == (2, rows * columns, step * rows * step * columns)
    by_distance = table[1].reshape(side, side).numpy()
    for query, (qy, qx) in enumerate(product(range(rows), range(columns))):
        for key, (ky, kx) in enumerate(product(range(step * rows), range(step * columns))):
            expected = _sample(by_distance, abs(step * qy - ky) * side / (step * rows),
                               abs(step * qx - kx) * side / (step * columns))
            assert bias[1, query, key].item() == pytest.approx(expected, abs=1e-5)


@given(rows=grids, columns=grids)
@settings(max_examples=20, deadline=None)
def test_a_pair_has_the_same_bias_both_ways(rows, columns):
    bias = positional_bias(_table(4), rows, columns, 1)
    assert torch.equal(bias, bias.transpose(1, 2))


@given(rows=grids, columns=grids, step=steps)
@settings(max_examples=20, deadline=None)
def test_pairs_that_are_shifted_together_keep_their_bias(rows, columns, step):
    bias = positional_bias(_table(4), rows, columns, step).reshape(
        2, rows, columns, step * rows, step * columns)
    assert torch.equal(bias[:, 1:, :, step:], bias[:, :-1, :, :rows * step - step])
    assert torch.equal(bias[:, :, 1:, :, step:], bias[:, :, :-1, :, :columns * step - step])


def test_twice_the_image_keeps_the_bias_of_the_same_part_of_it():
    # Cell (2 y, 2 x) of the larger grid is where cell (y, x) of the smaller one is.
    table = _table(16)
    small = positional_bias(table, 8, 8, 1).reshape(2, 8, 8, 8, 8)
    large = positional_bias(table, 16, 16, 1).reshape(2, 16, 16, 16, 16)
    assert torch.equal(small, large[:, ::2, ::2, ::2, ::2])
