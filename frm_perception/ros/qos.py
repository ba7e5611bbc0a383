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

OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
               QoSPolicyKind.DURABILITY)
"""What `qos_overrides` may change of every topic that the node itself has."""


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
            f'{node.get_fully_qualified_name()} with the parameter qos_overrides.{topic}.{side}.'
            f'{policy.lower()} set to what the {who} {other}, or change the {who}')


def _still_latched(profile: QoSProfile) -> SetParametersResult:
    wanted = latched()
    kept = (profile.durability, profile.reliability) == (wanted.durability, wanted.reliability)
    return SetParametersResult(
        successful=kept,
        reason='' if kept else 'it is published once; only reliable and transient_local bring it '
                               'to those who subscribe later')
