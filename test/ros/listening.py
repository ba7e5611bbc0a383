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
"""Listens to any of a node's topics, beside the cameras of `node_process`."""

from __future__ import annotations

from typing import Any

from node_process import Camera
from node_process import Probe
from node_process import SegmenterProcess
from node_process import key_of
from node_process import wait_until
from rclpy.qos import QoSProfile
from std_msgs.msg import Header


class Listener:
    """
    A subscription of the test process that keeps what it hears.

    :param node: whose namespace the topic is in, unless it begins with a slash.
    :param qos: as the consumer has it that the test stands for.
    """

    def __init__(self, probe: Probe, node: SegmenterProcess, topic: str, message_type: type[Any],
                 qos: QoSProfile | int = 100) -> None:
        self._node = probe.node
        self.heard: list[Any] = []
        self._subscription = probe.node.create_subscription(
            message_type, node.resolved(topic), self.heard.append, qos)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._node.destroy_subscription(self._subscription)

    def hear(self, camera: Camera) -> None:
        """Let a camera call until an answer is heard here: the node knows of the subscription."""
        wait_until(lambda: camera.answering() and self.heard,
                   f'an answer on {self._subscription.topic_name}')

    def first(self) -> Any:
        """Wait for the first message."""
        wait_until(lambda: self.heard, f'a message on {self._subscription.topic_name}')
        return self.heard[0]

    def of(self, header: Header) -> Any:
        """Wait for the message with that header."""
        return wait_until(
            lambda: next((message for message in list(self.heard)
                          if key_of(message.header) == key_of(header)), None),
            f'{key_of(header)} on {self._subscription.topic_name}')
