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
"""Faults around a real node, and a verdict that can be a bad one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('onnx', reason='the model that fails needs onnx: requirements/bench.txt')

from program_run import run_program  # noqa: E402

from benchmarks.fault_cases import CASES  # noqa: E402
from benchmarks.faults import demands  # noqa: E402

QUICK = ('images-change', 'engine-raises', 'configure-and-cleanup')


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    status, written = run_program(
        'faults', tmp_path_factory.mktemp('faults') / 'faults.json', '--cycles', '3',
        '--only', *QUICK)
    assert status == 0
    return written


def test_what_is_lost_is_counted_and_what_is_counted_was_lost(results: dict[str, Any]) -> None:
    assert [fault['name'] for fault in results['faults']] == list(QUICK)
    changed, raised, _ = results['faults']
    assert changed['counts']['answered'] == changed['sent']
    assert raised['counts']['failed'] == 6


@pytest.mark.slow
def test_no_other_fault_loses_an_image_without_a_word(tmp_path: Path) -> None:
    others = [name for name in CASES if name not in QUICK]
    status, written = run_program('faults', tmp_path / 'faults.json', '--only', *others)
    assert status == 0
    assert [fault['name'] for fault in written['faults']] == others


@pytest.mark.parametrize(('change', 'demand'), [
    ({'sent': 1000}, 'what was sent was received'),
    ({'heard': 0}, 'what was answered was heard'),
    ({'heard': 1000}, 'what was answered was heard'),
    ({'was_reported': False}, 'restart'),
    ({'growth_mib': 11.0}, 'memory'),
])
def test_a_book_that_is_wrong_is_named_in_the_verdict(
        results: dict[str, Any], change: dict[str, Any], demand: str) -> None:
    worse = copy.deepcopy(results)
    worse['faults'][1].update(change)
    assert [demand in each.what for each in demands(worse) if not each.holds] == [True]


def test_an_image_that_is_counted_nowhere_is_named_in_the_verdict(results: dict[str, Any]) -> None:
    worse = copy.deepcopy(results)
    worse['faults'][0]['counts']['dropped'] -= 1
    failed = [each.what for each in demands(worse) if not each.holds]
    assert failed == ['images-change: what was received is accounted for']
