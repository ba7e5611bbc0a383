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
"""The bond with a lifecycle manager such as Nav2's, which shows it that this process lives."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

TOPIC = 'bond'
HEARTBEAT_S = 0.25
"""As Nav2's own nodes: often enough for a manager whose `bond_timeout` is short."""


def load_bondpy() -> Any:
    """
    Return bondpy's module; the package is optional.

    :raises RuntimeError: it cannot be imported.
    """
    try:
        from bondpy import bondpy
    except ImportError as error:
        raise RuntimeError(
            f'the parameter bond is true, which needs the package bondpy ({error}): install '
            'ros-$ROS_DISTRO-bondpy (from Jazzy on), or set bond to false and bond_timeout of the '
            'lifecycle manager to 0.0') from error
    return bondpy


class ManagerBond:
    """
    Heartbeats of an active node, from now until :meth:`close`, as Nav2's own nodes send them.

    A manager takes their absence for the node's death. Whether there is a manager is nothing to
    the node: it goes on without one.

    :raises RuntimeError: bondpy cannot be imported.
    """

    def __init__(self, node: Node) -> None:
        bondpy = load_bondpy()
        self._node = node
        self._parameter = bondpy.Constants.DISABLE_HEARTBEAT_TIMEOUT_PARAM
        self._bond = bondpy.Bond(node, TOPIC, node.get_name())
        self._bond.heartbeat_period = HEARTBEAT_S
        self._bond.start()

    def close(self) -> None:
        """Tell the manager that it ends on purpose."""
        self._bond.shutdown()
        # bondpy destroys these, but leaves them on the node's lists ...
        self._node.destroy_subscription(self._bond.sub)
        self._node.destroy_publisher(self._bond.pub)
        # ... and declares a parameter when it misses a manager, which fails if it is there.
        if self._node.has_parameter(self._parameter):
            self._node.undeclare_parameter(self._parameter)
