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
"""The VAN backbone's own properties; its cost is tested with that of the others."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.backbones.van import LargeKernelAttention  # noqa: E402


def _gradient(layer, x, mixed):
    layer.zero_grad()
    with torch.autocast('cpu', torch.bfloat16, enabled=mixed):
        layer(x).float().square().mean().backward()
    return layer.conv_spatial.weight.grad.clone()


@pytest.mark.parametrize('size', [(32, 48), (88, 120)])
def test_gradients_in_mixed_precision_are_those_of_single_precision(size):
    torch.manual_seed(0)
    layer = LargeKernelAttention(32).to(memory_format=torch.channels_last)
    x = torch.randn(4, 32, *size).contiguous(memory_format=torch.channels_last)
    expected = _gradient(layer, x, mixed=False)
    for _ in range(3):
        error = (_gradient(layer, x, mixed=True) - expected).abs().max()
        assert error < 0.05 * expected.abs().max()
