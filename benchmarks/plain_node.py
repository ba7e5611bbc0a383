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
A segmentation node as one writes it first: rclpy, cv_bridge and ONNX Runtime, all in the callback.

It answers every image it is given, with a label image and a mask of what is drivable, as the node
of this package does, from the same network with the normalisation taken out of its file.

`enlarged` says what is brought to the size of the image: the `logits`, as the post-processing of
the usual training libraries does and the node of this package too, or the `labels`, a short cut
that leaves edges in steps of several pixels.
"""

from __future__ import annotations

import time

import cv2
import numpy as np
import onnxruntime
import rclpy
from cv_bridge import CvBridge
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image

from frm_perception.ros.children import report


class PlainNode(Node):
    """Images in, labels and mask out; reports 'inference' with the time that each took."""

    def __init__(self) -> None:
        super().__init__('plain')
        self.bridge = CvBridge()
        self.height, self.width = self.declare_parameter('resolution', [0, 0]).value
        self.mean = np.array(self.declare_parameter('mean', [0.0]).value, np.float32)
        self.scale = np.array(self.declare_parameter('scale', [0.0]).value, np.float32)
        self.drivable = self.declare_parameter('drivable', [0]).value
        self.enlarged = self.declare_parameter('enlarged', 'logits').value
        self.session = onnxruntime.InferenceSession(
            self.declare_parameter('model', '').value, providers=['CPUExecutionProvider'])
        self.input_name = self.session.get_inputs()[0].name
        self.label_publisher = self.create_publisher(Image, 'segmentation/label', 10)
        self.drivable_publisher = self.create_publisher(Image, 'segmentation/drivable', 10)
        self.create_subscription(Image, 'image_raw', self.callback, 10)

    def callback(self, message: Image) -> None:
        """Answer an image."""
        image = self.bridge.imgmsg_to_cv2(message, 'rgb8')
        image = cv2.resize(image, (self.width, self.height))
        tensor = (image.astype(np.float32) - self.mean) * self.scale
        tensor = tensor.transpose(2, 0, 1)[np.newaxis]
        begin = time.perf_counter()
        logits = self.session.run(None, {self.input_name: tensor})[0]
        report('inference', ms=(time.perf_counter() - begin) * 1e3)
        size = message.width, message.height
        if self.enlarged == 'logits':
            logits = cv2.resize(logits[0].transpose(1, 2, 0), size)
            labels = np.argmax(logits, axis=2).astype(np.uint8)
        else:
            labels = np.argmax(logits[0], axis=0).astype(np.uint8)
            labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        drivable = np.where(np.isin(labels, self.drivable), 255, 0).astype(np.uint8)
        for publisher, mask in ((self.label_publisher, labels),
                                (self.drivable_publisher, drivable)):
            answer = self.bridge.cv2_to_imgmsg(mask, 'mono8')
            answer.header = message.header
            publisher.publish(answer)


def main() -> None:
    """Run the node until a signal ends it."""
    rclpy.init()
    try:
        rclpy.spin(PlainNode())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == '__main__':
    main()
