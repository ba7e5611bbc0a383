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
"""The layouts for RViz and Foxglove show topics that the node and its camera really have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from node_graph import OPTIONAL_OUTPUTS
from node_graph import graph_of
from node_process import Probe
from node_process import SegmenterProcess

CONFIG = Path(__file__).parents[2] / 'config'
RVIZ = CONFIG / 'segmenter.rviz'
FOXGLOVE = CONFIG / 'foxglove.json'
SHOWN = {'camera/image_raw', *(f'camera/segmentation/{output}' for output in (
    'label', 'drivable', 'overlay', 'confidence'))}


@pytest.fixture(scope='module')
def topics(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the types of what an active node reads and publishes for the default camera."""
    log = tmp_path_factory.mktemp('layouts') / 'log'
    with SegmenterProcess(probe, log, model_dir=models) as node:
        assert node.change_state('configure') and node.change_state('activate')
        graph = graph_of(probe, node, subscriptions=2)
    optional = {f'camera/segmentation/{output}': kind for output, kind in OPTIONAL_OUTPUTS.items()}
    return {**optional, **graph.publishers, **graph.subscriptions}


def rviz() -> dict[str, Any]:
    """Return the content of the file for RViz."""
    content: dict[str, Any] = yaml.safe_load(RVIZ.read_text(encoding='utf-8'))
    return content


def foxglove() -> dict[str, Any]:
    """Return the content of the layout for Foxglove."""
    content: dict[str, Any] = json.loads(FOXGLOVE.read_text(encoding='utf-8'))
    return content


def test_rviz_shows_images_that_the_node_has(topics: dict[str, str]) -> None:
    displays = rviz()['Visualization Manager']['Displays']
    assert {display['Class'] for display in displays} == {'rviz_default_plugins/Image'}
    shown = [display['Topic']['Value'].removeprefix('/') for display in displays]
    assert set(shown) == SHOWN and len(shown) == len(SHOWN)
    assert {topics[name] for name in shown} == {'sensor_msgs/msg/Image'}


def test_rviz_asks_for_a_quality_of_service_that_is_offered() -> None:
    for display in rviz()['Visualization Manager']['Displays']:
        topic = display['Topic']
        assert topic['Durability Policy'] == 'Volatile'
        # Cameras offer best effort, and would send nothing to who asks for more.
        assert topic['Reliability Policy'] == (
            'Best Effort' if topic['Value'] == '/camera/image_raw' else 'Reliable')


def test_foxglove_shows_images_that_the_node_has_and_its_diagnostics(
        topics: dict[str, str]) -> None:
    panels = foxglove()['configById']
    images = {name: panel['imageMode']['imageTopic'].removeprefix('/')
              for name, panel in panels.items() if name.startswith('Image!')}
    assert set(images.values()) == SHOWN
    assert {topics[name] for name in images.values()} == {'sensor_msgs/msg/Image'}
    rendered = {panel['topicToRender'] for name, panel in panels.items() if name not in images}
    assert rendered == {'/diagnostics'} <= set(topics)


def test_every_panel_of_the_foxglove_layout_has_its_place() -> None:
    def panels_of(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        assert part['direction'] in ('row', 'column') and 0 < part['splitPercentage'] < 100
        return [*panels_of(part['first']), *panels_of(part['second'])]

    content = foxglove()
    placed = panels_of(content['layout'])
    assert sorted(placed) == sorted(content['configById'])
