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
"""`frm engine build`, as a user runs it."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest

from frm_perception.cli.main import main

needs_no_tensorrt = pytest.mark.skipif(
    'TensorrtExecutionProvider' in onnxruntime.get_available_providers(),
    reason='this ONNX Runtime offers TensorRT')


@pytest.fixture
def build(tiny_bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs `frm engine build` of the tiny model with a new cache."""
    def run(*arguments: str) -> int:
        return main(['engine', 'build', '--model', str(tiny_bundle), '--engine-cache',
                     str(tmp_path / 'engines'), *arguments])
    return run


def _entries(tmp_path: Path) -> list[Path]:
    return list((tmp_path / 'engines').glob('*/manifest.json'))


def test_an_engine_is_built_once_and_then_there(
        build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build('--provider', 'openvino') == 0
    assert ('frm engine: built the engine of tiny at 96x160 (fp32, openvino) in '
            in capsys.readouterr().err)
    before = _entries(tmp_path)
    assert len(before) == 1
    assert build('--provider', 'openvino') == 0
    assert 'the engine of tiny at 96x160 (fp32, openvino) is there already, in ' in (
        capsys.readouterr().err)
    assert _entries(tmp_path) == before


def test_other_commands_start_with_it(
        build: Callable[..., int], tiny_bundle: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    arguments = ['--model', str(tiny_bundle), '--provider', 'openvino', '--threads', '1']
    assert main(['engine', 'build', *arguments]) == 0
    entry, = (tmp_path / 'frm_perception' / 'engines').glob('*/manifest.json')
    written = entry.stat().st_mtime_ns
    # No input can be read; the model is loaded before.
    assert main(['segment', str(tmp_path / 'none'), '-o', str(tmp_path / 'o'), *arguments]) == 1
    assert list((tmp_path / 'frm_perception' / 'engines').glob('*/manifest.json')) == [entry]
    assert entry.stat().st_mtime_ns == written


def test_a_provider_without_engines_needs_none(
        build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build('--provider', 'cpu') == 0
    assert 'tiny at 96x160 (fp32, cpu) has no engine to build ahead' in capsys.readouterr().err
    assert not (tmp_path / 'engines').exists()


@needs_no_tensorrt
def test_a_provider_that_is_not_there_is_a_failure(
        build: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert build('--provider', 'tensorrt') == 1
    assert 'warning: provider tensorrt was asked for, but' in capsys.readouterr().err
    assert build('--provider', 'tensorrt', '--require-provider') == 2
    assert 'provider tensorrt was asked for, but' in capsys.readouterr().err


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (['--precision', 'int8'], 'has no precision'),
    (['--resolution', '97x160'], 'does not fit the model'),
    (['--provider', 'npu'], 'unknown provider'),
])
def test_what_cannot_be_is_refused(build: Callable[..., int], arguments: list[str],
                                   complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(*arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith('frm engine: ') and complaint in message


def test_a_folder_that_cannot_be_the_cache_is_a_failure_with_a_reason(
        build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'engines').mkdir()
    (tmp_path / 'engines' / 'photo.jpg').write_bytes(b'')
    assert build('--provider', 'openvino') == 1
    message = capsys.readouterr().err
    assert 'the folder holds other things' in message
    assert 'the engine of tiny at 96x160 (fp32, openvino) was not kept' in message
    assert [path.name for path in (tmp_path / 'engines').iterdir()] == ['photo.jpg']


def test_a_file_of_parameters_stands_alone(
        build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('rclpy')
    assert build('--params', str(tmp_path / 'any.yaml'), '--threads', '2') == 2
    assert '--model, --threads, --engine-cache cannot be beside --params' in (
        capsys.readouterr().err)


def test_a_dla_is_refused_where_there_is_none(
        build: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert build('--provider', 'tensorrt', '--dla-core', '0') == 2
    assert 'dla_core 0 cannot be had' in capsys.readouterr().err
