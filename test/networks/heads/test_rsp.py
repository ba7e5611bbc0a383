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
"""The relation of the RSP head, pixel by pixel, and what the head is made of."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.heads.rsp import RelationalExtractor  # noqa: E402
from frm_perception.networks.heads.rsp import RspHead  # noqa: E402
from frm_perception.networks.heads.rsp import SeparablePyramid  # noqa: E402


def _context_of_a_pixel(extractor, query, key, value, y, x):
    """Attend from fine pixel (y, x) as the definition says; maps are (channels, rows, columns)."""
    window, heads = extractor.window, extractor.heads
    near = [(place, y // 2 + place // window - window // 2, x // 2 + place % window - window // 2)
            for place in range(window ** 2)]
    places, rows, columns = zip(*(
        (place, row, column) for place, row, column in near
        if 0 <= row < key.shape[1] and 0 <= column < key.shape[2]))
    relative = extractor.relative.unflatten(0, (2, 2, -1))[y % 2, x % 2, list(places)].numpy()
    context = []
    for q, k, v in zip(np.split(query[:, y, x], heads), np.split(key[:, rows, columns], heads),
                       np.split(value[:, rows, columns], heads)):
        weights = np.exp((k.T + relative) @ q / math.sqrt(len(q)))
        context.append(v @ weights / weights.sum())
    return np.concatenate(context)


@given(rows=st.integers(1, 3), columns=st.integers(1, 3), tile=st.sampled_from((1, 2)),
       window=st.sampled_from((3, 5)), heads=st.sampled_from((1, 2, 4)),
       seed=st.integers(0, 2 ** 32 - 1))
@settings(max_examples=20, deadline=None)
def test_context_equals_the_definition_pixel_by_pixel(rows, columns, tile, window, heads, seed):
    torch.manual_seed(seed)
    extractor = RelationalExtractor(16, window, heads).double()
    extractor.set_tile(tile)
    torch.nn.init.normal_(extractor.relative)
    coarse = torch.randn(2, 16, tile * rows, tile * columns, dtype=torch.float64)
    fine = torch.randn(2, 16, 2 * tile * rows, 2 * tile * columns, dtype=torch.float64)
    with torch.no_grad():
        got = extractor(fine, coarse)
        maps = extractor.query(fine), extractor.key(coarse), extractor.value(coarse)
        for image in range(2):
            query, key, value = (x[image].numpy() for x in maps)
            for y in range(fine.shape[2]):
                for x in range(fine.shape[3]):
                    expected = _context_of_a_pixel(extractor, query, key, value, y, x)
                    assert np.abs(got[image, :, y, x].numpy() - expected).max() < 1e-9


@pytest.mark.parametrize('tile', [2, 3, 4])
def test_tiles_of_any_size_give_the_same_context(tile):
    torch.manual_seed(0)
    extractor = RelationalExtractor(16, 5, heads=2).double()
    torch.nn.init.normal_(extractor.relative)
    coarse = torch.randn(1, 16, 12, 24, dtype=torch.float64)
    fine = torch.randn(1, 16, 24, 48, dtype=torch.float64)
    with torch.no_grad():
        expected = extractor(fine, coarse)
        extractor.set_tile(tile)
        assert (extractor(fine, coarse) - expected).abs().max() < 1e-12


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('tile', [1, 2])
def test_cells_outside_the_map_take_no_weight_even_in_16_bits(tile, dtype):
    # Gathered values are 0 there: any weight on them would make a mean of ones less than 1.
    extractor = RelationalExtractor(16, 5, heads=2)
    extractor.set_tile(tile)
    torch.nn.init.normal_(extractor.relative)
    torch.nn.init.zeros_(extractor.value.weight)
    torch.nn.init.ones_(extractor.value.bias)
    extractor.to(dtype)
    with torch.no_grad():
        context = extractor(torch.randn(1, 16, 4, 8, dtype=dtype),
                            torch.randn(1, 16, 2, 4, dtype=dtype))
    assert torch.allclose(context.float(), torch.ones(1, 16, 4, 8), atol=2e-2, rtol=0)


def test_relative_vectors_learn_with_and_without_tiles():
    gradients = []
    for tile in (1, 2):
        torch.manual_seed(0)
        extractor = RelationalExtractor(16, 5, heads=2).double()
        extractor.set_tile(tile)
        fine = torch.randn(1, 16, 12, 16, dtype=torch.float64)
        coarse = torch.randn(1, 16, 6, 8, dtype=torch.float64)
        extractor(fine, coarse).square().sum().backward()
        gradients.append(extractor.relative.grad)
    assert torch.allclose(*gradients, atol=1e-12)
    assert gradients[0].abs().min() > 0


def test_each_level_of_the_pyramid_hears_of_itself_and_those_above():
    torch.manual_seed(0)
    pyramid = SeparablePyramid((8, 16, 24, 32), 16).eval()
    maps = [torch.randn(1, c, 64 // s, 64 // s, requires_grad=True)
            for c, s in zip((8, 16, 24, 32), (4, 8, 16, 32))]
    for level, result in enumerate(pyramid(maps)):
        assert result.shape == (1, 16, *maps[level].shape[2:])
        gradients = torch.autograd.grad(result.sum(), maps, retain_graph=True,
                                        allow_unused=True)
        assert [g is not None for g in gradients] == [i >= level for i in range(4)]


def test_what_tiles_need_is_not_part_of_the_stored_weights():
    names = RspHead((8, 16, 24, 32), 5, 16).state_dict()
    assert not [name for name in names if 'gather' in name or 'mask' in name or 'index' in name]
