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
"""The Feature Refinement Module, position by position."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.context.refinement import DisentangledNonLocal  # noqa: E402
from frm_perception.networks.context.refinement import FeatureRefinement  # noqa: E402


@pytest.mark.parametrize('unary', [True, False])
def test_attention_equals_the_formula_position_by_position(unary):
    torch.manual_seed(0)
    block = DisentangledNonLocal(8, unary=unary).double().eval()
    torch.nn.init.normal_(block.out.weight)
    x = torch.randn(1, 8, 3, 4, dtype=torch.float64)
    with torch.no_grad():
        got = block(x).flatten(2)[0]
        flat = x.flatten(2)[0]
        query = block.query(x).flatten(2)[0]
        key = block.key(x).flatten(2)[0]
        value = block.value(x).flatten(2)[0]
        centred_query = query - query.mean(1, keepdim=True)
        centred_key = key - key.mean(1, keepdim=True)
        for i in range(flat.shape[1]):
            logits = centred_query[:, i] @ centred_key / (2.0 * 0.05)
            weights = torch.softmax(logits, 0)
            if unary:
                weights = weights + torch.softmax(block.saliency(x).flatten(), 0)
            expected = block.out((value @ weights)[None, :, None, None]).flatten()
            assert torch.allclose(got[:, i], expected, atol=1e-10)


def test_the_mixer_is_the_identity_at_the_first_step():
    module = FeatureRefinement((8, 16, 24, 32), 16).eval()
    features = [torch.randn(1, c, 64 // s, 64 // s)
                for c, s in zip((8, 16, 24, 32), (4, 8, 16, 32))]
    with torch.no_grad():
        assert torch.count_nonzero(module.mixer(torch.ones(1, 16, 2, 2))) == 0
        assert module(features).shape == (1, 16, 2, 2)
