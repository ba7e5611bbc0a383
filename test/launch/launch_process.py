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
"""Drives `ros2 launch` in a process of its own."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node

DEADLINE = 60.0
COMMAND = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())',
           'launch', 'frm_perception']
PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_numbers = itertools.count(1)


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value; fail after the deadline."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f'waited {DEADLINE} s for {what}'
        time.sleep(0.02)
    return value


class Launch:
    """
    `ros2 launch` of the installed package, in a namespace of its own, seen from a ROS node.

    :param node: asks the node that is launched.
    :param file: which of the package's launch files.
    :param folder: takes the log; the working directory.
    """

    def __init__(self, node: Node, file: str, folder: Path, environment: dict[str, str],
                 arguments: tuple[str, ...]) -> None:
        self._node = node
        self.namespace = f'/launch{os.getpid()}_{next(_numbers)}'
        self._clients = {
            service: node.create_client(kind, f'{self.namespace}/segmenter/{service}')
            for service, kind in (('get_state', GetState), ('change_state', ChangeState),
                                  ('get_parameters', GetParameters))}
        self._log = folder / f'launch{next(_numbers)}.txt'
        with self._log.open('w') as output:
            self.process = subprocess.Popen(
                [*COMMAND, file, f'namespace:={self.namespace}', *arguments],
                env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)

    def log(self) -> str:
        """Return what the launch has printed until now."""
        return self._log.read_text()

    def call(self, service: str, request: Any) -> Any:
        """Call a service of the node, again where a process that is gone took the request."""
        client = self._clients[service]
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            assert client.wait_for_service(DEADLINE), self.log()
            future = client.call_async(request)
            rclpy.spin_until_future_complete(self._node, future, timeout_sec=2.0)
            if future.done():
                return future.result()
        raise AssertionError(f'{service} was not answered within {DEADLINE} s\n{self.log()}')

    def state(self) -> str:
        """Return the label of the lifecycle state."""
        return str(self.call('get_state', GetState.Request()).current_state.label)

    def change_state(self, transition: str) -> bool:
        """Run a transition; tell whether it succeeded."""
        request = ChangeState.Request()
        request.transition.label = transition
        return bool(self.call('change_state', request).success)

    def parameters(self, *names: str) -> list[Any]:
        """Return values of parameters, as messages."""
        request = GetParameters.Request(names=list(names))
        return list(self.call('get_parameters', request).values)

    def pids(self) -> list[int]:
        """Return the ids of the node's processes, the latest last."""
        return [int(pid) for pid in re.findall(
            r'\[segmenter-\d+\]: process started with pid \[(\d+)\]', self.log())]

    def variables(self) -> dict[str, str]:
        """Return the environment of the node's process."""
        return dict(entry.split('=', 1) for entry in self._of_process('environ'))

    def arguments(self) -> list[str]:
        """Return the command line of the node's process."""
        return self._of_process('cmdline')

    def _of_process(self, file: str) -> list[str]:
        pid = wait_until(self.pids, 'the process of the node')[-1]
        return [text for text in Path(f'/proc/{pid}/{file}').read_text().split('\0') if text]

    def stop(self) -> None:
        """End the launch as Ctrl-C does, and see that the node ended well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise
        for client in self._clients.values():
            self._node.destroy_client(client)
        print(self.log())
