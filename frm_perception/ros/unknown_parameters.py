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
"""Parameters that somebody gave the node, and that it does not have."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node

from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.qos import PREFIX
from frm_perception.ros.qos import override_names


class UnknownParameters:
    """Warns of them, of each once: ROS ignores them without a word."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._warned_of: set[str] = set()

    def warn(self) -> None:
        """Warn of those that override no QoS."""
        for name in self._unknown():
            if not _is_override(name):
                self._warn(name, f'There are {", ".join(SPECS)}')

    def warn_of_overrides(self, inputs: Iterable[str]) -> None:
        """
        Warn of those that override the QoS of something else than a topic of the node.

        They are declared with the topics, so that it can be told once those exist.

        :param inputs: resolved names of the topics that the node may subscribe to.
        """
        known = {f'{PREFIX}.{name}' for name in self._node.get_parameters_by_prefix(PREFIX)}
        known = known.union(*(override_names(topic, 'subscription') for topic in inputs))
        for name in self._unknown():
            if _is_override(name) and name not in known:
                self._warn(name, _similar(name, known))

    def _unknown(self) -> list[str]:
        # rclpy has no public way to see what was given.
        return [name for name in self._node._parameter_overrides
                if name not in self._warned_of and not self._node.has_parameter(name)]

    def _warn(self, name: str, possible: str) -> None:
        self._warned_of.add(name)
        self._node.get_logger().warning(
            f'there is no parameter {name}: its value is ignored. {possible}')


def _is_override(name: str) -> bool:
    return name.startswith(f'{PREFIX}.')


def _similar(name: str, known: Iterable[str]) -> str:
    """Say what could be meant by the name of an override: others of its topic, or topics."""
    names: dict[str, list[str]] = {}
    for other in sorted(known):
        names.setdefault(other.split('.')[1], []).append(other)
    topic = name.split('.')[1]
    if topic in names:
        return f'Of {topic} there are {", ".join(names[topic])}'
    return f'This node has topics {", ".join(names)}'
