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
from collections.abc import Sequence
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecyclePublisher
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from frm_perception.labels import LabelSpace
from frm_perception.ros.label_topics import LabelTopics
from frm_perception.ros.qos import described
from frm_perception.ros.qos import newest
from frm_perception.ros.qos import overridable
from frm_perception.ros.qos import remedy
from frm_perception.ros.qos import words_of
from frm_perception.runtime.shared_memory import others_with_segments

try:
    from rclpy.event_handler import PublisherEventCallbacks
    from rclpy.event_handler import SubscriptionEventCallbacks
    from rclpy.event_handler import UnsupportedEventTypeError
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import PublisherEventCallbacks
    from rclpy.qos_event import SubscriptionEventCallbacks
    from rclpy.qos_event import UnsupportedEventTypeError

OUTPUTS = {
    'label': Image, 'drivable': Image, 'confidence': Image, 'overlay': Image,
    'label/compressed': CompressedImage, 'camera_info': CameraInfo,
}
"""What is published of every answered frame below `<camera>/segmentation`, and its type."""

Message = Any
"""`sensor_msgs/Image`, `sensor_msgs/CompressedImage` or `sensor_msgs/CameraInfo`."""

_TRANSPORTS: dict[str, tuple[type[Message], str]] = {
    'raw': (Image, 'image_raw'),
    'compressed': (CompressedImage, 'image_raw/compressed'),
}


