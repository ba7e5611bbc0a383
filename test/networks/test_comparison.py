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
"""The table of what networks cost, and the one in the docs."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.evaluation.record import markdown_table  # noqa: E402
from frm_perception.networks import NETWORKS  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.comparison import PUBLISHED  # noqa: E402
from frm_perception.networks.comparison import comparison  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402

DOCUMENT = Path(__file__).parents[2] / 'docs' / 'networks.md'


def test_the_table_in_the_docs_is_what_the_program_counts():
    assert markdown_table(comparison(NETWORKS)) in DOCUMENT.read_text(encoding='utf-8')


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_figures_are_met_within_two_per_cent(name):
    published = PUBLISHED[name]
    cost = measure_cost(build(name, published.classes), *published.size)
    assert cost.convolutions / 1e9 == pytest.approx(published.gmac, rel=0.02)
    if published.parameters:
        assert cost.parameters / 1e6 == pytest.approx(published.parameters, rel=0.005)


def test_a_published_figure_stands_beside_its_deviation():
    headings, row = comparison(['frm-van-b1'])
    assert dict(zip(headings, row))['published'].startswith('214.82 GMAC')
    assert dict(zip(headings, row))['deviation'] == '-0.5%'


def test_any_combination_of_head_and_backbone_is_counted():
    _, row = comparison(['frm-light-van-b1'])
    assert row[0] == 'frm-light-van-b1' and row[-1] == '-'


def test_an_unknown_name_is_refused_with_the_nearest_and_all_others():
    with pytest.raises(ValueError, match='did you mean frm-van-b1') as error:
        comparison(['frm-van-1'])
    assert 'frm-light-mobilenetv2' in str(error.value)


def test_costs_are_counted_at_the_sizes_that_are_asked_for() -> None:
    headings, row = comparison(['frm-light-mobilenetv2'], [(64, 128), (128, 256)])
    assert [text for text in headings if 'GMAC' in text] == ['GMAC at 64x128', 'GMAC at 128x256']
    smaller, larger = float(row[2]), float(row[4])
    assert larger == pytest.approx(4 * smaller, abs=0.03)
