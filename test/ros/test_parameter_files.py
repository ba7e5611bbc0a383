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
"""Every parameter file that comes with the package is one that the node can start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from node_process import Probe
from node_process import SegmenterProcess

CONFIG = Path(__file__).parents[2] / 'config'
JETSON = sorted(CONFIG.glob('jetson/*.yaml'))
FILES = sorted([*CONFIG.glob('*.yaml'), *JETSON])


def values_of(file: Path) -> dict[str, Any]:
    """Return the node's parameters in a file."""
    content = yaml.safe_load(file.read_text(encoding='utf-8'))
    assert list(content) == ['/**'] and list(content['/**']) == ['segmenter']
    values: dict[str, Any] = content['/**']['segmenter']['ros__parameters']
    return values


def test_there_are_files_for_one_camera_four_cameras_and_each_jetson() -> None:
    assert {file.name: len(values_of(file)['cameras']) for file in FILES} == {
        'segmenter.yaml': 1, 'four_cameras.yaml': 4, 'orin_nano.yaml': 1, 'orin_nx_agx.yaml': 4,
        'thor.yaml': 6}


@pytest.mark.parametrize('file', JETSON, ids=lambda file: file.name)
def test_on_a_vehicle_engines_are_built_ahead_or_not_at_all(file: Path) -> None:
    values = values_of(file)
    assert values['provider'] == 'tensorrt' and values['require_provider']
    assert values['allow_engine_build'] is False


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_a_node_takes_every_value_of_the_file_and_becomes_active(
        probe: Probe, models: Path, tmp_path: Path, file: Path) -> None:
    # Where the tests run is no Jetson, and has fewer cores: what to do there is the next test's.
    elsewhere = {'model_dir': str(models), 'provider': 'cpu', 'require_provider': False,
                 'threads': 1}
    values = {**values_of(file), **elsewhere}
    with SegmenterProcess(probe, tmp_path / 'log', ['--params-file', str(file)],
                          **elsewhere) as node:
        assert node.get_parameters(list(values)) == values
        assert node.change_state('configure') and node.change_state('activate'), node.log()
        assert 'ignored' not in node.log()


@pytest.mark.parametrize('file', JETSON[:1], ids=lambda file: file.name)
def test_without_tensorrt_a_file_for_jetson_refuses_to_run_on_the_cpu(
        probe: Probe, models: Path, tmp_path: Path, file: Path) -> None:
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'TensorrtExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime has TensorRT')
    with SegmenterProcess(probe, tmp_path / 'log', ['--params-file', str(file)],
                          model_dir=models) as node:
        assert not node.change_state('configure')
        assert 'tensorrt' in node.log().lower().partition('configure failed')[2]
