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
"""Hostile messages to a real node, and a verdict that can be a bad one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from program_run import run_program

from benchmarks.fuzz import demands
from benchmarks.hostile import KINDS


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    status, written = run_program(
        'fuzz', tmp_path_factory.mktemp('fuzz') / 'new' / 'fuzz.json', '--messages', '1500')
    assert status == 0
    return written


def test_a_node_outlives_hostile_messages_and_answers_the_good_ones(
        results: dict[str, Any]) -> None:
    assert sum(results['kinds'].values()) == results['hostile'] == 1500
    assert results['kinds'].keys() == {kind.name for kind in KINDS}
    assert all(sent for name, sent in results['kinds'].items()
               if name != 'gigapixels in a small PNG')
    assert all(camera['good'] for camera in results['cameras'])


def lose(camera: int, count: str, by: int) -> Callable[[dict[str, Any]], None]:
    def change(results: dict[str, Any]) -> None:
        results['cameras'][camera]['counts'][count] += by
    return change


@pytest.mark.parametrize(('change', 'demand'), [
    (lambda results: results.update(wrong=1), 'right labels'),
    (lambda results: results.update(state='unconfigured'), 'is active'),
    (lambda results: results.update(restarts=1), 'is active'),
    (lambda results: results.update(growth_mib=26.0), 'memory'),
    (lose(0, 'received', -1), 'what was sent was received'),
    (lose(1, 'answered', -1), 'what was answered was heard'),
    (lose(1, 'dropped', 10_000), 'only what may be either is dropped'),
    (lose(0, 'malformed', -10_000), 'all that is malformed'),
    (lose(2, 'received', 1), 'what was received is answered'),
])
def test_a_fault_is_named_in_the_verdict(
        results: dict[str, Any], change: Callable[[dict[str, Any]], None], demand: str) -> None:
    worse = copy.deepcopy(results)
    change(worse)
    assert any(demand in each.what for each in demands(worse) if not each.holds)
