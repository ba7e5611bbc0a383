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
"""
The files for Nav2 fit the node, and docs/nav2.md says of the topics what the graph says.

There is no wheel of Nav2: what it does with the files is not tested.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from node_graph import OPTIONAL_OUTPUTS
from node_graph import graph_of
from node_process import Probe
from node_process import SegmenterProcess
from rclpy.qos import QoSProfile

from frm_perception.ros.camera_topics import OUTPUTS
from frm_perception.ros.qos import latched
from frm_perception.ros.segmenter import NAME
from frm_perception.runtime.bundle import find_bundle

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'config' / 'nav2'
DOCUMENT = (ROOT / 'docs' / 'nav2.md').read_text(encoding='utf-8')
PREFIX = '/camera/segmentation/'


def content_of(file: str) -> dict[str, Any]:
    """Return the content of a file for Nav2."""
    content: dict[str, Any] = yaml.safe_load((CONFIG / file).read_text(encoding='utf-8'))
    return content


def layer() -> dict[str, Any]:
    """Return the parameters of the costmap layer."""
    costmap = content_of('semantic_layer.yaml')['local_costmap']['local_costmap']
    parameters: dict[str, Any] = costmap['ros__parameters']['semantic_layer']
    return parameters


def test_the_lifecycle_manager_asks_for_no_bond_and_has_patience() -> None:
    (name, node), = content_of('lifecycle_manager.yaml')['/**'].items()
    assert f'__node:={name}' in (CONFIG / 'lifecycle_manager.yaml').read_text(encoding='utf-8')
    parameters = node['ros__parameters']
    assert parameters['node_names'] == [NAME]
    assert parameters['bond_timeout'] == 0.0
    assert parameters['service_timeout'] > 5.0


@pytest.mark.parametrize(('parameter', 'kind'), [
    ('segmentation_topic', 'Image'), ('confidence_topic', 'Image'), ('labels_topic', 'LabelInfo')])
def test_the_costmap_layer_reads_topics_of_the_node(parameter: str, kind: str) -> None:
    topic = layer()['camera'][parameter]
    assert topic.startswith(PREFIX)
    types = {**{output: f'/{message.__name__}' for output, message in OUTPUTS.items()},
             **OPTIONAL_OUTPUTS}
    assert types[topic.removeprefix(PREFIX)].rpartition('/')[2] == kind


def test_the_costmap_layer_knows_every_class_of_the_default_model_once() -> None:
    source = layer()['camera']
    bundle = find_bundle(ROOT / 'models')
    named = [name for kind in source['class_types'] for name in source[kind]['classes']]
    assert sorted(named) == sorted(bundle.label_space.classes)
    assert source['free']['classes'] == list(bundle.label_space.drivable)


def test_the_document_tells_the_quality_of_service_that_is_offered(
        probe: Probe, active: SegmenterProcess) -> None:
    rows = re.findall(
        r'^\| `(/[\w/]+)` \| `([\w/]+)`[^|]*\| ([^|]+) \|', DOCUMENT, re.MULTILINE)
    told, quality = {}, ''
    for topic, kind, qos in rows:
        quality = quality if qos == 'same' else qos
        name = topic.replace('/camera/', 'front/').replace('/segmenter/', 'segmenter/')
        told[name] = kind.replace('/', '/msg/'), quality
    published = {name: kind for name, kind in graph_of(probe, active, 4).publishers.items()
                 if name.startswith('front/') or name in ('/diagnostics', 'segmenter/metrics')}
    assert {name: kind for name, (kind, _) in told.items() if name in published} == published
    assert set(told) - set(published) <= {f'front/segmentation/{name}'
                                          for name in OPTIONAL_OUTPUTS}
    for name in published:
        topic = name if name[0] == '/' else f'{active.namespace}/{name}'
        offered = {words_of(info.qos_profile)
                   for info in probe.node.get_publishers_info_by_topic(topic)
                   if info.node_namespace == active.namespace}
        # The graph does not tell the depth.
        assert offered == {told[name][1].rpartition(',')[0]}
    assert told['front/segmentation/label_info'][1] == f'{words_of(latched())}, depth 1'


def words_of(qos: QoSProfile) -> str:
    """Return a quality of service in the document's words, without its depth."""
    return f'{qos.reliability.name.lower()}, {qos.durability.name.lower().replace("_", " ")}'
