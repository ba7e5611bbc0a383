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
"""`segmenter --build-only`: the engine that the parameters ask for, and nothing more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEADLINE = 60.0


def _build(models: Path, cache: Path, **parameters: object) -> tuple[int, str]:
    """Return the exit status and the output of a node that builds only."""
    given = {'model_dir': models, 'engine_cache': cache, **parameters}
    command = [sys.executable, '-m', 'frm_perception.ros.segmenter', '--build-only', '--ros-args']
    for name, value in given.items():
        command += ['-p', f"{name}:='{value}'"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=DEADLINE)
    return done.returncode, done.stdout


def test_an_engine_is_built_once_and_the_process_ends(models: Path, tmp_path: Path) -> None:
    status, said = _build(models, tmp_path / 'engines', provider='openvino')
    assert status == 0, said
    assert 'built the engine of tiny at 96x160 (fp32, openvino) in ' in said
    status, said = _build(models, tmp_path / 'engines', provider='openvino')
    assert status == 0, said
    assert 'the engine of tiny at 96x160 (fp32, openvino) is there already' in said
    assert 'on openvino (engine cache: found)' in said
    assert len(list((tmp_path / 'engines').glob('*/manifest.json'))) == 1


@pytest.mark.parametrize(('name', 'value', 'status', 'complaint'), [
    ('provider', 'gpu', 2, 'parameter provider cannot be'),
    ('backbone', 'none_such', 1, 'the engine was not built: no bundle in'),
    ('model_dir', 'x' * 300, 1, 'the engine was not built: '),
])
def test_a_failure_is_an_exit_status_with_a_reason(
        models: Path, tmp_path: Path, name: str, value: str, status: int, complaint: str) -> None:
    found, said = _build(models, tmp_path / 'engines', **{name: value})
    assert found == status, said
    assert complaint in said and 'Traceback' not in said
    assert not (tmp_path / 'engines').exists()


def _build_for_file(text: str, folder: Path) -> tuple[int, str]:
    """Return the exit status and the output of `frm engine build --params`."""
    file = folder / 'parameters.yaml'
    file.write_text(text, encoding='utf-8')
    done = subprocess.run(
        [sys.executable, '-m', 'frm_perception.cli.main', 'engine', 'build', '--params', file],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE)
    return done.returncode, done.stdout


def test_all_engines_are_built_that_a_file_of_parameters_lets_the_node_load(
        models: Path, tmp_path: Path) -> None:
    status, said = _build_for_file(
        '/**:\n  segmenter:\n    ros__parameters:\n'
        f'      {{model_dir: {models}, engine_cache: {tmp_path / "engines"}, threads: 1,\n'
        '       provider: openvino, deadline_ms: 50.0, allow_engine_build: false}\n', tmp_path)
    assert status == 0, said
    built = set(re.findall('built the engine of tiny at ([0-9x]+) ', said))
    assert '96x160' in built and len(built) > 1
    assert len(list((tmp_path / 'engines').glob('*/manifest.json'))) == len(built)


def test_a_parameter_that_a_file_misspells_is_told(models: Path, tmp_path: Path) -> None:
    status, said = _build_for_file(
        '/**:\n  segmenter:\n    ros__parameters:\n'
        f'      {{model_dir: {models}, provider: cpu, presicion: fp16}}\n', tmp_path)
    assert status == 0 and 'there is no parameter presicion' in said


def test_a_file_that_is_for_another_node_is_told(tmp_path: Path) -> None:
    status, said = _build_for_file(
        'other:\n  ros__parameters:\n    {provider: tensorrt}\n', tmp_path)
    assert status == 2, said
    assert 'has no parameters for /segmenter' in said


def test_a_file_that_cannot_be_read_is_an_exit_status_with_a_reason(tmp_path: Path) -> None:
    status, said = _build_for_file('/**:\n  segmenter: [', tmp_path)
    assert status == 2 and 'parameters.yaml' in said and 'Traceback' not in said


def test_a_name_that_cannot_be_is_an_exit_status_with_a_reason() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'frm_perception.ros.segmenter', '--build-only', '--ros-args', '-r',
         '__ns:=/1bad'], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=DEADLINE)
    assert done.returncode == 2, done.stdout
    assert '1bad' in done.stdout and 'Traceback' not in done.stdout


def test_a_cache_that_cannot_be_used_is_a_failure(models: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    status, said = _build(models, tmp_path / 'file' / 'engines', provider='openvino')
    assert status == 1, said
    assert 'Not a directory' in said and 'was not kept' in said
