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
"""What the context modules have in common."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.context.atrous import AtrousPyramidPooling  # noqa: E402
from frm_perception.networks.context.non_local import NonLocalContext  # noqa: E402
from frm_perception.networks.context.pyramid_pooling import PyramidPooling  # noqa: E402
from frm_perception.networks.context.refinement import FeatureRefinement  # noqa: E402

CHANNELS = (8, 16, 24, 32)


def _frm_pairwise(channels, width):
    return FeatureRefinement(channels, width, unary=False)


@pytest.mark.parametrize('make', [
    AtrousPyramidPooling, FeatureRefinement, NonLocalContext, PyramidPooling, _frm_pairwise])
def test_a_change_at_one_end_reaches_the_other(make):
    torch.manual_seed(0)
    module = make(CHANNELS, 16).eval()
    for parameter in module.parameters():  # some start at zero, and would hide what they scale
        if torch.count_nonzero(parameter) == 0:
            torch.nn.init.normal_(parameter)
    features = [torch.randn(1, channels, 96 // stride, 1024 // stride)
                for channels, stride in zip(CHANNELS, (4, 8, 16, 32))]
    changed = [*features[:3], features[3].clone()]
    changed[3][..., -1] += 3.0
    with torch.no_grad():
        before, after = module(features), module(changed)
    assert before.shape == (1, module.width, 3, 32)
    assert not torch.equal(before[..., 0], after[..., 0])
