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
"""The demo's recorder: keeps the segmenter's answers and when they came."""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from frm_perception.ros.children import report
from frm_perception.ros.image_messages import check_image
from frm_perception.ros.image_messages import read_image

LABEL_TOPIC = 'camera/segmentation/label'
DRIVABLE_TOPIC = 'camera/segmentation/drivable'
ANSWER_PIXEL_BYTES = 2
"""What the recorder writes for a pixel of an answered image: label and drivable mask."""

_QOS = QoSProfile(depth=10)


class Recorder(Node):
    """
    Pairs label image and drivable mask by their stamps and writes each pair to a file.

    Reports 'answer' with the stamp and the milliseconds from there to the later of the two.

    :param folder: where the pairs go; see :func:`read_answer`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__('recorder')
        self._folder = folder
        self._waiting: dict[str, dict[int, NDArray[np.uint8]]] = {
            LABEL_TOPIC: {}, DRIVABLE_TOPIC: {}}
        self.create_subscription(
            Image, LABEL_TOPIC, lambda message: self._receive(LABEL_TOPIC, message), _QOS)
        self.create_subscription(
            Image, DRIVABLE_TOPIC, lambda message: self._receive(DRIVABLE_TOPIC, message), _QOS)

    def sees_segmenter(self) -> bool:
        """Tell whether both topics have a publisher."""
        return all(self.count_publishers(topic) for topic in self._waiting)

    def _receive(self, topic: str, message: Image) -> None:
        now = time.time_ns()
        check_image(message)
        if message.encoding != 'mono8':
            raise ValueError(f'{topic} has encoding {message.encoding!r}, not mono8')
        pixels, _ = read_image(message)
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self._waiting[topic][stamp] = pixels
        if all(stamp in waiting for waiting in self._waiting.values()):
            label, drivable = (waiting.pop(stamp) for waiting in self._waiting.values())
            np.save(_answer_file(self._folder, stamp), np.stack([label, drivable]))
            report('answer', stamp=stamp, latency_ms=(now - stamp) / 1e6)


def read_answer(folder: Path, stamp: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the label image and the drivable mask, (H, W) uint8 each, that have this stamp."""
    label, drivable = np.load(_answer_file(folder, stamp))
    return label, drivable


def main(arguments: list[str]) -> None:
    """Record into a folder until the end of standard input; reports 'ready' and each 'answer'."""
    folder, = arguments
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    recorder = Recorder(Path(folder))
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    try:
        while not recorder.sees_segmenter():
            executor.spin_once(timeout_sec=0.02)
        report('ready')
        while not select.select([sys.stdin], [], [], 0)[0]:
            executor.spin_once(timeout_sec=0.1)
    finally:
        recorder.destroy_node()
        rclpy.try_shutdown()


def _answer_file(folder: Path, stamp: int) -> Path:
    return folder / f'{stamp}.npy'


if __name__ == '__main__':
    main(sys.argv[1:])
