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
"""The program's own node, and how it waits."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from types import TracebackType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.executors import TimeoutException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from frm_perception.ros.private_system import image_profile
from frm_perception.ros.private_system import message_profile
from frm_perception.ros.private_system import shared_memory_warning
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

_LONGEST_SPIN_S = 0.1
_IMAGE_PUBLISHERS = 2
"""Processes with large shared memory: this one, and the node that answers."""


class ReplayError(RuntimeError):
    """A recording cannot be played, or not to its end; the message says why and what to do."""


class Participant:
    """
    Context manager: this process as a part of the ROS system around it.

    Ctrl-C raises :class:`KeyboardInterrupt` and SIGTERM :class:`SystemExit`, in the main thread,
    so that ``finally`` blocks run and shared memory is given back. Unless the environment names a
    Fast DDS profile, images get the room of ours.

    :param name: of the node.
    :param with_images: False where it publishes none: then what it says and hears goes by UDP,
        unless the environment names a profile that is not ours. Shared memory is between
        processes of one user only, and who looks after a node may be another one than it runs as.
    """

    def __init__(self, name: str = 'bag_replay', with_images: bool = True) -> None:
        self._name = name
        self._with_images = with_images

    def __enter__(self) -> Participant:
        # Where ROS comes from wheels nobody has sourced a setup file.
        os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
        if not self._with_images:
            os.environ.update(message_profile())
        elif PROFILE_VARIABLE not in os.environ:
            os.environ.update(image_profile())
            if warning := shared_memory_warning(_IMAGE_PUBLISHERS):
                print(f'Warning: {warning}', file=sys.stderr)
        self._old_handler: Any = signal.signal(signal.SIGTERM, _exit_on_signal)
        self._context = Context()
        # A command says on the terminal what it has to say. A supervisor that asks for the health
        # twice a minute would leave as many files in the folder of logs.
        rclpy.init(args=['--ros-args', '--disable-external-lib-logs'], context=self._context,
                   signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(self._name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        signal.signal(signal.SIGTERM, self._old_handler)

    def spin(self, seconds: float) -> bool:
        """
        Run a callback, if one is due within so many seconds; a tenth of a second at most.

        :return: whether there was one.
        """
        # As spin_once does, which does not tell. A signal is noticed when the middleware returns,
        # and not before.
        try:
            callback, _, _ = self._executor.wait_for_ready_callbacks(
                min(max(seconds, 0.0), _LONGEST_SPIN_S))
        except TimeoutException:
            return False
        callback()
        if callback.exception() is not None:
            raise callback.exception()
        return True

    def wait_for(self, condition: Callable[[], object], seconds: float) -> bool:
        """
        Run callbacks until a condition holds.

        :return: whether it does; False after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.spin(deadline - time.monotonic())
        return True


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
