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
"""Shapes and properties of the networks' parts."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks import HEADS  # noqa: E402
from frm_perception.networks import NETWORKS  # noqa: E402
from frm_perception.networks import build  # noqa: E402


@pytest.mark.parametrize('name', NETWORKS)
def test_logits_have_the_stride_that_the_head_names(name):
    network = build(name, 11).eval()
    stride = network.head.stride
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 64, 128)).shape == (2, 11, 64 // stride, 128 // stride)


@pytest.mark.parametrize('name', NETWORKS)
def test_backbone_maps_lie_at_strides_4_8_16_32(name):
    backbone = build(name, 11).backbone.eval()
    with torch.no_grad():
        features = backbone(torch.zeros(1, 3, 64, 128))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, 64 // stride, 128 // stride)
        for channels, stride in zip(backbone.channels, (4, 8, 16, 32))]


def test_a_class_far_away_changes_the_logits_here():
    # The refinement sees the whole image: that is what it is for.
    torch.manual_seed(0)
    network = build('frm-light-mobilenetv2', 4).eval()
    torch.nn.init.normal_(network.head.context.mixer.out.weight)
    image = torch.zeros(1, 3, 64, 512)
    changed = image.clone()
    changed[..., -32:] = 3.0
    with torch.no_grad():
        before, after = network(image), network(changed)
    assert not torch.equal(before[..., 0], after[..., 0])


@pytest.mark.parametrize(('height', 'width', 'nearest'), [
    (100, 1024, '96x1024 or 128x1024'), (512, 20, '512x32 or 512x32'), (1, 1, '32x32 or 32x32')])
def test_a_size_off_the_grid_is_refused_with_sizes_that_fit(height, width, nearest):
    network = build('frm-light-mobilenetv2', 4).eval()
    with pytest.raises(ValueError, match=f'{height}x{width}.*multiples of 32, such as {nearest}'):
        network(torch.zeros(1, 3, height, width))


def test_a_network_made_for_one_size_takes_no_other():
    network = build('frm-light-mobilenetv2', 4).eval()
    network.rearrange((64, 96))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 4, 16, 24)
    with pytest.raises(ValueError, match='96x64.*made for 64x96 alone'):
        network(torch.zeros(1, 3, 96, 64))


def test_a_network_is_not_made_for_a_size_off_its_grid():
    with pytest.raises(ValueError, match='multiples of 64, such as 64x128 or 128x192'):
        build('cgrseg-t', 4).rearrange((96, 160))


@pytest.mark.parametrize('head', HEADS)
def test_a_head_fits_every_family_of_backbones(head):
    for backbone in ('van-b0', 'efficientformerv2-s0', 'mobilenetv2'):
        with torch.device('meta'):
            network = build(f'{head}-{backbone}', 7).eval()
            logits = network(torch.zeros(1, 3, 128, 192))
        assert logits.shape == (1, 7, 128 // network.head.stride, 192 // network.head.stride)
