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
"""The quality of service of every topic, and that users may override it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from listening import Listener
from node_graph import OF_RCLPY
from node_graph import graph_of
from node_process import DEADLINE
from node_process import Probe
from node_process import SegmenterProcess
from node_process import wait_until
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import Image

from frm_perception.ros.qos import OVERRIDABLE
from frm_perception.ros.qos import latched

LABEL = 'camera/segmentation/label'
LEGEND = 'camera/segmentation/legend'
WITH_VISION_MSGS = {'camera/segmentation/label_info', 'camera/segmentation/vision_info'}
STREAMS = (LABEL, 'camera/segmentation/drivable', 'camera/segmentation/confidence',
           'camera/segmentation/overlay', 'camera/segmentation/label/compressed',
           'camera/segmentation/camera_info', 'segmenter/metrics', '/diagnostics')
INPUTS = ('camera/image_raw', 'camera/camera_info')
POLICIES = {'history': 'keep_all', 'depth': 7, 'reliability': 'best_effort',
            'durability': 'transient_local'}
RELIABLE = {**POLICIES, 'reliability': 'reliable'}
OVERRIDES = {**{topic: POLICIES for topic in STREAMS}, LEGEND: RELIABLE,
             **{topic: RELIABLE for topic in INPUTS}}
AS_LATCHED = {'history': 'keep_last', 'depth': 1, 'reliability': 'reliable',
              'durability': 'transient_local'}

@pytest.fixture(scope='module')
def overridden(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
               ) -> Iterator[SegmenterProcess]:
    """Return an active node of whose every topic the QoS is another than it would be."""
    with SegmenterProcess(
            probe, tmp_path_factory.mktemp('qos') / 'log', model_dir=models, transport='raw',
            overrides={topic: OVERRIDES[topic] for topic in INPUTS},
            publisher_overrides={topic: OVERRIDES[topic] for topic in (*STREAMS, LEGEND)}
    ) as node:
        assert node.change_state('configure') and node.change_state('activate')
        yield node


def test_every_topic_of_the_node_has_overrides_of_every_policy(
        probe: Probe, overridden: SegmenterProcess) -> None:
    graph = graph_of(probe, overridden, subscriptions=len(INPUTS))
    sides = {**{topic: 'subscription' for topic in graph.subscriptions},
             **{topic: 'publisher' for topic in graph.publishers}}
    own = sides.keys() - OF_RCLPY
    assert own - WITH_VISION_MSGS == OVERRIDES.keys()
    for topic in own:
        wanted = OVERRIDES.get(topic, AS_LATCHED)
        names = {kind.name.lower(): f'qos_overrides.{overridden.resolved(topic)}.{sides[topic]}.'
                                    f'{kind.name.lower()}' for kind in OVERRIDABLE}
        found = overridden.get_parameters(list(names.values()))
        assert found == {names[policy]: value for policy, value in wanted.items()}


def test_what_is_overridden_is_what_is_offered_and_asked_for(
        probe: Probe, overridden: SegmenterProcess) -> None:
    """Of these policies DDS tells others only two."""
    for topic in STREAMS:
        assert offered(probe.node.get_publishers_info_by_topic, overridden, topic) == (
            ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.TRANSIENT_LOCAL)
    for topic in INPUTS:
        assert offered(probe.node.get_subscriptions_info_by_topic, overridden, topic) == (
            ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)


def test_nobody_is_warned_of_overrides_that_hold(overridden: SegmenterProcess) -> None:
    assert 'its value is ignored' not in overridden.log()


@pytest.mark.parametrize(('policy', 'value'), [
    ('durability', 'volatile'), ('reliability', 'best_effort')])
def test_what_is_latched_stays_so(
        probe: Probe, models: Path, tmp_path: Path, policy: str, value: str) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models,
                          publisher_overrides={LEGEND: {policy: value}}) as node:
        assert not node.change_state('configure')
        wait_until(lambda: 'only reliable and transient_local' in node.log(), 'the reason')
        assert node.resolved(LEGEND) in node.log()


@pytest.mark.parametrize(('policy', 'value', 'possible'), [
    ('reliability', 'good', 'system_default, reliable, best_effort'),
    ('history', 5, 'system_default, keep_last, keep_all'),
    ('depth', -1, 'a number of messages from 0'), ('depth', 'deep', 'from 0')])
def test_a_value_that_no_policy_has_is_refused_at_the_start_with_what_is_possible(
        probe: Probe, models: Path, tmp_path: Path, policy: str, value: object, possible: str
) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models,
                          publisher_overrides={LABEL: {policy: value}}) as node:
        assert node.process.wait(DEADLINE) == 2
        assert (f'parameter qos_overrides.{node.resolved(LABEL)}.publisher.{policy} cannot be '
                f'{value!r}; possible: ') in node.log()
        assert possible in node.log()


def test_a_misspelt_override_of_a_topic_that_is_there_is_named_with_those_that_are(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    """Also of a form of input that is not read as long as nobody publishes it."""
    wrong = {'camera/image_raw': 'reliabilty', 'camera/image_raw/compressed': 'depht'}
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, transport='auto',
            overrides={topic: {policy: 'reliable'} for topic, policy in wrong.items()},
            publisher_overrides={'camera/image_raw': {'depth': 3}}) as node:
        assert node.change_state('configure') and node.change_state('activate')
        names = [f'qos_overrides.{node.resolved(topic)}.subscription.{policy}'
                 for topic, policy in wrong.items()]
        names.append(f'qos_overrides.{node.resolved("camera/image_raw")}.publisher.depth')
        for name in names:
            topic = name.split('.')[1]
            wait_until(lambda n=name: f'there is no parameter {n}: its value' in node.log(), name)
            assert f'Of {topic} there are qos_overrides.{topic}.subscription.depth' in node.log()


def test_a_subscriber_that_asks_for_more_gets_a_remedy(
        probe: Probe, active: SegmenterProcess) -> None:
    topic = 'front/segmentation/label'
    with Listener(probe, active, topic, Image, latched()):
        wait_until(lambda: f'qos_overrides.{active.resolved(topic)}.publisher.durability'
                   in active.log(), 'the remedy')


def offered(infos: Callable[[str], list[TopicEndpointInfo]], node: SegmenterProcess, topic: str
            ) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
    """Return the QoS of the node's end of a topic, once discovery tells of it."""
    profile: QoSProfile = wait_until(
        lambda: next((info.qos_profile for info in infos(node.resolved(topic))
                      if info.node_namespace == node.namespace), None), f'who is on {topic}')
    return profile.reliability, profile.durability
