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
`vision_msgs/LabelInfo`: tells consumers such as Nav2's semantic layer what label values mean.

vision_msgs is optional, and this module is untested where it is missing: PyPI has no wheel of it.
"""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

from frm_perception.labels import LabelSpace
from frm_perception.ros.qos import latched
from frm_perception.ros.qos import overridable_latched


def create_label_info_publisher(node: Node, topic: str) -> Publisher | None:
    """Return a publisher whose latest message latecomers get as well; None without vision_msgs."""
    try:
        from vision_msgs.msg import LabelInfo
    except ImportError:
        return None
    return node.create_publisher(
        LabelInfo, topic, latched(), qos_overriding_options=overridable_latched())


def label_info(node: Node, space: LabelSpace) -> Any:
    """Return the classes as a `vision_msgs/LabelInfo`."""
    from vision_msgs.msg import LabelInfo
    from vision_msgs.msg import VisionClass
    message: Any = LabelInfo()
    message.header.stamp = node.get_clock().now().to_msg()
    message.class_map = [
        VisionClass(class_id=index, class_name=name) for index, name in enumerate(space.classes)]
    return message
