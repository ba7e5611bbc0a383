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
"""The node's parameters: what is refused, and what the refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from node_process import Probe
from node_process import SegmenterProcess
from node_process import wait_until
from rcl_interfaces.msg import ParameterType

from frm_perception.ros.parameter_spec import Effect
from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.parameters import EngineParameters

CONFIG = Path(__file__).parents[2] / 'config' / 'segmenter.yaml'


@pytest.fixture(scope='module')
def node(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[SegmenterProcess]:
    log = tmp_path_factory.mktemp('parameters') / 'log'
    with SegmenterProcess(probe, log, ['--params-file', str(CONFIG)], model_dir=models) as process:
        yield process


@pytest.mark.parametrize(('name', 'wrong', 'possible'), [
    ('cameras', [], "such as ['front', 'rear']"),
    ('cameras', ['front', 'front'], 'different topic prefixes'),
    ('cameras', [''], 'different topic prefixes'),
    ('cameras', ['front camera'], 'different topic prefixes'),
    ('cameras', ['2nd'], 'different topic prefixes'),
    ('cameras', 'front', 'different topic prefixes'),
    ('cameras', ['{city}'], 'is no prefix'),
    ('cameras', ['~/front', 'segmenter/front'], 'would both publish'),
    ('transport', 'theora', 'auto, raw, compressed'),
    ('transport', '', 'auto, raw, compressed'),
    ('transport', 'raw,theora', 'auto, raw, compressed'),
    ('transport', 'raw,compressed', 'with 1 cameras'),
    ('resolution', '512', 'HEIGHTxWIDTH'),
    ('resolution', '0x64', 'HEIGHTxWIDTH'),
    ('resolution', '-64x64', 'HEIGHTxWIDTH'),
    ('provider', 'gpu', 'cuda'),
    ('precision', '', 'fp32'),
    ('backbone', '../other', "backbone's name"),
    ('threads', -1, '256'),
    ('threads', 100_000, '256'),
    ('threads', 'all', '0 to 256'),
    ('require_provider', 'yes', 'true, false'),
    ('output_size', 'full', 'camera, network'),
    ('palette', ['road'], "such as ['road=#804080', 'sky=#4682b4']"),
    ('palette', ['road=#80408'], '#804080'),
    ('palette', ['road=#804080', 'road=#000000'], '#804080'),
    ('palette', [1], '#804080'),
    ('overlay_opacity', 1.01, '0.0 to 1.0'),
    ('max_rate', [-1.0], 'from 0.0 to 1000.0'),
    ('max_rate', [10], 'of type integer array; its type is double array, as of [0.0]'),
    ('max_rate', [1.0, 2.0], 'with 1 cameras'),
    ('max_rate', [float('nan')], 'from 0.0 to 1000.0'),
    ('weight', [0.0], 'from 0.01 to 100.0'),
    ('weight', 1.0, 'one for all cameras or one for each'),
    ('max_age', float('nan'), '0.0 to 3600.0'),
    ('max_age', -1.0, '0.0 to 3600.0'),
    ('deadline_ms', -1.0, '0.0 to 10000.0'),
    ('deadline_ms', 100, 'of type integer; its type is double, as of 0.0'),
    ('fit', 'squash', 'letterbox, stretch, crop'),
    ('drivable_min_confidence', 1.5, '0.0 to 1.0'),
    ('drivable_min_area', -0.1, '0.0 to 1.0'),
    ('drivable_foot', 1, '0.0 to 1.0'),
    ('drivable_appear_frames', 0, '1 to 100'),
    ('drivable_vanish_frames', 101, '1 to 100'),
    ('drivable_max_gap', 0.0, 'above 0.0'),
    ('drivable_classes', [], "['']"),
    ('confidence', 0.5, 'output_size'),
])
def test_a_wrong_value_is_refused_with_what_is_possible(
        node: SegmenterProcess, name: str, wrong: object, possible: str) -> None:
    reason = node.set_parameter(name, wrong)
    assert name in reason
    assert possible in reason


def test_names_that_are_one_camera_in_the_nodes_namespace_are_refused(
        node: SegmenterProcess) -> None:
    reason = node.set_parameter('cameras', ['front', f'{node.namespace}/front'])
    assert f"'front' and '{node.namespace}/front' would both publish" in reason
    assert node.set_parameter('cameras', ['front', '/front']) == ''
    assert node.set_parameter('cameras', ['camera']) == ''


def test_parameters_are_locked_from_configure_to_cleanup(node: SegmenterProcess) -> None:
    assert node.set_parameter('threads', 1) == ''
    assert node.change_state('configure')
    assert 'cleanup' in node.set_parameter('threads', 2)
    assert node.set_parameter('threads', 1) == ''
    assert node.change_state('activate')
    reason = node.set_parameter('transport', 'raw')
    assert f'`ros2 lifecycle set {node.name} deactivate`' in reason
    assert f'`ros2 lifecycle set {node.name} cleanup`' in reason
    assert node.change_state('deactivate')
    assert node.change_state('cleanup')
    assert node.set_parameter('threads', 2) == ''


def test_what_needs_a_new_engine_is_what_engines_are_made_of() -> None:
    made_of = {part.name for part in fields(EngineParameters)}
    assert made_of - {'threads', 'cameras'} == {
        name for name, spec in SPECS.items() if spec.effect is Effect.ENGINE}


def test_every_parameter_describes_itself(node: SegmenterProcess) -> None:
    for name, descriptor in zip(SPECS, node.describe_parameters(list(SPECS))):
        assert descriptor.name == name
        assert len(descriptor.description) > 20
        assert descriptor.description.endswith(f'Takes effect {SPECS[name].effect.value}.')
        assert descriptor.additional_constraints.startswith('Possible: ')
        assert descriptor.type != ParameterType.PARAMETER_NOT_SET
        assert not descriptor.dynamic_typing


def test_the_configuration_file_holds_exactly_the_defaults() -> None:
    content = yaml.safe_load(CONFIG.read_text(encoding='utf-8'))
    values = content['/**']['segmenter']['ros__parameters']
    assert values == {name: spec.default for name, spec in SPECS.items()}


def test_the_configuration_file_is_accepted_in_a_namespace(node: SegmenterProcess) -> None:
    assert 'ignored' not in node.log()


def test_unknown_parameters_are_named(probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, resolutoin='auto',
            overrides={'camera/image': {'depth': 3}}) as node:
        assert node.change_state('configure') and node.change_state('activate')
        wait_until(lambda: 'there is no parameter resolutoin' in node.log(), 'a warning')
        wait_until(lambda: f'no parameter qos_overrides.{node.namespace}/camera/image.subscription'
                   in node.log(), 'a warning of the override')
        assert f'{node.namespace}/camera/image_raw' in node.log()


def test_an_empty_list_of_drivable_classes_means_the_models_own(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, drivable_classes=[]) as node:
        assert node.change_state('configure')
