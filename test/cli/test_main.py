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
"""The command `frm` itself."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from frm_perception.cli.main import SUBCOMMANDS
from frm_perception.cli.main import main

BLOCK = """
import sys
for name in ('torch', 'rclpy', 'onnxruntime', 'cv2', 'numpy'):
    sys.modules[name] = None
from frm_perception.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize('arguments', [['--help'], *([name, '--help'] for name in SUBCOMMANDS)],
                         ids=lambda arguments: arguments[0])
def test_help_needs_no_heavy_package(arguments: list[str]) -> None:
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, '-c', BLOCK, *arguments], env=environment,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'usage: frm' in done.stdout


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert 'COMMAND' in capsys.readouterr().err


def test_an_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['segmentize'])
    message = capsys.readouterr().err
    assert all(name in message for name in SUBCOMMANDS)


def test_a_reader_who_has_enough_of_the_output_causes_no_traceback() -> None:
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, '-m', 'frm_perception.cli.main', 'networks'], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, '')


def test_a_missing_package_says_how_to_get_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
        ) -> None:
    for name in [name for name in sys.modules if name.startswith('frm_perception.training')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'torch', None)
    config = tmp_path / 'a.yaml'
    config.write_text('{}')
    assert main(['train', str(config), '-o', str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "frm train: the Python package 'torch' is missing" in message
    assert 'pip install -r requirements/train.txt' in message


@pytest.mark.parametrize(('package', 'advice'), [
    ('cv2', 'pip install -r requirements/run.txt'),
    ('yaml', 'pip install -r requirements/run.txt'),
    ('onnx', 'pip install -r requirements/train.txt'),
    ('distributed', 'pip install -r requirements/cluster.txt'),
    ('diagnostic_msgs', 'source a ROS 2 installation'),
    ('something_else', 'pip install something_else'),
])
def test_the_advice_names_what_can_be_installed(
        package: str, advice: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        raise ModuleNotFoundError(f'No module named {package!r}', name=f'{package}.part')
    monkeypatch.setattr('frm_perception.cli.export.run', run)
    assert main(['export', 'a', '-o', 'b']) == 1
    assert f'{package!r} is missing: {advice}' in capsys.readouterr().err
