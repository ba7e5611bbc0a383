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
"""Where the branches of atrous pyramid pooling look."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks.context.atrous import AtrousPyramidPooling  # noqa: E402


@pytest.mark.parametrize(('branch', 'offsets'), [
    (0, {0}), (1, {-3, 0, 3}), (2, {-6, 0, 6}), (3, {-9, 0, 9})])
def test_a_branch_sees_its_nine_cells(branch, offsets):
    torch.manual_seed(0)
    module = AtrousPyramidPooling((4, 4, 4, 8), 6).eval()
    x = torch.randn(1, 8, 21, 23, requires_grad=True)
    module.branches[branch](x)[..., 10, 11].sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero() - torch.tensor([10, 11])
    assert {tuple(cell) for cell in seen.tolist()} == {(y, x) for y in offsets for x in offsets}
