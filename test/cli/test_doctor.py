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
"""`frm doctor`, as a user runs it on this very computer."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from frm_perception.cli.doctor import table
from frm_perception.cli.main import main
from frm_perception.runtime.doctor import Finding
from frm_perception.runtime.doctor import Level

needs_no_tensorrt = pytest.mark.skipif(
    'TensorrtExecutionProvider' in onnxruntime.get_available_providers(),
    reason='this ONNX Runtime offers TensorRT')
DOCUMENT = Path(__file__).resolve().parents[2] / 'docs' / 'doctor.md'
KEYS = {'check', 'level', 'found', 'source', 'remedy'}


@pytest.fixture
def doctor(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
           ) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return a function that runs `frm doctor --json` of the tiny model: status and object."""
    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        status = main(['doctor', '--json', '--engine-cache', str(tmp_path / 'engines'),
                       *arguments])
        return status, json.loads(capsys.readouterr().out)
    return run


def _levels(report: dict[str, Any]) -> dict[str, str]:
    return {finding['check']: finding['level'] for finding in report['findings']}


def test_every_finding_has_a_source_and_what_is_wrong_a_remedy(
        doctor: Callable[..., tuple[int, dict[str, Any]]], tiny_bundle: Path) -> None:
    status, report = doctor('--model', str(tiny_bundle), '--provider', 'cpu')
    levels = _levels(report)
    assert report['version'] == 1 and report['asked']['provider'] == 'cpu'
    assert levels['provider cpu'] == levels['model'] == levels['inference'] == 'ok'
    assert len(levels) == len(report['findings'])
    for finding in report['findings']:
        assert set(finding) == KEYS and finding['found'] and finding['source']
        assert bool(finding['remedy']) == (finding['level'] in ('warning', 'error')), finding
        row = re.sub('^provider .*', 'provider PROVIDER', finding['check'])
        assert f'\n| `{row}` |' in DOCUMENT.read_text('utf-8')
    assert status == (1 if 'error' in levels.values() else 0)
    assert report['status'] == next(
        (level for level in ('error', 'warning') if level in levels.values()), 'ok')


@needs_no_tensorrt
def test_a_file_that_asks_for_tensorrt_fails_where_there_is_none(
        doctor: Callable[..., tuple[int, dict[str, Any]]], tiny_bundle: Path, tmp_path: Path
        ) -> None:
    file = tmp_path / 'vehicle.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    provider: tensorrt\n    threads: 1\n'
                    f'    allow_engine_build: false\n'
                    f'    model_dir: {tiny_bundle}\n')
    status, report = doctor('--params', str(file))
    levels = _levels(report)
    assert status == 1 and report['status'] == 'error'
    assert report['asked']['allow_engine_build'] is False
    assert report['asked']['provider'] == 'tensorrt' and report['asked']['threads'] == 1
    assert levels['ONNX Runtime'] == levels['TensorRT'] == levels['provider tensorrt'] == 'error'
    assert levels['model'] == 'ok' and 'inference' not in levels
    # An option that is given wins over the file.
    _, report = doctor('--params', str(file), '--provider', 'cpu')
    assert _levels(report)['provider cpu'] == 'ok'


def test_a_model_that_is_not_there_is_an_error(
        doctor: Callable[..., tuple[int, dict[str, Any]]], tmp_path: Path) -> None:
    status, report = doctor('--model', str(tmp_path / 'gone'), '--provider', 'cpu')
    assert status == 1 and _levels(report)['model'] == 'error'


@pytest.mark.parametrize(('text', 'complaint'), [
    ('provider: npu', 'unknown provider'), ('threads: many', 'threads is'),
    ('threads: 999', 'threads is 999'), ('precision: bf16\n    provider: cpu', 'cannot be had')])
def test_parameters_that_make_no_sense_are_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str) -> None:
    file = tmp_path / 'vehicle.yaml'
    file.write_text(f'segmenter:\n  ros__parameters:\n    {text}\n')
    assert main(['doctor', '--params', str(file)]) == 2
    assert complaint in capsys.readouterr().err


def test_the_table_fits_the_terminal_and_says_all() -> None:
    findings = [Finding('memory', Level.OK, '4 MiB', '/proc/meminfo'),
                Finding('shared memory', Level.ERROR, 'too small ' * 20, '/dev/shm', 'enlarge it')]
    text = table(findings, 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert '-> enlarge it' in text and '4 MiB [/proc/meminfo]' in text
    assert text.endswith('something keeps the node from running well: '
                         '1 error, 0 warning, 1 ok, 0 skipped')
