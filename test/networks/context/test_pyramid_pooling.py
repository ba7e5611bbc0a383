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
"""Pyramid pooling without an operator that only one size can be exported of."""

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.context.pyramid_pooling import PyramidPooling  # noqa: E402
from frm_perception.networks.context.pyramid_pooling import pool_to_bins  # noqa: E402


@given(height=st.integers(1, 40), width=st.integers(1, 40), bins=st.sampled_from((1, 2, 3, 6)),
       seed=st.integers(0, 2 ** 32 - 1))
@settings(max_examples=100, deadline=None)
def test_bins_are_those_of_adaptive_average_pooling(height, width, bins, seed):
    torch.manual_seed(seed)
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, bins)
    assert torch.allclose(pool_to_bins(x, bins), expected, atol=1e-12, rtol=0)


def test_the_module_joins_the_map_and_four_upsampled_poolings():
    torch.manual_seed(0)
    module = PyramidPooling((4, 4, 4, 8), 6).double().eval()
    x = torch.randn(1, 8, 5, 7, dtype=torch.float64)
    functional = torch.nn.functional
    with torch.no_grad():
        parts = [x] + [
            functional.interpolate(reduce(functional.adaptive_avg_pool2d(x, bins)), (5, 7),
                                   mode='bilinear', align_corners=False)
            for bins, reduce in zip((1, 2, 3, 6), module.reduce)]
        expected = module.fuse(torch.cat(parts, 1))
        assert torch.allclose(module([x, x, x, x]), expected, atol=1e-12)
