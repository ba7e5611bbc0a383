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
"""What an ablation's figures are, and what is concluded from them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from frm_perception.training.ablation_report import T_QUANTILES
from frm_perception.training.ablation_report import compare
from frm_perception.training.ablation_report import description
from frm_perception.training.ablation_report import findings
from frm_perception.training.ablation_report import paired_difference
from frm_perception.training.ablation_report import spread
from frm_perception.training.ablation_report import table

DOCS = Path(__file__).parents[2] / 'docs'
CLASSES = ('road', 'car')
MEAN_IOU = {'ours': (0.50, 0.54, 0.52), 'worse': (0.48, 0.50, 0.49),
            'better': (0.55, 0.58, 0.57), 'alike': (0.48, 0.55, 0.47)}


def _results(seeds=(0, 1, 2)):
    runs = [{'variant': name, 'seed': seed, 'mean_iou': MEAN_IOU[name][seed], 'commit': 'abc',
             'iou': {'road': MEAN_IOU[name][seed] + 0.4, 'car': None}}
            for seed in seeds for name in MEAN_IOU]
    spreads, differences = compare(list(MEAN_IOU), runs, CLASSES)
    return {
        'config': {'seeds': [0, 1, 2]}, 'size': [160, 224], 'iterations': 7, 'batch': 8,
        'drivable': ['road'], 'planned_runs': 12, 'commit': 'abc', 'versions': {'python': '3'},
        'machine': {'cpu': 'x', 'cores': 2, 'load': 1.0, 'os': 'y', 'kernel': 'z'},
        'variants': [{'name': name, 'network': f'{name}-net', 'parameters': 1_500_000,
                      'convolutions': 2_000_000_000, 'attention': 500_000_000, **spreads[name]}
                     for name in MEAN_IOU],
        'differences': differences, 'runs': runs}


@pytest.mark.parametrize('freedom', range(1, len(T_QUANTILES) + 1))
def test_the_quantiles_hold_95_percent_of_students_distribution(freedom):
    # By substitution x = sqrt(n) tan(a) the density becomes a power of the cosine.
    def share(limit):
        angles = np.linspace(-limit, limit, 100_001)
        values = np.cos(angles) ** (freedom - 1)
        return ((values[1:] + values[:-1]) / 2 * np.diff(angles)).sum()

    inside = share(math.atan(T_QUANTILES[freedom - 1] / math.sqrt(freedom)))
    assert inside / share(math.pi / 2) == pytest.approx(0.95, abs=3e-5)


def test_a_spread_is_that_of_a_sample():
    assert spread([0.2, 0.4, 0.9]) == pytest.approx(
        {'mean': 0.5, 'min': 0.2, 'max': 0.9, 'standard_deviation': math.sqrt(0.13)})
    assert spread([0.2]) == {'mean': 0.2, 'min': 0.2, 'max': 0.2}
    assert spread([]) == {}


def test_variants_are_compared_seed_by_seed():
    # Differences 0.02, 0.04 and 0.03: deviation 0.01, and t is 4.303 for three.
    found = paired_difference({0: 0.50, 1: 0.54, 2: 0.52}, {2: 0.49, 1: 0.50, 0: 0.48})
    assert found == {
        'seeds': [0, 1, 2], 'mean': pytest.approx(0.03), 'verdict': 'above',
        'standard_error': pytest.approx(0.01 / math.sqrt(3)),
        'half_width': pytest.approx(4.303 * 0.01 / math.sqrt(3))}


@pytest.mark.parametrize(('other', 'verdict'), [
    ('worse', 'above'), ('better', 'below'), ('alike', 'undecided')])
def test_only_an_interval_without_zero_decides(other, verdict):
    ours, others = (dict(enumerate(MEAN_IOU[name])) for name in ('ours', other))
    assert paired_difference(ours, others)['verdict'] == verdict


def test_seeds_that_one_variant_lacks_are_left_out():
    found = paired_difference({0: 0.5, 1: 0.6, 2: 0.1}, {0: 0.4, 1: 0.3})
    assert found['seeds'] == [0, 1]
    assert found['mean'] == pytest.approx(0.2)
    assert found['half_width'] == pytest.approx(12.706 * 0.1)
    assert paired_difference({0: 0.5}, {0: 0.25}) == {'seeds': [0], 'mean': 0.25}
    assert paired_difference({0: 0.5}, {}) == {'seeds': []}


def test_the_table_has_a_row_for_each_variant():
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in table(_results()).splitlines()]
    assert rows[0] == ['variant', 'network', 'params M', 'GMAC at 160x224', 'seeds', 'mean IoU %',
                       'least to most', 'road IoU %', 'ours is above by, points']
    assert rows[2] == ['ours', 'ours-net', '1.50', '2.50', '3', '52.0 ± 2.0', '50.0 to 54.0',
                       '92.0 ± 2.0', '-']
    assert rows[3] == ['worse', 'worse-net', '1.50', '2.50', '3', '49.0 ± 1.0', '48.0 to 50.0',
                       '89.0 ± 1.0', '+3.00 ± 2.48']
    assert len(rows) == 6


def test_the_findings_say_what_is_supported_and_what_is_not_decided():
    assert findings(_results()).splitlines() == [
        '- `ours` against `worse`: +3.00 ± 2.48 points of mean IoU; that it is above is supported '
        'by 3 seeds.',
        '- `ours` against `better`: -4.67 ± 1.43 points of mean IoU; that it is below is '
        'supported by 3 seeds.',
        '- `ours` against `alike`: +2.00 ± 7.45 points of mean IoU, not decided by 3 seeds.']


def test_half_an_ablation_is_told_as_such():
    begun = _results(seeds=(0,))
    assert '4 of 12 runs are done' in description(begun)
    assert findings(begun).count('not measured with two seeds yet') == 3
    begun['runs'][0]['commit'] = 'older'
    assert 'Some runs are of commit older.' in description(begun)
    assert '| -      ' in table(_results(seeds=()))


def test_the_page_shows_what_the_file_has():
    results = json.loads((DOCS / 'ablation.json').read_text(encoding='utf-8'))
    page = (DOCS / 'ablation.md').read_text(encoding='utf-8')
    assert len(results['runs']) == results['planned_runs']
    for text in (description, table, findings):
        assert text(results) in page
