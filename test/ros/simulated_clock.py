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
"""A clock for nodes on simulated time."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from node_process import Diagnostics
from node_process import Probe
from node_process import wait_until
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock


class SimulatedClock:
    """The clock of a simulation, which is set by hand."""

    def __init__(self, probe: Probe, diagnostics: Diagnostics) -> None:
        self._node = probe.node
        self._diagnostics = diagnostics
        self._publisher = probe.node.create_publisher(Clock, '/clock', QoSProfile(depth=1))

    def set(self, seconds: float) -> None:
        """Set the time, and wait until the node reports under it."""
        now = stamp_at(seconds)
        seen = len(self._diagnostics.arrays)

        def reported() -> bool:
            # The clock is read best effort, so it is sent until it shows.
            self._publisher.publish(Clock(clock=now))
            return any(message.header.stamp == now
                       for message in self._diagnostics.arrays[seen:])

        wait_until(reported, f'a report at {seconds} s')

    def close(self) -> None:
        """Publish no more."""
        self._node.destroy_publisher(self._publisher)


def stamp_at(seconds: float) -> Time:
    """Return the stamp of a time in seconds."""
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
