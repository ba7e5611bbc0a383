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
The program `segmenter`: a process with one :class:`~frm_perception.ros.node.SegmenterNode`.

Camera images in, label images and drivable masks out, until a signal ends it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from frm_perception.ros.build_only import build_only
from frm_perception.ros.node import NAME
from frm_perception.ros.node import SegmenterNode
from frm_perception.ros.parameters import ParameterError
from frm_perception.ros.parameters import describe_parameters
from frm_perception.ros.succession import is_building

_SAME_WISH_S = 1.0


class _Spinning(threading.Thread):
    """
    Runs the node's callbacks until the event is set; an error of one of them does not end it.

    With autostart it first brings the node to its active state, and sets the event itself where
    that fails, or where a failing engine is given up later: then whoever supervises the process is
    to start it again, and nobody else is there to mend the node.
    """

    def __init__(self, executor: SingleThreadedExecutor, node: SegmenterNode, autostart: bool,
                 ended: threading.Event) -> None:
        super().__init__(name='executor')
        self._executor = executor
        self._node = node
        self._autostart = autostart
        self._ended = ended
        self.has_failed = False
        """Whether the event was set for a failure."""

    def run(self) -> None:
        """Run; for :meth:`start`."""
        if self._autostart and not self._node.start_by_itself():
            self._fail()
        else:
            self._node.supervision.say_ready()
        # Not `spin_until_future_complete`, which keeps something of every callback for ever.
        while not self._ended.is_set():
            try:
                self._executor.spin_once()
            except Exception:
                self._node.get_logger().error(
                    f'a callback failed; the node goes on\n{traceback.format_exc()}',
                    throttle_duration_sec=10.0)
            if self._autostart and self._node.has_given_up:
                self._fail()

    def _fail(self) -> None:
        self._node.get_logger().fatal('the process ends, to be started again')
        self.has_failed = True
        self._ended.set()


def _await_signals() -> threading.Event:
    """
    Return what SIGINT or SIGTERM will set; a signal that comes later ends the process at once.

    Those that follow within moments are the same wish: of one Ctrl-C the terminal and launch may
    each pass on a signal, as may launch and systemd. The signals are the node's own affair and
    not rclpy's, which would invalidate the context before the node could shut down in order.
    """
    ended = threading.Event()
    first = float('inf')

    def end(number: int, _: object) -> None:
        nonlocal first
        first = min(first, time.monotonic())
        if time.monotonic() - first > _SAME_WISH_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _run(node: SegmenterNode, autostart: bool, ended: threading.Event) -> bool:
    """
    Run the node until the event is set, then shut it down in order.

    A Python signal handler runs in the main thread only, so that one waits while another spins.

    :return: whether it was a failure of the node that ended it.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    waking = node.create_guard_condition(lambda: None)
    spinning = _Spinning(executor, node, autostart, ended)
    spinning.start()
    ended.wait()
    node.supervision.say_stopping()
    waking.trigger()
    spinning.join()
    node.close()
    executor.shutdown()
    node.destroy_node()
    # All is done but the interpreter's own end, which a late signal would turn into a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return spinning.has_failed


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=NAME, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f'{NAME} [-h] [--autostart | --build-only] '
              '[--ros-args [-p NAME:=VALUE ...] [--params-file FILE] ...]',
        description='ROS 2 lifecycle node: camera images in, label images and drivable masks out.',
        epilog=f'parameters:\n{describe_parameters()}')
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--autostart', action='store_true',
        help='configure and activate without a lifecycle manager; end with status 1 where that '
             'fails, or where an engine fails for good, so that a service manager starts anew')
    what.add_argument(
        '--build-only', action='store_true',
        help='build the engines that the parameters ask for, and those that deadline_ms falls '
             'back on, into the engine cache, and end')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the node.

    :return: 0 after an orderly end, 2 where the command line or a parameter cannot be used, 1
        where `--build-only` did not build, or `--autostart` did not start, or not for good.
    """
    command = list(sys.argv if arguments is None else arguments)
    try:
        options = _parse(remove_ros_args(command)[1:])
        rclpy.init(args=command, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # rclpy's errors about arguments have no other common base
        get_logger(NAME).fatal(f'the ROS arguments cannot be used: {error}')
        return 2
    try:
        if options.build_only:
            return build_only(NAME, from_file='--params-file' in command)
        ended = _await_signals()
        try:
            node = SegmenterNode()
        except Exception as error:  # those of rclpy, for names and types, have no common base
            problem = '' if isinstance(error, ParameterError) else 'the node cannot be created: '
            get_logger(NAME).fatal(f'{problem}{error}')
            return 2
        status = 1 if _run(node, options.autostart, ended) else 0
    finally:
        rclpy.try_shutdown()
    if is_building():
        # Nothing interrupts a library that compiles, and it crashes where the interpreter goes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == '__main__':
    sys.exit(main())
