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
"""A soak of seconds, and a verdict that can be a bad one."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from program_run import run_program

from benchmarks.soak import CAMERAS
from benchmarks.soak import ERRORS
from benchmarks.soak import demands
from benchmarks.soak import trend


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a short run wrote; how fast a busy computer is in it says nothing."""
    _, written = run_program(
        'soak', tmp_path_factory.mktemp('soak') / 'soak.json', '--camera', '120x160',
        '--resolution', '64x96', '--minutes', '0.1', '--window', '2')
    return written


def test_every_window_and_every_camera_is_watched(results: dict[str, Any]) -> None:
    assert [window['end_s'] for window in results['series']] == [2.0, 4.0, 6.0]
    assert all(window['memory_mib'] > 0 < window['p50_ms'] <= window['p95_ms']
               for window in results['series'])
    assert results['counts'].keys() == set(CAMERAS)
    for demand in demands(results):
        assert demand.holds or 'latency' in demand.what, demand


def flat(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results with twenty minutes of which every demand holds."""
    figures = copy.deepcopy(results)
    figures['series'] = [{'memory_mib': 300.0 + minute % 3, 'p50_ms': 50.0 + minute % 2,
                          'p95_ms': 60.0 + minute % 2} for minute in range(20)]
    assert all(demand.holds for demand in demands(figures))
    return figures


@pytest.mark.parametrize(('key', 'slope', 'demand'), [
    ('memory_mib', 1.0, 'memory'), ('p50_ms', 0.5, 'p50'), ('p95_ms', 0.6, 'p95')])
def test_a_series_that_rises_is_named_in_the_verdict(
        results: dict[str, Any], key: str, slope: float, demand: str) -> None:
    worse = flat(results)
    for minute, window in enumerate(worse['series']):
        window[key] += slope * minute
    assert [demand in each.what for each in demands(worse) if not each.holds] == [True]


@pytest.mark.parametrize(('change', 'demand'), [
    ({'failed': 1, 'received': 1}, 'none failed'), ({'received': 1}, 'accounted for'),
    ({'answered': 1, 'received': 1}, 'was heard')])
def test_an_image_that_is_lost_is_named_in_the_verdict(
        results: dict[str, Any], change: dict[str, int], demand: str) -> None:
    worse = flat(results)
    for name, by in change.items():
        worse['counts']['left'][name] += by
    failed = [each.what for each in demands(worse) if not each.holds]
    assert len(failed) == 1 and failed[0].startswith('left: ') and demand in failed[0]


def test_what_comes_before_the_settling_does_not_count_in_a_trend() -> None:
    begin, rise, error = trend([100.0, 100.0, *[float(value) for value in range(18)]])
    assert begin == pytest.approx(0.0)
    assert rise == pytest.approx(17.0)
    assert error == pytest.approx(0.0, abs=1e-9)


def test_the_error_of_a_rise_is_as_large_as_rises_of_flat_series_are() -> None:
    random = np.random.default_rng(0)
    trends = [trend((60.0 + random.normal(0.0, 15.0, 20)).tolist()) for _ in range(400)]
    rises = [line.rise for line in trends]
    assert np.mean([line.error for line in trends]) == pytest.approx(np.std(rises), rel=0.15)
    assert 0.0 < np.mean([line.rise > ERRORS * line.error for line in trends]) < 0.06
