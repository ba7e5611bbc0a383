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
"""Which topics of a recording can be published here, and how."""

from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geometry_msgs.msg
import sensor_msgs.msg
import std_msgs.msg
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.validate_topic_name import validate_topic_name

from frm_perception.media.bag_reader import Recording
from frm_perception.media.bag_storage import RecordedTopic
from frm_perception.ros.qos import latched

try:
    import nav_msgs.msg
    import tf2_msgs.msg
except ImportError:  # the wheels of ROS do not bring them
    _MORE: dict[str, Any] = {}
else:
    _MORE = {'nav_msgs': nav_msgs.msg, 'tf2_msgs': tf2_msgs.msg}

_PACKAGES = {'geometry_msgs': geometry_msgs.msg, 'sensor_msgs': sensor_msgs.msg,
             'std_msgs': std_msgs.msg, **_MORE}
_DEPTH = 10


@dataclass(frozen=True)
class Outlet:
    """
    A topic of a recording and its publisher.

    :param topic: its name in the recording.
    """

    topic: str
    publisher: Publisher

    @property
    def name(self) -> str:
        """Resolved name of the topic that is published."""
        return str(self.publisher.topic_name)


@dataclass(frozen=True)
class Choice:
    """
    What of a recording is played.

    :param kinds: topic -> class of its messages.
    :param names: topic -> name under which it is played.
    :param left_out: topic -> why it is not played, of those that were not asked for by name.
    """

    kinds: Mapping[str, type[Any]]
    names: Mapping[str, str]
    left_out: Mapping[str, str]


def choose(recording: Recording, asked: Collection[str], names: Mapping[str, str]) -> Choice:
    """
    Choose what is played: the topics asked for, or all that can be.

    What a segmenter published when the recording was made is played only where it is asked for.

    :param names: topic -> another name to play it under.
    :raises MediaError: a topic that the recording does not have.
    :raises ValueError: a topic that is asked for cannot be published; the message says why.
    """
    kinds, played_as, left_out = {}, {}, {}
    for topic in map(recording.topic, asked) if asked else recording.topics:
        try:
            if topic.name in recording.output_topics and not asked:
                raise ValueError('a segmenter published it')
            name = names.get(topic.name, topic.name)
            require_topic_name(name)
            kinds[topic.name], played_as[topic.name] = _message_class(topic, recording), name
        except ValueError as error:
            if asked or topic.name in names:
                raise ValueError(f'{topic.name} cannot be played: {error}') from error
            left_out[topic.name] = str(error)
    return Choice(kinds, played_as, left_out)


def create_outlet(node: Node, topic: RecordedTopic, kind: type[Any], name: str) -> Outlet:
    """
    Create the publisher of a topic.

    What was latched is so again. All is reliable: subscriptions that ask for best effort, as those
    of cameras do, get it as cheaply, and those that ask for more get it at all.

    :param name: under which it is played.
    """
    profile = latched() if topic.latched else QoSProfile(depth=_DEPTH)
    return Outlet(topic.name, node.create_publisher(kind, name, profile))


def require_topic_name(name: str) -> None:
    """
    Refuse a name that no topic can have.

    :raises ValueError: what is wrong with it.
    """
    try:
        validate_topic_name(name)
    except NameValidationException as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'{name!r} is no name of a topic in ROS: {reason}') from error


def _message_class(topic: RecordedTopic, recording: Recording) -> type[Any]:
    """
    Return the class of a topic's messages.

    :raises ValueError: it is not installed, or is another one than that of the recording.
    """
    package, _, message = topic.type.partition('/msg/')
    found = getattr(_PACKAGES.get(package), message, None)
    if not isinstance(found, type):
        raise ValueError(f'its type {topic.type} is not one of the installed ones of '
                         f'{", ".join(_PACKAGES)}')
    # Bytes of another definition would be taken for something else by those that receive them.
    # Without a distribution that is sourced, ROS comes from the wheels of Jazzy.
    if not recording.is_type_of(topic.type, os.environ.get('ROS_DISTRO', 'jazzy')):
        raise ValueError(f'its type {topic.type} was defined differently when it was recorded')
    return found
