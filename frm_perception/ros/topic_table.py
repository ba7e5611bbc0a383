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
Every topic of the node as users see it, C standing for a camera; a test asks a running node.

rclpy's own topics are not among them.
"""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import String

from frm_perception.ros.camera_topics import OUTPUTS
from frm_perception.runtime.pixels import CHANNELS


class Topic(NamedTuple):
    """
    A topic of the node.

    :param direction: `in`, `out`, or `out, lazy` where it is computed for subscribers only.
    :param name: relative to the node's namespace.
    :param kind: type of its messages: a class, or the name of one that need not be installed.
    :param meaning: what it brings, and its quality of service, as Markdown.
    :param encoding: of an image, where there is one alone.
    """

    direction: str
    name: str
    kind: Any
    meaning: str
    encoding: str = ''

    @property
    def type_name(self) -> str:
        """Return the type as `PACKAGE/NAME`."""
        if isinstance(self.kind, str):
            return self.kind
        return f'{self.kind.__module__.partition(".")[0]}/{self.kind.__name__}'


def _output(direction: str, name: str, meaning: str, encoding: str = '') -> Topic:
    return Topic(direction, f'C/segmentation/{name}', OUTPUTS[name], meaning, encoding)


TOPICS = (
    Topic('in', 'C/image_raw', Image,
          f'best effort, depth 1; {" ".join(f"`{name}`" for name in CHANNELS)} directly, others '
          'through cv_bridge'),
    Topic('in', 'C/image_raw/compressed', CompressedImage,
          'instead, with `transport: compressed`, or `auto` where only this is published'),
    _output('out', 'label', 'class id of every pixel, 255 = unlabelled; reliable, depth 1',
            'mono8'),
    _output('out', 'drivable', '255 = drivable, 0 = not; reliable, depth 1', 'mono8'),
    _output('out, lazy', 'confidence',
            '255 times the softmax probability of the label; reliable, depth 1', 'mono8'),
    _output('out, lazy', 'overlay', 'the image under its labels, the drivable area in green; '
            'reliable, depth 1', 'rgb8'),
    _output('out, lazy', 'label/compressed',
            'the label image as PNG, without loss; reliable, depth 1'),
    Topic('in', 'C/camera_info', CameraInfo, 'optional, best effort, depth 1'),
    _output('out', 'camera_info',
            "the camera's, scaled to the label image, where `C/camera_info` is published"),
    Topic('out', 'C/segmentation/label_info', 'vision_msgs/LabelInfo',
          'class names, latched; where vision_msgs is installed'),
    Topic('out', 'C/segmentation/vision_info', 'vision_msgs/VisionInfo',
          'name of the model and of the topic of the legend, latched; where vision_msgs is '
          'installed'),
    Topic('out', 'C/segmentation/legend', String,
          'JSON, latched: id, name, colour and `drivable` of every class'),
    Topic('out', '/diagnostics', DiagnosticArray,
          'once a second: for each camera rates, what became of every image, and p50, p95 and p99 '
          'of age, latency and each stage; for the engine what runs, on what, in which precision, '
          'and memory'),
    Topic('out', '~/metrics', String,
          'the same numbers once a second as JSON, for programs: '
          '[docs/metrics.md](docs/metrics.md)'),
)


def topics_table() -> str:
    """Return the topics as Markdown, as README.md has them."""
    rows = ['| direction | topic | type | meaning |', '| --- | --- | --- | --- |']
    for topic in TOPICS:
        encoding = f' `{topic.encoding}`' if topic.encoding else ''
        rows.append(f'| {topic.direction} | `{topic.name}` | `{topic.type_name}`{encoding} '
                    f'| {topic.meaning} |')
    return '\n'.join(rows)
