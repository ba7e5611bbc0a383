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
"""The quality of service of the node's topics, and what of it users may override."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import HistoryPolicy
from rclpy.qos import QoSPolicyKind
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.qos import qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo

PREFIX = 'qos_overrides'
"""Parameters that override a policy have names like PREFIX.TOPIC.SIDE.POLICY."""
OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
               QoSPolicyKind.DURABILITY)
"""What `qos_overrides` may change of every topic that the node itself has."""

_WORDS = {'history': HistoryPolicy, 'reliability': ReliabilityPolicy,
          'durability': DurabilityPolicy}


# Functions and no constants: rclpy writes overrides into the profile that it is given.
def newest(reliability: ReliabilityPolicy) -> QoSProfile:
    """Return the profile of what each frame brings anew."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability,
        durability=DurabilityPolicy.VOLATILE)


def latched() -> QoSProfile:
    """Return the profile of what is published once, for whoever subscribes later as well."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL)


def report() -> QoSProfile:
    """Return the profile of what the node says of itself each second."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE)


def overridable() -> QoSOverridingOptions:
    """Let users override every policy of :data:`OVERRIDABLE`."""
    return QoSOverridingOptions(OVERRIDABLE)


def overridable_latched() -> QoSOverridingOptions:
    """Let users override the same, but for what keeps a message from later subscribers."""
    return QoSOverridingOptions(OVERRIDABLE, callback=_still_latched)


def override_names(topic: str, side: str) -> set[str]:
    """
    Return the names of the parameters that override the policies of a topic.

    :param topic: resolved name.
    :param side: `publisher` or `subscription`.
    """
    return {f'{PREFIX}.{topic}.{side}.{kind.name.lower()}' for kind in OVERRIDABLE}


def override_problem(name: str, value: Any) -> str:
    """
    Return why a parameter cannot have this value as an override of a policy, or empty text.

    rclpy finds that out when the topic is made, and says neither of which, nor what is possible.
    """
    policy = name.rpartition('.')[2]
    if not name.startswith(f'{PREFIX}.') or policy not in (*_WORDS, 'depth'):
        return ''
    if policy == 'depth':
        possible = 'a number of messages from 0'
        is_possible = type(value) is int and value >= 0
    else:
        words = [word for word in _WORDS[policy].short_keys() if word != 'unknown']
        possible, is_possible = ', '.join(words), str(value).lower() in words
    return '' if is_possible else f'parameter {name} cannot be {value!r}; possible: {possible}'


def words_of(qos: QoSProfile) -> str:
    """Return what of a quality of service other nodes are told, in words."""
    return ', '.join(policy.name.lower().replace('_', ' ')
                     for policy in (qos.reliability, qos.durability))


def described(endpoints: Sequence[TopicEndpointInfo]) -> str:
    """Return the nodes that have these ends of a topic, each with its quality of service."""
    return ', '.join(sorted(
        f'{info.node_namespace.rstrip("/")}/{info.node_name} ({words_of(info.qos_profile)})'
        for info in endpoints))


def remedy(node: Node, topic: str, side: str, event: Any) -> str:
    """
    Return what to do about the other side of a topic, whose quality of service does not fit.

    :param topic: resolved name.
    :param side: `publisher` or `subscription`, of this node.
    :param event: of rclpy, about the other side.
    """
    policy = qos_policy_name_from_kind(event.last_policy_kind)
    who, does, other = (
        ('publisher', 'offers less than this node asks for', 'offers') if side == 'subscription'
        else ('subscription', 'asks for more than this node offers', 'asks for'))
    return (f'a {who} of {topic} {does} ({policy}); no message will get through. Remedy: start '
            f'{node.get_fully_qualified_name()} with the parameter {PREFIX}.{topic}.{side}.'
            f'{policy.lower()} set to what the {who} {other}, or change the {who}')


def _still_latched(profile: QoSProfile) -> SetParametersResult:
    wanted = latched()
    kept = (profile.durability, profile.reliability) == (wanted.durability, wanted.reliability)
    return SetParametersResult(
        successful=kept,
        reason='' if kept else 'it is published once; only reliable and transient_local bring it '
                               'to those who subscribe later')