class CameraTopics:
    """
    One camera's side of the node: outputs from configure to cleanup, the inputs while active.

    :param node: creates and owns the entities.
    :param camera: prefix of the topics.
    :param transport: `raw` or `compressed`; `auto` takes what is published, and if both are, raw.
    """

    def __init__(self, node: LifecycleNode, camera: str, transport: str) -> None:
        self._node = node
        self._camera = camera
        self._follows = transport == 'auto'
        self.transport = 'raw' if self._follows else transport
        """What is taken now."""
        self._callback: Callable[[Message], None] | None = None
        self._images: Subscription | None = None
        self._infos: Subscription | None = None
        self._outputs = f'{camera}/segmentation'
        self._publishers: dict[str, LifecyclePublisher] = {}
        self._labels: LabelTopics | None = None
        self._info_name = f'{camera}/camera_info'
        self._inputs = {transport: node.resolve_topic_name(f'{camera}/{suffix}')
                        for transport, (_, suffix) in _TRANSPORTS.items()}
        self.info_input = node.resolve_topic_name(self._info_name)
        self.camera_info: CameraInfo | None = None
        """The newest since activation. The executor's thread writes, the worker's reads."""
        self.lost: int | None = 0
        """
        Images that the middleware says never came; None where it cannot tell.

        FastDDS does not count those that a newer one replaced before this process took them.
        """

    def open(self) -> None:
        """Create the outputs."""
        for output, message_type in OUTPUTS.items():
            topic = f'{self._outputs}/{output}'
            self._publishers[output] = self._node.create_lifecycle_publisher(
                message_type, topic, newest(ReliabilityPolicy.RELIABLE),
                event_callbacks=PublisherEventCallbacks(incompatible_qos=partial(
                    self._on_incompatible_qos, self._node.resolve_topic_name(topic), 'publisher')),
                qos_overriding_options=overridable())
        self._labels = LabelTopics(self._node, self._outputs)

    def announce(self, space: LabelSpace, drivable: Sequence[str], model: str) -> None:
        """Publish, latched, what the labels mean; see :meth:`LabelTopics.announce`."""
        assert self._labels is not None, 'open() makes the publishers'
        self._labels.announce(space, drivable, model)

    def wanted(self) -> frozenset[str]:
        """Return those of :data:`OUTPUTS` that somebody has subscribed to."""
        return frozenset(output for output, publisher in self._publishers.items()
                         if publisher.get_subscription_count())

    def publish(self, output: str, message: Message) -> None:
        """Publish one of :data:`OUTPUTS`."""
        self._publishers[output].publish(message)

    @property
    def input(self) -> str:
        """Resolved name of the topic that images are taken from now."""
        return self._inputs[self.transport]

    @property
    def possible_inputs(self) -> Sequence[str]:
        """Resolved names of the topics that images may be taken from."""
        return tuple(self._inputs.values()) if self._follows else (self.input,)

    def subscribe(self, callback: Callable[[Message], None]) -> None:
        """Begin to take frames and camera infos; `callback` runs on the executor's thread."""
        self._callback = callback
        self._infos = self._subscription(
            CameraInfo, self._info_name, self._take_camera_info, self.info_input)
        self.transport = self._published()
        self._subscribe_images()

    def follow_publishers(self) -> bool:
        """
        Take images of the other transport, where that is published now and to be preferred.

        :return: whether :attr:`transport` changed. Images of the other one may still be on their
            way through the node.
        """
        published = self._published()
        if self._images is None or published == self.transport:
            return False
        self._node.destroy_subscription(self._images)
        self.transport = published
        self._subscribe_images()
        return True

    def _published(self) -> str:
        """Return the transport to take: while nobody publishes any, the one as it is."""
        if self._follows:
            for transport, topic in self._inputs.items():
                if self._node.count_publishers(topic):
                    return transport
        return self.transport

    def _subscribe_images(self) -> None:
        assert self._callback is not None, 'subscribe() has said who takes images'
        message_type, suffix = _TRANSPORTS[self.transport]
        images = message_type, f'{self._camera}/{suffix}', self._callback, self.input
        try:
            self._images = self._subscription(*images, self._on_message_lost)
        except UnsupportedEventTypeError:
            self.lost = None
            self._images = self._subscription(*images)

    def _subscription(self, message_type: type[Message], name: str,
                      callback: Callable[[Message], None], topic: str,
                      message_lost: Callable[[Any], None] | None = None) -> Subscription:
        return self._node.create_subscription(
            message_type, name, callback, newest(ReliabilityPolicy.BEST_EFFORT),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=partial(self._on_incompatible_qos, topic, 'subscription'),
                message_lost=message_lost),
            qos_overriding_options=overridable())

    def unsubscribe(self) -> None:
        """Stop taking frames, and forget the camera info: it may change meanwhile."""
        for subscription in (self._images, self._infos):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._images = self._infos = None
        self.camera_info = None

    def close(self) -> None:
        """Destroy every entity, also where :meth:`open` did not come to its end."""
        self.unsubscribe()
        if self._labels is not None:
            self._labels.close()
            self._labels = None
        for output in self._publishers.values():
            self._node.destroy_lifecycle_publisher(output)
        self._publishers.clear()

    def describe_publishers(self) -> str:
        """Say who publishes the input, for somebody who wonders why nothing comes."""
        publishers = self._node.get_publishers_info_by_topic(self.input)
        if not publishers:
            other = f', nor {self._inputs["compressed"]}' if self._follows else ''
            return (f'nobody publishes it{other}: check the camera driver, the parameter cameras, '
                    'the namespace and the remappings')
        ours = f'sensor_msgs/msg/{_TRANSPORTS[self.transport][0].__name__}'
        others = [info for info in publishers if info.topic_type != ours]
        if others:
            return (f'it is published as {", ".join(sorted({info.topic_type for info in others}))}'
                    f' by {described(others)}, but transport {self.transport} takes {ours}')
        taken = '' if self._images is None else words_of(self._images.qos_profile)
        users = ', '.join(others_with_segments())
        apart = f', or run as {users}, with whom Fast DDS shares no memory' if users else ''
        return (f'it has {len(publishers)} publisher(s): {described(publishers)}. This node takes '
                f'{taken}. They send nothing, or offer less than that{apart}, or the DDS loses '
                'the images on the way (see config/fastdds_shm.xml for FastDDS)')

    def _take_camera_info(self, message: CameraInfo) -> None:
        self.camera_info = message

    def _on_message_lost(self, event: Any) -> None:
        assert self.lost is not None, 'only a middleware that can tell sends this event'
        self.lost += event.total_count_change

    def _on_incompatible_qos(self, topic: str, side: str, event: Any) -> None:
        self._node.get_logger().warning(remedy(self._node, topic, side, event))
