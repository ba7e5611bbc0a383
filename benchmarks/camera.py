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
A process of cameras: publishes the same rendered images on several topics, as it is told to.

`python -m benchmarks.camera HEIGHTxWIDTH TOPIC...` makes the publishers, reports 'ready', and
obeys lines of JSON on standard input, each a :class:`Stream`; after each it reports 'sent', with
the steady time at which it began and the seconds it took. :class:`Cameras` is its remote control.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from frm_perception.cli.arguments import image_size
from frm_perception.ros.children import Child
from frm_perception.ros.children import Children
from frm_perception.ros.children import report
from frm_perception.ros.image_messages import rgb8_message
from frm_perception.scenes import RenderedDrive

_IMAGES = 8
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Stream:
    """
    Images at a steady rate.

    :param topics: each of them gets its share of the images, in turn.
    :param rate: images a second, of all topics together.
    :param count: of images, of all topics together.
    """

    topics: Sequence[str]
    rate: float
    count: int


class Cameras:
    """
    The process of cameras, seen from its parent.

    :param size: (height, width) of the images.
    :param topics: on all of which it can publish.
    """

    def __init__(self, children: Children, size: tuple[int, int], topics: Sequence[str]) -> None:
        self._child: Child = children.start(
            'cameras', __name__, [f'{size[0]}x{size[1]}', *topics], os.environ)

    def ready(self) -> None:
        """Wait until the images are rendered and every topic has somebody who listens."""
        self._child.expect('ready', _START_SECONDS)

    def begin(self, stream: Stream) -> None:
        """Let it publish."""
        self._child.tell(json.dumps(asdict(stream)))

    def end(self, stream: Stream) -> dict[str, Any]:
        """Wait until all is published; return when it `began`, and the `seconds` it took."""
        return self._child.expect('sent', 3 * stream.count / stream.rate + 30.0)


def _messages(height: int, width: int) -> list[Image]:
    drive = RenderedDrive(0, height, width, _IMAGES)
    return [rgb8_message(Header(frame_id='camera'), drive[index].image)
            for index in range(_IMAGES)]


def _publish(stream: Stream, publishers: dict[str, Publisher], messages: list[Image]) -> None:
    began = time.monotonic()
    for index in range(stream.count):
        message = messages[index // len(stream.topics) % len(messages)]
        time.sleep(max(began + index / stream.rate - time.monotonic(), 0.0))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publishers[stream.topics[index % len(stream.topics)]].publish(message)
    time.sleep(max(began + stream.count / stream.rate - time.monotonic(), 0.0))
    report('sent', began=began, seconds=time.monotonic() - began)


def main(arguments: Sequence[str]) -> None:
    """Run until the end of standard input."""
    size, *topics = arguments
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('cameras')
    try:
        # Reliable, as nodes with the quality of service of ROS itself ask for.
        publishers = {topic: node.create_publisher(Image, topic, 10) for topic in topics}
        messages = _messages(*image_size(size))
        while not all(publisher.get_subscription_count() for publisher in publishers.values()):
            time.sleep(0.05)
        report('ready')
        for line in sys.stdin:
            _publish(Stream(**json.loads(line)), publishers, messages)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main(sys.argv[1:])
