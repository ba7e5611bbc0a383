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
"""With allow_engine_build false, a node compiles no engine for minutes: it says what to run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess

from frm_perception.cli.main import main
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import tensorrt

STAND_IN = Path(__file__).parents[1] / 'tensorrt_stand_in'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(probe: Probe, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
          ) -> Callable[..., SegmenterProcess]:
    """Return a function that starts a node where there is a TensorRT without any engine."""
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(
        filter(None, [str(STAND_IN), str(ROOT), os.environ.get('PYTHONPATH', '')])))

    def started(**parameters: object) -> SegmenterProcess:
        return SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, engine_cache=tmp_path / 'engines',
            **{'allow_engine_build': False, **parameters})
    return started


def _commands(text: str) -> list[list[str]]:
    """Return the commands that a refusal gives, as a shell reads them."""
    between = text.partition('runs the node: ')[2].partition(' (or all')[0]
    return [shlex.split(command) for command in between.split(' && ')]


def test_configure_refuses_at_once_with_the_command_that_builds(
        start: Callable[..., SegmenterProcess], probe: Probe, models: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    with start(provider='tensorrt', max_gpu_memory_mib=512) as node, \
            Diagnostics(probe, node) as diagnostics:
        assert not node.change_state('configure')
        status, values = diagnostics.status_where('engine', state='unconfigured')
        problem = f'it is not in the engine cache {tmp_path / "engines"}'
        assert problem in values['problem'] and problem in node.log()
        assert 'allow_engine_build is false, and the engine of tiny at 96x160' in status.message
        command, = _commands(values['problem'])
    assert command == [
        'frm', 'engine', 'build', '--model', str(models / 'tiny'), '--provider', 'tensorrt',
        '--resolution', '96x160', '--precision', 'fp32', '--max-gpu-memory-mib', '512',
        '--engine-cache', str(tmp_path / 'engines')]
    # It is a command: here it fails only because there is no TensorRT.
    assert main([*command[1:], '--require-provider']) == 2
    assert 'provider tensorrt was asked for, but' in capsys.readouterr().err


def test_with_a_deadline_every_fallback_has_to_be_there_too(
        start: Callable[..., SegmenterProcess]) -> None:
    with start(provider='tensorrt', deadline_ms=50.0) as node:
        assert not node.change_state('configure')
        commands = _commands(node.log())
    sizes = [command[command.index('--resolution') + 1] for command in commands]
    assert sizes[0] == '96x160' and len(sizes) == len(set(sizes)) > 1


def test_a_change_that_would_need_a_build_is_refused_and_the_node_goes_on(
        start: Callable[..., SegmenterProcess]) -> None:
    with start(provider='cpu') as node:
        assert node.change_state('configure') and node.change_state('activate')
        reason = node.set_parameter('provider', 'tensorrt')
        assert 'allow_engine_build is false' in reason and 'frm engine build' in reason
        assert node.set_parameter('resolution', '96x192') == ''  # takes the CPU no minutes
        assert node.get_parameters(['provider', 'resolution']) == {
            'provider': 'cpu', 'resolution': '96x192'}


def test_an_engine_that_is_there_is_no_build_and_others_are(
        start: Callable[..., SegmenterProcess], models: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, 'gpu_properties', lambda: {'name': 'stand-in'})
    monkeypatch.setattr(tensorrt, 'tensorrt_version', lambda runtime: '101300')
    key = tensorrt.tensorrt_key(onnxruntime, (models / 'tiny' / 'fp32.onnx').read_bytes(),
                                EngineOptions('tensorrt', size=(96, 160)))
    EngineCache(tmp_path / 'engines', pytest.fail).entry(
        key, lambda folder: (folder / 'engine').touch())
    with start(provider='tensorrt') as node:
        assert node.change_state('configure'), 'the stand-in cannot run it, and the CPU does'
        assert 'provider tensorrt was asked for, but it could not start' in node.log()
        for name, value in (('resolution', '96x192'), ('max_gpu_memory_mib', 64),
                            ('deadline_ms', 50.0)):
            assert 'it is not in the engine cache' in node.set_parameter(name, value), name
        assert node.set_parameter('allow_engine_build', True) == ''
        assert node.set_parameter('deadline_ms', 50.0) == ''


def test_who_allows_it_gets_as_far_as_the_build(start: Callable[..., SegmenterProcess]) -> None:
    with start(provider='tensorrt', allow_engine_build=True, require_provider=True) as node:
        assert not node.change_state('configure')
        assert 'provider tensorrt was asked for, but it could not start' in node.log()
