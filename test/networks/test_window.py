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
"""Windows gathered by a convolution."""

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.window import WindowGather  # noqa: E402


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), channels=st.integers(1, 3),
       tile=st.sampled_from((1, 2, 4)), window=st.sampled_from((1, 3, 5, 7)))
@settings(max_examples=40, deadline=None)
def test_windows_are_copied_exactly_as_unfold_does(rows, columns, channels, tile, window):
    x = torch.randn(2, channels, tile * rows, tile * columns)
    got = WindowGather(tile, window)(x)
    expected = torch.nn.functional.unfold(x, tile + window - 1, padding=window // 2, stride=tile)
    assert torch.equal(got.flatten(2), expected)


def test_kernels_are_neither_learned_nor_stored():
    gather = WindowGather(1, 5)
    assert not list(gather.parameters()) and not gather.state_dict()
