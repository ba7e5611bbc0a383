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
"""Lets a running node go on with another model, and waits for what it says of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter

from frm_perception.ros.replay.node_reports import NodeReports
from frm_perception.ros.replay.participant import Participant

REPORT_TIMEOUT_S = 20.0
"""A node says something each second; one that is starting needs longer."""
CALM_REPORTS = 3
"""So many reports in succession without an error say that the new model works."""
_SERVING = ('active', 'inactive')


class ModelChangeError(RuntimeError):
    """The node does not go on with the model; the message says why."""


class ModelChange:
    """
    A node that is to serve another model.

    :param participant: of this process.
    :param node: its full name.
    :param say: takes lines for the user.
    """

    def __init__(self, participant: Participant, node: str, say: Callable[[str], None]) -> None:
        self._participant = participant
        self._reports = NodeReports(participant, node)
        self._client = participant.node.create_client(
            SetParametersAtomically, f'{node}/set_parameters_atomically')
        self._node = node
        self._say = say
        self.model_dir = ''
        """What the node's parameter says before the change; known once it is prepared."""

    def prepare(self) -> None:
        """
        Find out whether the node can be asked.

        :raises ModelChangeError: it is not there, or has no engine yet.
        """
        reports = self._reports
        if not self._participant.wait_for(lambda: reports.heard, REPORT_TIMEOUT_S):
            raise ModelChangeError(
                f'no word on {self._node}/metrics within {REPORT_TIMEOUT_S:g} s: is the node '
                'running, in this ROS domain? Without --node the model is changed for its next '
                'start')
        if reports.engine['state'] not in _SERVING:
            raise ModelChangeError(
                f'{self._node} is {reports.engine["state"]} and serves no model that could be '
                'changed; without --node the model is changed for its next configure')
        self.model_dir = self._reports.parameters(REPORT_TIMEOUT_S)['model_dir']

    def change(self, model_dir: str, sha256: Collection[str], timeout_s: float) -> None:
        """
        Ask for the model in a folder, and wait until it serves.

        A node that is started again meanwhile is waited for: it takes what its parameters say.

        :param sha256: of the files of that model, one of which is to serve.
        :param timeout_s: to build an engine and to take it over.
        :raises ModelChangeError: the node refuses it, cannot build it, or reports errors with it,
            or all that takes too long.
        """
        end = time.monotonic() + timeout_s
        self._set(model_dir, end)
        heard = self._reports.heard
        # The first report may have been underway already.
        self._await(lambda: self._reports.heard >= heard + 2, end, 'a report')
        self._await(lambda: self._serves(sha256), end, 'the engine of the new model')
        self._say(f'{self._node} serves it; watching {CALM_REPORTS} reports')
        heard = self._reports.heard
        self._await(lambda: self._is_calm(heard + CALM_REPORTS), end, 'its reports')

    def undo(self, timeout_s: float) -> None:
        """
        Ask for the model that served before.

        :raises ModelChangeError: the node refuses it.
        """
        self._set(self.model_dir, time.monotonic() + timeout_s)

    def _serves(self, sha256: Collection[str]) -> bool:
        engine = self._reports.engine
        if engine['failed_change']:
            raise ModelChangeError(f'{self._node}: {engine["failed_change"]}')
        self._refuse_errors()
        return (engine['state'] in _SERVING and not engine['building']
                and engine['sha256'] in sha256)

    def _is_calm(self, until: int) -> bool:
        self._refuse_errors()
        return self._reports.heard >= until

    def _refuse_errors(self) -> None:
        parts: dict[str, Any] = {'engine': self._reports.engine,
                                 **self._reports.latest['cameras']}
        for name, part in parts.items():
            if part['level'] == 'ERROR':
                raise ModelChangeError(f'{self._node}: {name}: {part["message"]}')

    def _set(self, model_dir: str, end: float) -> None:
        request = SetParametersAtomically.Request(
            parameters=[Parameter('model_dir', value=model_dir).to_parameter_msg()])
        self._await(self._client.service_is_ready, end, 'its parameters')
        future = self._client.call_async(request)
        # A node that ends now never answers; what it reports when it is there again counts.
        if self._participant.wait_for(future.done, min(REPORT_TIMEOUT_S, end - time.monotonic())):
            result = future.result().result
            if not result.successful:
                raise ModelChangeError(f'{self._node} refuses it: {result.reason}')

    def _await(self, condition: Callable[[], object], end: float, what: str) -> None:
        if not self._participant.wait_for(condition, end - time.monotonic()):
            raise ModelChangeError(f'{self._node}: waited in vain for {what}')
