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
"""Demands on a comparison."""

from typing import Any

import pytest

from frm_perception.evaluation.drive.gates import Gate
from frm_perception.evaluation.drive.gates import GateError


def comparison(name: str, a: float | None, b: float | None, low: float | None = None,
               high: float | None = None) -> dict[str, Any]:
    """Return a comparison of one figure."""
    difference = None if a is None or b is None else b - a
    return {'figures': {name: {'a': a, 'b': b, 'difference': difference, 'low': low,
                               'high': high, 'verdict': 'undecided'}}}


@pytest.mark.parametrize(('demand', 'drop', 'found', 'met'), [
    ('drivable_iou=0.95', False, comparison('drivable_iou', 0.5, 0.95), True),
    ('drivable_iou=0.95', False, comparison('drivable_iou', 0.99, 0.949), False),
    ('iou.car=0.5', False, comparison('iou.car', None, 0.6), True),
    ('mean_iou=0.01', True, comparison('mean_iou', 0.5, 0.495), True),
    ('mean_iou=0.01', True, comparison('mean_iou', 0.5, 0.48, -0.03, -0.01), False),
    ('mean_iou=0', True, comparison('mean_iou', 0.5, 0.6), True),
    ('latency_p95=5', True, comparison('latency_p95', 20, 24), True),
    ('latency_p95=5', True, comparison('latency_p95', 20, 26), False),
    ('latency_p95=0', True, comparison('latency_p95', 20, 10), True),
    ('mean_iou=0.5', False, comparison('mean_iou', 0.5, None), False),
    ('mean_iou=0.5', True, comparison('mean_iou', None, 0.9), False)])
def test_a_demand_is_met_or_says_why_not(demand: str, drop: bool, found: dict[str, Any],
                                         met: bool) -> None:
    reason = Gate.parse(demand, drop).failure(found)
    assert (reason is None) == met
    assert met or demand.partition('=')[0] in str(reason)


@pytest.mark.parametrize(('demand', 'drop', 'why'), [
    ('drivable_iou', False, 'is not FIGURE=VALUE'), ('0.01', True, 'is not FIGURE=VALUE'),
    ('drivable_iou=high', False, 'FIGURE=VALUE'), ('drivable_iou=95', False, 'from 0 to 1'),
    ('drivable_iou=nan', False, 'from 0 to 1'),
    ('mean_iou=-0.1', True, 'from 0 to 1'), ('latency_p95=20', False, 'less is better')])
def test_a_demand_that_makes_no_sense_is_refused(demand: str, drop: bool, why: str) -> None:
    with pytest.raises(GateError, match=why):
        Gate.parse(demand, drop)


def test_a_figure_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(GateError, match='no figure .iou.cow.; there are mean_iou'):
        Gate.parse('iou.cow=0.5', False).failure(comparison('mean_iou', 0.5, 0.5))
