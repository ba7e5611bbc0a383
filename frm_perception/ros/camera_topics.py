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
"""Publishers and subscriptions of one camera, their QoS, and what to say where they mismatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecyclePublisher
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy
from rclpy.qos import HistoryPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.qos import qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from frm_perception.labels import LabelSpace
from frm_perception.ros.label_info import publish_label_info

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

OUTPUTS = ('label', 'drivable')

Message = Any
"""`sensor_msgs/Image` or `sensor_msgs/CompressedImage`."""

_TRANSPORTS: dict[str, tuple[type[Message], str]] = {
    'raw': (Image, 'image_raw'),
    'compressed': (CompressedImage, 'image_raw/compressed'),
}


def _depth_one(reliability: ReliabilityPolicy) -> QoSProfile:
    """Return a new profile each time: overrides are written into it."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability,
        durability=DurabilityPolicy.VOLATILE)


class CameraTopics:
    """
    One camera's side of the node: outputs from configure to cleanup, the input while active.

    :param node: creates and owns the entities.
    :param camera: prefix of the topics.
    :param transport: `raw` or `compressed`.
    """

    def __init__(self, node: LifecycleNode, camera: str, transport: str) -> None:
        self._node = node
        self._message_type, suffix = _TRANSPORTS[transport]
        self._name = f'{camera}/{suffix}'
        self._subscription: Subscription | None = None
        self._outputs = f'{camera}/segmentation'
        self._publishers: dict[str, LifecyclePublisher] = {}
        self._label_info: Publisher | None = None
        self.input = node.resolve_topic_name(self._name)

    def open(self, space: LabelSpace) -> None:
        """Create the outputs; publish the label space, latched, where vision_msgs is there."""
        for output in OUTPUTS:
            self._publishers[output] = self._node.create_lifecycle_publisher(
                Image, f'{self._outputs}/{output}', _depth_one(ReliabilityPolicy.RELIABLE),
                qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._label_info = publish_label_info(
            self._node, f'{self._outputs}/label_info', space)

    @property
    def announces_labels(self) -> bool:
        """Whether the label space could be published."""
        return self._label_info is not None

    def publish(self, output: str, message: Image) -> None:
        """Publish one of :data:`OUTPUTS`."""
        self._publishers[output].publish(message)

    def subscribe(self, callback: Callable[[Message], None]) -> None:
        """Begin to take frames; `callback` runs on the executor's thread."""
        self._subscription = self._node.create_subscription(
            self._message_type, self._name, callback, _depth_one(ReliabilityPolicy.BEST_EFFORT),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def unsubscribe(self) -> None:
        """Stop taking frames."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def close(self) -> None:
        """Destroy every entity, also where :meth:`open` did not come to its end."""
        self.unsubscribe()
        if self._label_info is not None:
            self._node.destroy_publisher(self._label_info)
            self._label_info = None
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def describe_publishers(self) -> str:
        """Say who publishes the input, for somebody who wonders why nothing comes."""
        publishers = self._node.get_publishers_info_by_topic(self.input)
        if not publishers:
            return ('nobody publishes it: check the camera driver, the parameter cameras, the '
                    'namespace and the remappings')
        ours = f'sensor_msgs/msg/{self._message_type.__name__}'
        others = {info.topic_type for info in publishers} - {ours}
        if others:
            return (f'it is published as {", ".join(sorted(others))}, but the parameter transport '
                    f'asks for {ours}')
        return (f'it has {len(publishers)} publisher(s), which send nothing, or images that the '
                'DDS loses on the way (see config/fastdds_shm.xml for FastDDS)')

    def _on_incompatible_qos(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f'a publisher of {self.input} offers less than this node asks for ({policy}); no '
            f'image of it will arrive. Remedy: start this node with the parameter qos_overrides.'
            f'{self.input}.subscription.{policy.lower()} set to what the publisher offers, or '
            'change the publisher')
