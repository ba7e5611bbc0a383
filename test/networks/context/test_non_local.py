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
"""The plain non-local block."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.context.non_local import NonLocalContext  # noqa: E402


def _module():
    torch.manual_seed(0)
    return NonLocalContext((4, 4, 4, 6), 8).double().eval()


def test_attention_equals_the_formula_position_by_position():
    module = _module()
    torch.nn.init.normal_(module.norm.weight)
    x = torch.randn(1, 6, 3, 4, dtype=torch.float64)
    with torch.no_grad():
        got = module([x, x, x, x]).flatten(2)[0]
        reduced = module.reduce(x)
        query, key, value = (part(reduced).flatten(2)[0]
                             for part in (module.query, module.key, module.value))
        for i in range(12):
            mixed = (value @ torch.softmax(query[:, i] @ key, 0))[None, :, None, None]
            expected = reduced.flatten(2)[0, :, i] + module.norm(module.out(mixed)).flatten()
            assert torch.allclose(got[:, i], expected, atol=1e-10)


def test_the_block_is_the_identity_at_the_first_step():
    module = _module()
    x = torch.randn(1, 6, 3, 4, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(module([x, x, x, x]), module.reduce(x))
