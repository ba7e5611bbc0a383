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
"""What every program does about its verdict, and about being interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from program_run import ROOT

from benchmarks.program import Demand
from benchmarks.program import conclude

SENT = Demand('all arrive', '3 of 4', holds=False)
FLAT = Demand('memory is flat', '0.1 MiB', holds=True)


def table(results: dict[str, Any]) -> str:
    return f'{results["sent"]} sent'


@pytest.mark.parametrize(('demands', 'status'), [([FLAT], 0), ([FLAT, SENT], 1)])
def test_a_demand_that_does_not_hold_is_named_and_fails_the_program(
        demands: list[Demand], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'new' / 'results.json'
    assert conclude('load', lambda: ({'sent': 4}, demands), table, file) == status
    printed = capsys.readouterr()
    assert '4 sent' in printed.out
    assert ('load: does not hold: all arrive: 3 of 4' in printed.err) == bool(status)
    written = json.loads(file.read_text())
    assert [demand['holds'] for demand in written['demands']] == [
        demand.holds for demand in demands]


def test_a_measurement_that_cannot_be_ended_fails_the_program(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def give_up() -> Any:
        raise AssertionError('waited 30 s for an answer')

    assert conclude('load', give_up, table, tmp_path / 'results.json') == 1
    assert 'waited 30 s for an answer' in capsys.readouterr().err
    assert not (tmp_path / 'results.json').exists()


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_program_ends_its_node_and_writes_nothing(
        number: signal.Signals, status: int, tmp_path: Path) -> None:
    file = tmp_path / 'fuzz.json'
    with subprocess.Popen(
            [sys.executable, '-m', 'benchmarks.fuzz', '--json', str(file)], cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        while '0/100000' not in program.stderr.read(80):  # what shows progress begins with it
            assert program.poll() is None
        nodes = Path(f'/proc/{program.pid}/task/{program.pid}/children').read_text().split()
        assert nodes
        program.send_signal(number)
        _, errors = program.communicate(timeout=60)
    assert program.returncode == status, errors
    assert not file.exists()
    assert not any(Path('/proc', node).exists() for node in nodes)
