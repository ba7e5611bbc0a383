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
"""How the demo steers the segmenter and what it hears of it: lifecycle services, diagnostics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from frm_perception.ros.children import Child

_SEGMENTER = 'segmenter'
_CAMERA = 'camera'
_ASK_AGAIN_S = 1.0
COUNTS = ('received', 'answered', 'dropped', 'malformed', 'failed', 'in_flight')


@dataclass(frozen=True)
class Diagnosis:
    """
    The segmenter's latest word on itself.

    :param stamp: when it was said, in nanoseconds.
    :param counts: frames, by :data:`COUNTS`.
    :param engine: keys and values of the engine's status.
    """

    stamp: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    engine: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """The parent's own node. The environment must name the domain before it is made."""

    def __init__(self) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('demo')
        self._client = self._node.create_client(ChangeState, f'{_SEGMENTER}/change_state')
        # After the other one: see _meet.
        self._state_client = self._node.create_client(GetState, f'{_SEGMENTER}/get_state')
        self._node.create_subscription(
            DiagnosticArray, '/diagnostics', self._hear, QoSProfile(depth=10))
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self.diagnosis = Diagnosis()

    def activate(self, segmenter: Child, timeout: float) -> None:
        """
        Bring the segmenter from its start to the active state.

        :raises frm_perception.ros.children.ChildError: it ended, refused or took too long.
        """
        deadline = time.monotonic() + timeout
        self._meet(segmenter, deadline)
        for number, name in ((Transition.TRANSITION_CONFIGURE, 'configure'),
                             (Transition.TRANSITION_ACTIVATE, 'activate')):
            request = ChangeState.Request()
            request.transition.id = number
            answer = self._client.call_async(request)
            while not answer.done():
                self._wait_for(segmenter, deadline, f'{name} itself')
            if not answer.result().success:
                raise segmenter.error(f'could not {name}')

    def spin(self, seconds: float) -> None:
        """Listen for so long, or until something was heard."""
        self._executor.spin_once(timeout_sec=seconds)

    def close(self) -> None:
        """Leave the ROS system."""
        self._node.destroy_node()
        rclpy.try_shutdown()

    def _meet(self, segmenter: Child, deadline: float) -> None:
        """
        Wait until the segmenter's answers reach this node.

        A service drops its answer to a client that discovery has not told it of yet, whatever the
        client sees. Discovery tells of clients in the order they were made: a segmenter that
        answers the last one knows them all.
        """
        while not (self._client.service_is_ready() and self._state_client.service_is_ready()):
            self._wait_for(segmenter, deadline, 'offer its lifecycle services')
        answers: list[Future] = []
        while not any(answer.done() for answer in answers):
            answers.append(self._state_client.call_async(GetState.Request()))
            again = time.monotonic() + _ASK_AGAIN_S
            while not answers[-1].done() and time.monotonic() < again:
                self._wait_for(segmenter, deadline, 'answer')

    def _wait_for(self, segmenter: Child, deadline: float, what: str) -> None:
        self.spin(0.05)
        segmenter.require_running()
        if time.monotonic() > deadline:
            raise segmenter.error(f'did not {what} in time')

    def _hear(self, message: DiagnosticArray) -> None:
        statuses = {status.name: {pair.key: pair.value for pair in status.values}
                    for status in message.status}
        camera = statuses.get(f'{_SEGMENTER}: {_CAMERA}')
        engine = statuses.get(f'{_SEGMENTER}: engine')
        if camera is not None and engine is not None:
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            self.diagnosis = Diagnosis(stamp, {key: int(camera[key]) for key in COUNTS}, engine)
