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
"""The networks cost what `networks.md`'s independent counts say."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks import NETWORKS  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402


@pytest.mark.parametrize(
    ('name', 'classes', 'height', 'width', 'millions', 'gmac', 'attention_gmac'), [
        ('frm-van-b1', 19, 1024, 2048, 16.630, 213.66, 2.15),
        ('frm-van-b1', 19, 512, 1024, 16.630, 53.42, 0.13),
        ('frm-van-b1', 11, 384, 512, 16.629, 20.02, 0.02),
        ('frm-van-b0', 19, 1024, 2048, 6.835, 143.99, 2.15),
        ('frm-van-b0', 19, 512, 1024, 6.835, 36.00, 0.13),
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


def test_the_light_network_costs_less_than_half_of_the_standard_one():
    light = measure_cost(build('frm-light-van-b0', 19), 512, 1024)
    standard = measure_cost(build('frm-van-b0', 19), 512, 1024)
    assert light.parameters < standard.parameters
    assert light.convolutions < standard.convolutions / 2


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='frm-van-b1') as error:
        build('frm-van-b9', 19)
    assert all(name in str(error.value) for name in NETWORKS)
