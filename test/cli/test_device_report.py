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
"""`frm benchmark --device-report`, as somebody runs it who sends us the file."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import tiny_model

from frm_perception.cli.main import main
from frm_perception.labels import LabelSpace

FRM = [sys.executable, '-m', 'frm_perception.cli.main']
QUICK = ['--camera', '72x96', '--sizes', '64x96', '--threads', '1', '--seconds', '0.01']


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a bundle whose int8 mistakes every class for the next one."""
    folder = tmp_path / 'secret-folder' / 'tiny'
    folder.mkdir(parents=True)
    right = tiny_model()
    wrong = tiny_model(LabelSpace(TINY.name, TINY.classes, TINY.palette[1:] + TINY.palette[:1],
                                  TINY.drivable))
    content = manifest(right)
    for name, model in (('fp32', right), ('int8', wrong)):
        (folder / f'{name}.onnx').write_bytes(model)
        content['precisions'][name] = {
            'file': f'{name}.onnx', 'sha256': hashlib.sha256(model).hexdigest(), 'accuracy': {}}
    # It computes in fp32, so that to ask for int8 would be refused.
    content['precisions']['other'] = content['precisions'].pop('int8')
    (folder / 'model.yaml').write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def test_a_report_tells_what_runs_what_does_not_and_what_is_wrong(
        bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / 'report.json'
    assert main(['benchmark', '--device-report', '--model', str(bundle), '--providers', 'cpu',
                 'cuda', '--sustained', '0.01', '--json', str(file), *QUICK]) == 0
    results: dict[str, Any] = json.loads(file.read_text())
    assert [(found['precision'], found['label_agreement'] > 0.9)
            for found in results['variants']] == [('fp32', True), ('other', False)]
    assert results['sustained']['precision'] == 'fp32'
    failure, = results['failures']
    assert failure['provider'] == 'cuda'
    assert 'this ONNX Runtime' in failure['why']
    assert not results['interrupted']
    said = capsys.readouterr()
    assert 'Rows for docs/devices.md' in said.out
    assert 'too few' in said.out
    assert '3 of 4: tiny other cpu 64x96:' in said.err


def test_a_report_does_not_tell_whose_computer_it_is_of(bundle: Path, tmp_path: Path) -> None:
    # The model in fp32 is damaged: the message that says so names the file.
    (bundle / 'fp32.onnx').write_bytes(b'damaged')
    file = tmp_path / 'report.json'
    assert main(['benchmark', '--device-report', '--model', str(bundle), '--providers', 'cpu',
                 '--json', str(file), *QUICK]) == 1
    written = file.read_text()
    assert 'fp32.onnx' in written
    words = {word for value in json.loads(written)['failures'] for word in value['why'].split()}
    assert not {socket.gethostname(), getpass.getuser()} & words
    for secret in ('secret-folder', str(Path.home()), str(tmp_path), os.getcwd()):
        assert secret not in written


def test_ctrl_c_leaves_what_was_measured(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / 'report.json'
    process = subprocess.Popen(
        [*FRM, 'benchmark', '--device-report', '--model', str(bundle), '--providers', 'cpu',
         '--sustained', '600', '--json', str(file), *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    for line in process.stderr:
        if 'without a pause for 600 s' in line:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            break
    printed, said = process.communicate()
    assert process.returncode == 130, said
    assert 'Traceback' not in said
    results = json.loads(file.read_text())
    assert results['interrupted']
    assert len(results['variants']) == 2
    assert results['sustained'] is None
    assert 'Interrupted: not everything was measured.' in printed


@pytest.mark.parametrize(('arguments', 'part'), [
    ([], 'say which KIND, or --device-report'),
    (['--device-report', 'frame'], 'unrecognized arguments: frame'),
    (['--device-report', '--providers', 'abacus'], "invalid choice: 'abacus'"),
    (['--device-report', '--seconds', '0'], "'0' is not more than 0")])
def test_what_makes_no_sense_is_refused(
        arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['benchmark', *arguments])
    assert ended.value.code == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize(('arguments', 'part'), [
    (['--sizes', '64x100'], '64x100 does not fit'), (['--precisions', 'fp8'], "'fp8'"),
    (['--model', 'nope'], "no model 'nope'"), (['--threads', '999'], 'threads is 999')])
def test_what_cannot_be_measured_is_refused_before_anything_is(
        arguments: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
        ) -> None:
    file = tmp_path / 'report.json'
    assert main(['benchmark', '--device-report', '--json', str(file), *arguments]) == 2
    assert part in capsys.readouterr().err
    assert not file.exists()
