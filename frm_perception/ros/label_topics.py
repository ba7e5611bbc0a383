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
What labels mean, for whoever subscribes at any time: `legend`, `label_info` and `vision_info`.

Nav2's semantic layer reads `vision_msgs/LabelInfo`. `vision_msgs/VisionInfo` leads to the legend,
which has what the former lacks: colours, and what is drivable. vision_msgs is optional, and what
concerns it is untested where it is missing: PyPI has no wheel of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import String

from frm_perception.labels import LabelSpace
from frm_perception.media.legend import legend_text
from frm_perception.ros.qos import latched
from frm_perception.ros.qos import overridable_latched


def has_vision_msgs() -> bool:
    """Return whether `label_info` and `vision_info` can be published."""
    try:
        import vision_msgs.msg  # noqa: F401
    except ImportError:
        return False
    return True


class LabelTopics:
    """
    The latched topics of one camera.

    :param node: creates the publishers; they exist until :meth:`close`.
    :param prefix: of the topics.
    """

    def __init__(self, node: Node, prefix: str) -> None:
        self._node = node
        self._legend_topic = node.resolve_topic_name(f'{prefix}/legend')
        self._version = 0
        self._legend = self._publisher(String, f'{prefix}/legend')
        self._vision: tuple[Publisher, Publisher] | None = None
        if has_vision_msgs():
            from vision_msgs.msg import LabelInfo
            from vision_msgs.msg import VisionInfo
            self._vision = (self._publisher(LabelInfo, f'{prefix}/label_info'),
                            self._publisher(VisionInfo, f'{prefix}/vision_info'))

    def announce(self, space: LabelSpace, drivable: Sequence[str], model: str) -> None:
        """
        Publish what the labels mean, anew where that changed.

        :param drivable: names of the classes that count as drivable; empty: the space's own.
        :param model: name of the model whose labels they are.
        """
        self._legend.publish(String(data=legend_text(space, drivable)))
        if self._vision is not None:
            self._announce_vision(space, model, *self._vision)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._legend, *(self._vision or ())):
            self._node.destroy_publisher(publisher)

    def _announce_vision(self, space: LabelSpace, model: str, label_info: Publisher,
                         vision_info: Publisher) -> None:
        from vision_msgs.msg import LabelInfo
        from vision_msgs.msg import VisionClass
        from vision_msgs.msg import VisionInfo
        self._version += 1
        labels = LabelInfo(class_map=[
            VisionClass(class_id=index, class_name=name)
            for index, name in enumerate(space.classes)])
        vision = VisionInfo(
            method=f'frm_perception {model}', database_location=self._legend_topic,
            database_version=self._version)
        labels.header.stamp = vision.header.stamp = self._node.get_clock().now().to_msg()
        label_info.publish(labels)
        vision_info.publish(vision)

    def _publisher(self, message_type: type[object], topic: str) -> Publisher:
        return self._node.create_publisher(
            message_type, topic, latched(), qos_overriding_options=overridable_latched())
