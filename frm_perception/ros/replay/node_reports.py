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
"""The segmenter that recordings are played to: what it says of itself, and whether it is ready."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future
from std_msgs.msg import String

from frm_perception.labels import LabelSpace
from frm_perception.media.legend import legend_space
from frm_perception.ros.metrics import VERSION
from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.qos import latched
from frm_perception.ros.qos import report
from frm_perception.ros.replay.books import Counts
from frm_perception.ros.replay.participant import Participant
from frm_perception.ros.replay.participant import ReplayError

_ASK_AGAIN_S = 1.0
_SAME_REPORTS = 2


class NodeReports:
    """
    What the node says each second on `~/metrics`.

    :param name: the node's full name, such as /segmenter.
    """

    def __init__(self, participant: Participant, name: str) -> None:
        self._participant = participant
        self.name = name
        self.latest: dict[str, Any] = {}
        """See docs/metrics.md; empty before the first."""
        self.heard = 0
        """Reports until now."""
        self._listeners: list[Callable[[Mapping[str, Any]], None]] = []
        participant.node.create_subscription(String, f'{name}/metrics', self._hear, report())

    @property
    def engine(self) -> dict[str, Any]:
        """What the latest report says of the engine."""
        engine: dict[str, Any] = self.latest['engine']
        return engine

    @property
    def inputs(self) -> dict[str, str]:
        """Resolved topic that images are taken from -> name of the camera."""
        return {camera['topic']: name for name, camera in self.latest['cameras'].items()}

    def counts(self, camera: str) -> Counts:
        """
        Return what the latest report says of a camera's images.

        :raises ReplayError: it does not know the camera any more.
        """
        if camera not in self.latest['cameras']:
            raise ReplayError(f'{self.name} does not serve {camera} any more: it is '
                              f'{self.engine["state"]}')
        return Counts.read(self.latest['cameras'][camera])

    def listen(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Let somebody hear every report from now on."""
        self._listeners.append(listener)

    def topic_of(self, camera: str, output: str) -> str:
        """Return the full name of what the node publishes for a camera."""
        namespace = self.name.rpartition('/')[0]
        prefix = camera if camera.startswith('/') else f'{namespace}/{camera}'
        return f'{prefix}/segmentation/{output}'

    def await_active(self, played: Collection[str], seconds: float) -> list[str]:
        """
        Wait until the node is active and takes images from topics that are played.

        :param played: resolved names.
        :return: the topics among them that it takes images from.
        :raises ReplayError: it does not within so many seconds; the message says what it does.
        """
        seen: list[tuple[int, list[str]]] = []

        def settled() -> bool:
            """Tell whether two reports agree: a node may still look for what is published."""
            if self.heard and (not seen or seen[-1][0] != self.heard):
                active = self.engine['state'] == 'active'
                seen.append((self.heard, sorted(set(self.inputs) & set(played)) if active else []))
            latest = [topics for _, topics in seen[-_SAME_REPORTS:]]
            return len(latest) == _SAME_REPORTS and bool(latest[0]) and latest[0] == latest[1]

        if not self._participant.wait_for(settled, seconds):
            raise ReplayError(self._why_not(played, seconds))
        return seen[-1][1]

    def parameters(self, seconds: float) -> dict[str, Any]:
        """
        Ask for the values of the node's parameters.

        The answer also shows that the node knows this process: discovery tells of publishers and
        subscriptions in the order in which they were made, so who answers a client knows all that
        was made before it. An image that is sent before that is lost without a word.

        :raises ReplayError: no answer within so many seconds.
        """
        node = self._participant.node
        client = node.create_client(GetParameters, f'{self.name}/get_parameters')
        names = list(SPECS)
        answers: list[Future] = []
        asked = -_ASK_AGAIN_S

        def answered() -> Future | None:
            nonlocal asked
            if client.service_is_ready() and time.monotonic() > asked + _ASK_AGAIN_S:
                asked = time.monotonic()
                answers.append(client.call_async(GetParameters.Request(names=names)))
            return next((answer for answer in answers if answer.done()), None)

        try:
            if not self._participant.wait_for(answered, seconds):
                raise ReplayError(f'{self.name} does not answer {self.name}/get_parameters within '
                                  f'{seconds:g} s')
            values = answered().result().values  # type: ignore[union-attr]
        finally:
            node.destroy_client(client)
        return {name: _plain(parameter_value_to_python(value))
                for name, value in zip(names, values, strict=True)}

    def legend(self, camera: str, seconds: float) -> LabelSpace:
        """
        Return what the labels of a camera mean.

        :raises ReplayError: the node does not say within so many seconds.
        """
        node, topic = self._participant.node, self.topic_of(camera, 'legend')
        heard: list[String] = []
        subscription = node.create_subscription(String, topic, heard.append, latched())
        try:
            if not self._participant.wait_for(lambda: heard, seconds):
                raise ReplayError(f'no legend on {topic} within {seconds:g} s')
        finally:
            node.destroy_subscription(subscription)
        try:
            return legend_space(heard[-1].data)
        except ValueError as error:
            raise ReplayError(f'{topic}: {error}') from error

    def _hear(self, message: String) -> None:
        found = json.loads(message.data)
        if found['version'] != VERSION:
            raise ReplayError(f'{self.name} reports in version {found["version"]} of docs/metrics.'
                              f'md, and this program reads version {VERSION}: use the same '
                              'version of both')
        self.latest = found
        self.heard += 1
        for listener in self._listeners:
            listener(found)

    def _why_not(self, played: Collection[str], seconds: float) -> str:
        """Say why the node answers nothing that is played."""
        if not self.heard:
            return (f'no word from a segmenter on {self.name}/metrics within {seconds:g} s: is it '
                    'running, in this ROS domain, and is that its name? --node names another')
        state = self.engine['state']
        if state != 'active':
            why = self.engine['problem'] or self.engine['message']
            return (f'{self.name} is {state} ({why}) after {seconds:g} s: bring it to its active '
                    f'state, as segment.launch.py does, or `ros2 lifecycle set {self.name}` with '
                    'configure and activate')
        return (f'{self.name} takes images from {", ".join(self.inputs)}, of which nothing is '
                f'played; played are {", ".join(sorted(played))}. --remap OLD:=NEW plays a topic '
                'under another name')


def _plain(value: Any) -> Any:
    """Return the value of a parameter as JSON knows it."""
    return value.tolist() if isinstance(value, array) else value
