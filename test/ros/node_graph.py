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
"""What a running node publishes, subscribes to and serves, as the ROS graph says."""

from __future__ import annotations

import time
from dataclasses import dataclass

from node_process import Probe
from node_process import SegmenterProcess
from node_process import wait_until

OPTIONAL_OUTPUTS = {
    'confidence': 'sensor_msgs/msg/Image',
    'overlay': 'sensor_msgs/msg/Image',
    'label/compressed': 'sensor_msgs/msg/CompressedImage',
    'label_info': 'vision_msgs/msg/LabelInfo',
    'vision_info': 'vision_msgs/msg/VisionInfo',
    'legend': 'std_msgs/msg/String',
}
"""
Outputs below `<camera>/segmentation` that a node need not have, and their types.

Files may name them, whether or not the node of the test has them: `label_info` is there with
vision_msgs alone, `legend` without it.
"""
OF_RCLPY = {'/rosout', '/parameter_events', 'segmenter/transition_event'}
"""Topics that every lifecycle node of rclpy publishes; it lets nobody override their QoS."""


@dataclass(frozen=True)
class Graph:
    """Names and types of a node's side of the graph; a name is relative to its namespace."""

    publishers: dict[str, str]
    subscriptions: dict[str, str]
    services: dict[str, str]
    clients: dict[str, str]


def graph_of(probe: Probe, node: SegmenterProcess, subscriptions: int) -> Graph:
    """Return what discovery tells of a node that has, or will have, so many subscriptions."""
    prefix = f'{node.namespace}/'

    def found(what: str) -> dict[str, str]:
        ask = getattr(probe.node, f'get_{what}_names_and_types_by_node')
        return {name.removeprefix(prefix): types[0]
                for name, types in ask('segmenter', node.namespace)}

    def settled() -> Graph | None:
        # Publishers and subscriptions are told of separately, in no particular order.
        seen = []
        for _ in range(2):
            seen.append(Graph(*map(found, ('publisher', 'subscriber', 'service', 'client'))))
            time.sleep(0.25)
        return seen[0] if seen[0] == seen[1] and len(
            seen[0].subscriptions) == subscriptions else None

    graph: Graph = wait_until(settled, f'{subscriptions} subscriptions of the node')
    return graph
