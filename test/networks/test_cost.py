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
"""The networks cost what independent counts of them say."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks import BACKBONES  # noqa: E402
from frm_perception.networks import NETWORKS  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.context.refinement import FeatureRefinement  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402
from frm_perception.networks.heads.rsp import RspHead  # noqa: E402
from frm_perception.networks.window import WindowGather  # noqa: E402


@pytest.mark.parametrize(
    ('name', 'classes', 'height', 'width', 'millions', 'gmac', 'attention_gmac'), [
        ('frm-van-b1', 19, 1024, 2048, 16.630, 213.66, 2.15),
        ('frm-van-b1', 19, 512, 1024, 16.630, 53.42, 0.13),
        ('frm-van-b1', 11, 384, 512, 16.629, 20.02, 0.02),
        ('frm-van-b0', 19, 1024, 2048, 6.835, 143.99, 2.15),
        ('frm-van-b0', 19, 512, 1024, 6.835, 36.00, 0.13),
        ('frm-van-b2', 19, 1024, 2048, 29.347, 318.05, 2.15),
        ('frm-van-b2', 19, 512, 1024, 29.347, 79.51, 0.13),
        ('fpn-van-b1', 19, 1024, 2048, 14.517, 209.35, 0),
        ('rsp-van-b0', 19, 1024, 2048, 4.244, 51.64, 1.10),
        ('rsp-van-b0', 19, 512, 1024, 4.244, 12.91, 0.28),
        ('rsp-van-b0', 19, 384, 512, 4.244, 4.84, 0.10),
        ('rsp-van-b1', 19, 1024, 2048, 13.809, 120.84, 1.10),
        ('rsp-van-b1', 19, 512, 1024, 13.809, 30.21, 0.28),
        ('rsp-van-b1', 19, 384, 512, 13.809, 11.33, 0.10),
        ('frm-light-van-b0', 19, 512, 1024, 4.674, 15.89, 0.07),
        ('frm-light-mobilenetv2', 19, 512, 1024, 2.620, 9.73, 0.07),
    ])
def test_parameters_and_multiply_adds_match_the_check_values(
        name, classes, height, width, millions, gmac, attention_gmac):
    cost = measure_cost(build(name, classes), height, width)
    assert round(cost.parameters / 1e6, 3) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.005)
    assert cost.attention / 1e9 == pytest.approx(attention_gmac, abs=0.006)


@pytest.mark.parametrize(('part', 'millions'), [
    ('backbone', 13.349), ('head.context', 2.114), ('head.decoder', 1.165)])
def test_parts_of_the_b1_network_have_their_parameters(part, millions):
    # The published 1.168 M of the decoder include the 19-class convolution's 0.002 M.
    module = build('frm-van-b1', 19).get_submodule(part)
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 3) == millions


class _Part(torch.nn.Module):
    """A head or context module by itself, on empty feature maps of an image's size."""

    def __init__(self, channels, part):
        super().__init__()
        self.channels = channels
        self.part = part

    def forward(self, image):
        height, width = image.shape[2:]
        return self.part([image.new_empty(1, channels, height // stride, width // stride)
                          for channels, stride in zip(self.channels, (4, 8, 16, 32))])


@pytest.mark.parametrize(('variant', 'millions', 'gmac'), [
    ('van-b0', 3.849, 36.11),
    ('van-b1', 13.349, 104.27),
    ('van-b2', 26.065, 208.66),
    ('van-b3', 44.253, 373.02),
])
def test_backbones_alone_have_their_check_values(variant, millions, gmac):
    cost = measure_cost(BACKBONES[variant].make(), 1024, 2048)
    assert round(cost.parameters / 1e6, 3) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.005)
    assert cost.attention == 0


@pytest.mark.parametrize(('width', 'ratio', 'millions', 'gmac', 'attention_gmac'), [
    (512, 2, 2.11, 4.31, 2.15), (512, 4, 3.17, 6.48, 2.15), (256, 4, 0.93, 1.90, 1.07)])
def test_refinements_of_other_sizes_have_their_check_values(
        width, ratio, millions, gmac, attention_gmac):
    channels = (64, 128, 320, 512)
    part = _Part(channels, FeatureRefinement(channels, width, ratio))
    cost = measure_cost(part, 1024, 2048)
    assert round(cost.parameters / 1e6, 2) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.005)
    assert cost.attention / 1e9 == pytest.approx(attention_gmac, abs=0.006)


@pytest.mark.parametrize(('width', 'window', 'millions', 'gmac', 'attention_gmac'), [
    (64, 5, 0.067, 2.99, 0.55),
    (128, 5, 0.257, 11.44, 1.10),
    (256, 5, 1.006, 44.72, 2.20),
    (128, 3, 0.256, 11.44, 0.40),
    (128, 7, 0.259, 11.44, 2.16),
])
def test_the_rsp_head_without_its_pyramid_has_its_check_values(
        width, window, millions, gmac, attention_gmac):
    channels = (width,) * 4
    head = RspHead(channels, 19, width, window)
    head.pyramid = torch.nn.Identity()
    cost = measure_cost(_Part(channels, head), 1024, 2048)
    assert round(cost.parameters / 1e6, 3) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.005)
    assert cost.attention / 1e9 == pytest.approx(attention_gmac, abs=0.006)


def test_copies_of_a_window_are_counted_apart():
    gather = measure_cost(torch.nn.Sequential(WindowGather(1, 5)), 8, 16)
    assert gather.copies == 3 * 25 * 25 * 8 * 16
    assert gather.convolutions == gather.attention == gather.parameters == 0


def test_the_unary_term_is_one_map_more():
    with_it = measure_cost(build('frm-van-b1', 19), 512, 1024)
    without = measure_cost(build('frm-pairwise-van-b1', 19), 512, 1024)
    cells = 16 * 32
    assert with_it.parameters - without.parameters == 512 + 1
    assert with_it.convolutions - without.convolutions == 512 * cells
    assert with_it.attention - without.attention == 256 * cells


def test_the_light_network_costs_less_than_half_of_the_standard_one():
    light = measure_cost(build('frm-light-van-b0', 19), 512, 1024)
    standard = measure_cost(build('frm-van-b0', 19), 512, 1024)
    assert light.parameters < standard.parameters
    assert light.convolutions < standard.convolutions / 2


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='frm-van-b1') as error:
        build('frm-van-b9', 19)
    assert all(name in str(error.value) for name in NETWORKS)
