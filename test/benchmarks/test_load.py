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
"""Both nodes under load for a few seconds, and a verdict that can be a bad one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

pytest.importorskip('onnx', reason='the plain node needs onnx: requirements/bench.txt')

from program_run import run_program  # noqa: E402

from benchmarks.load import COARSE  # noqa: E402
from benchmarks.load import OURS  # noqa: E402
from benchmarks.load import PLAIN  # noqa: E402
from benchmarks.load import SHARING  # noqa: E402
from benchmarks.load import demands  # noqa: E402


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a short run wrote; how fast a busy computer is in it says nothing."""
    _, written = run_program(
        'load', tmp_path_factory.mktemp('load') / 'load.json', '--camera', '120x160',
        '--resolution', '64x96', '--rounds', '1', '--seconds', '1')
    return written


def test_the_nodes_are_measured_on_the_same_network(results: dict[str, Any]) -> None:
    assert results['resolution'] == '64x96'
    for name in (OURS, PLAIN, COARSE):
        side = results['nodes'][name]
        assert side['rate'] > 0
        assert side['latency_ms']['p50'] > side['infer_ms'] > 0
        assert side['agreement'] > 0.5
    assert results['shared']['answered'].keys() == set(SHARING)
    assert all(results['shared']['answered'].values())


@pytest.fixture
def good(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results with figures of which every demand holds."""
    figures = copy.deepcopy(results)
    for name, rate, added in ((OURS, 20.0, 20.0), (PLAIN, 10.0, 60.0)):
        figures['nodes'][name].update(
            rate=rate, added_ms=added, latency_ms={'p50': 30.0 + added, 'p95': 99.0},
            full=[{'asked_hz': 40.0, 'sent_hz': 39.9}])
    figures['busy'].update(rounds=[{'asked_hz': 40.0, 'sent_hz': 39.9}], latency_ms={'p50': 60.0})
    figures['shared'].update(asked_hz=40.0, sent_hz=39.9,
                             answered=dict.fromkeys(SHARING, 50))
    assert all(demand.holds for demand in demands(figures))
    return figures


@pytest.mark.parametrize(('path', 'value', 'demand'), [
    (('nodes', PLAIN, 'latency_ms', 'p95'), 340.0, 'nothing to do'),
    (('nodes', OURS, 'added_ms'), 25.1, 'at most 25 ms'),
    (('nodes', OURS, 'rate'), 14.9, '1.5 times as many'),
    (('nodes', PLAIN, 'added_ms'), 39.0, '0.5 times what plain adds'),
    (('busy', 'latency_ms', 'p50'), 76.0, 'twice the capacity'),
    (('shared', 'answered', 'left'), 40, 'equal shares'),
    (('shared', 'sent_hz'), 30.0, 'the cameras sent'),
])
def test_a_figure_that_is_not_good_enough_is_named_in_the_verdict(
        good: dict[str, Any], path: tuple[str, ...], value: float, demand: str) -> None:
    *way, last = path
    place = good
    for step in way:
        place = place[step]
    place[last] = value
    assert [demand in each.what for each in demands(good) if not each.holds] == [True]
