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
"""The ROS participant of a test process."""

from __future__ import annotations

import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


class Probe:
    """The test process' participant; its executor spins on a thread."""

    def __enter__(self) -> Probe:
        # Ctrl-C raises KeyboardInterrupt and leaves the participant as it is, to clean up with.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('probe')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        return self

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except Exception:
            if rclpy.ok():  # else the shutdown came in the middle of it
                raise

    def __exit__(self, *_: object) -> None:
        rclpy.shutdown()
        self._thread.join()
