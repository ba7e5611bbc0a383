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
"""The demo's camera: publishes frames at a steady rate, each stamped at the moment it is sent."""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from frm_perception.media.files import MediaError
from frm_perception.media.frames import Frame
from frm_perception.ros.children import report
from frm_perception.ros.demo.source import Source

TOPIC = 'camera/image_raw'
FRAME_ID = 'camera'


def main(arguments: list[str]) -> None:
    """
    Publish a source's frames; reports 'ready' when somebody listens, 'sent' and 'done'.

    Of a recording that turns out to be damaged it reports 'unreadable' with the reason, and ends.
    Begins at the first line of standard input and stays until the end of it: a publisher that
    goes takes with it what has not been read.
    """
    source = Source.parse(arguments)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('camera')
    try:
        _publish(node, source)
    except MediaError as error:
        report('unreadable', reason=str(error))
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _publish(node: Node, source: Source) -> None:
    publisher = node.create_publisher(Image, TOPIC, qos_profile_sensor_data)
    report('started')
    while publisher.get_subscription_count() == 0:
        time.sleep(0.01)
    report('ready')
    sys.stdin.readline()
    start = time.monotonic()
    for index, frame in enumerate(source):
        message = _message(frame)
        time.sleep(max(start + index / source.rate - time.monotonic(), 0.0))
        stamp = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        publisher.publish(message)
        report('sent', stamp=stamp)
    report('done', seconds=time.monotonic() - start)
    sys.stdin.readline()


def _message(frame: Frame) -> Image:
    height, width, _ = frame.image.shape
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = FRAME_ID
    # The message would check every single byte of any other type than its own.
    data = array.array('B')
    data.frombytes(frame.image.tobytes())
    message.data = data
    return message


if __name__ == '__main__':
    main(sys.argv[1:])
