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
"""A recording played over DDS, from finding those who listen to what became of its images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.ros.replay.exchange import CameraExchange
from frm_perception.ros.replay.node_reports import NodeReports
from frm_perception.ros.replay.outlets import choose
from frm_perception.ros.replay.outlets import create_outlet
from frm_perception.ros.replay.outlets import require_topic_name
from frm_perception.ros.replay.participant import Participant
from frm_perception.ros.replay.participant import ReplayError
from frm_perception.ros.replay.player import Player
from frm_perception.ros.replay.spool import Spool
from frm_perception.ros.replay.timeline import Timeline

_SETTLE_S = 2.0
"""Between finding a listener and playing: it may find us later than we found it."""
_LINGER_S = 1.0
"""After the last message: a publisher that goes takes with it what has not been read."""
_REPORTS_AFTER = 2
"""Of the reports after the last image, the first may be from before it."""
_WORTH_SAYING_S = 0.1


@dataclass(frozen=True)
class Options:
    """
    How a recording is played.

    :param topics: those to play; none means all that can be.
    :param names: topic in the recording -> another name to play it under.
    :param start_s: seconds of the recording that are left out at its beginning.
    :param duration_s: seconds of the recording that are played; None means to its end.
    :param rate: of the recording's time to real time; None: as fast as the node answers.
    :param loop: play it again and again, until somebody interrupts.
    :param clock_hz: messages a second on `/clock`; 0 publishes none.
    :param wait_s: seconds to wait for those who listen.
    :param node: full name of the segmenter that answers.
    :param answer_timeout_s: seconds to wait for the answer to an image.
    """

    topics: Sequence[str]
    names: Mapping[str, str]
    start_s: float
    duration_s: float | None
    rate: float | None
    loop: bool
    clock_hz: float
    wait_s: float
    node: str
    answer_timeout_s: float


class Replay:
    """
    Plays a recording.

    :param participant: this process' node.
    :param spool: keeps the answers of the node; None keeps nothing.
    :raises MediaError, ValueError: a topic that the recording does not have, or that cannot be
        played.
    """

    def __init__(self, participant: Participant, recording: Recording, options: Options,
                 spool: Spool | None) -> None:
        self._participant = participant
        self._recording = recording
        self.options = options
        self._spool = spool
        for name in options.names:
            recording.topic(name)
        if options.start_s * 1e9 > recording.duration_ns:
            raise ValueError(f'{recording.path} is {recording.duration_ns / 1e9:.1f} s long; '
                             f'nothing is left after {options.start_s:g} s')
        choice = choose(recording, options.topics, options.names)
        self._left_out = choice.left_out
        self._outlets = {
            topic: create_outlet(participant.node, recording.topic(topic), kind,
                                 choice.names[topic])
            for topic, kind in choice.kinds.items()}
        self._cameras = [camera.topic for camera in recording.cameras
                         if camera.topic in self._outlets]
        self.reports: NodeReports | None = None
        self.parameters: Mapping[str, Any] = {}
        """The node's, by name."""
        self.exchanges: dict[str, CameraExchange] = {}
        """Topic in the recording -> the node's side of a camera that it answers."""
        self.is_silent = False
        """Whether the node has said nothing, or nothing yet, after the last image."""
        if spool is not None or options.rate is None:
            require_topic_name(options.node)
            self.reports = NodeReports(participant, options.node)

    def find_listeners(self) -> list[str]:
        """
        Wait for those who listen.

        :return: what is not played, and what nobody listens to, in words.
        :raises ReplayError: nobody does within `wait_s`, or the node does not; the message names
            the topics.
        """
        silent = [f'{topic} is not played: {why}' for topic, why in self._left_out.items()]
        if not self._outlets or (self.reports is not None and not self._cameras):
            raise ReplayError('\n'.join([f'{self._recording.path} has nothing to play', *silent]))
        if self.reports is not None:
            return silent + self._find_node(self.reports)
        wanted = [self._outlets[topic] for topic in self._cameras or self._outlets]

        def lonely() -> list[str]:
            return [outlet.name for outlet in wanted
                    if not outlet.publisher.get_subscription_count()]

        self._participant.wait_for(lambda: not lonely(), self.options.wait_s)
        missing = lonely()
        if len(missing) == len(wanted):
            raise ReplayError(
                f'nobody listens to {", ".join(missing)} within {self.options.wait_s:g} s: start '
                'what listens, or play them under other names with --remap OLD:=NEW')
        self._participant.wait_for(lambda: False, _SETTLE_S)
        return silent + [f'nobody listens to {name}' for name in missing]

    def play(self) -> Iterator[str]:
        """
        Play the recording, once or for ever; yield what is to be said after each time.

        :raises ReplayError: those who answered are gone.
        """
        options = self.options
        as_answered = options.rate is None
        player = Player(self._participant, self._outlets, options.clock_hz, self.exchanges,
                        options.answer_timeout_s if as_answered else None)
        begin_ns = self._recording.begin_ns + round(options.start_s * 1e9)
        left_s = max((self._recording.end_ns - begin_ns) / 1e9, 0.0)
        while True:
            for exchange in self.exchanges.values():
                exchange.begin()
            self.is_silent = self.reports is not None
            started = time.monotonic()
            with tqdm(total=round(min(left_s, options.duration_s or left_s), 1), unit='s',
                      desc='playing', disable=None) as progress:
                played = player.play(self._chosen(begin_ns),
                                     Timeline(begin_ns, started, options.rate), progress)
            seconds = time.monotonic() - started
            self._settle()
            behind = ('' if player.behind_s < _WORTH_SAYING_S else
                      f', up to {player.behind_s:.1f} s later than they were due')
            yield '\n'.join([f'played {played} messages in {seconds:.1f} s{behind}', *(
                exchange.summary() for exchange in self.exchanges.values()), *self.notes()])
            if not options.loop:
                return

    def notes(self) -> list[str]:
        """Return what makes the counts of all cameras doubtful."""
        return [f'{self.options.node} said nothing after the last image: its counts are from '
                'before, and images that it received may be counted as lost'
                ] if self.is_silent else []

    def _find_node(self, reports: NodeReports) -> list[str]:
        """Wait for the segmenter, and for both sides to know of each other."""
        wait_s = self.options.wait_s
        played = {self._outlets[topic].name: topic for topic in self._cameras}
        taken = reports.await_active(played, wait_s)
        for name in taken:
            self.exchanges[played[name]] = CameraExchange(
                self._participant.node, reports.inputs[name], played[name], reports, self._spool)
        self.parameters = reports.parameters(wait_s)
        self._connect(wait_s)
        return [f'{reports.name} takes images from {name}, which is not played'
                for name in reports.inputs if name not in played]

    def _connect(self, wait_s: float) -> None:
        """Wait until this side knows of the node's, too."""
        node = self._participant.node

        def unknown() -> list[str]:
            outlets = [self._outlets[topic] for topic in self.exchanges]
            return [
                *(outlet.name for outlet in outlets
                  if not outlet.publisher.get_subscription_count()),
                *(output for exchange in self.exchanges.values() for output in exchange.outputs
                  if not node.count_publishers(output))]

        if not self._participant.wait_for(lambda: not unknown(), wait_s):
            raise ReplayError(
                f'{self.options.node} is not found on {", ".join(unknown())} within {wait_s:g} '
                's: its outputs must have the names that the README says')

    def _chosen(self, begin_ns: int) -> Iterator[RecordedMessage]:
        """Yield what is played; what was latched before belongs to it, as it holds until later."""
        duration_s = self.options.duration_s
        end_ns = float('inf') if duration_s is None else begin_ns + duration_s * 1e9
        for message in self._recording.messages(self._outlets):
            if message.recorded_ns > end_ns:
                return
            if message.recorded_ns >= begin_ns or self._recording.topic(message.topic).latched:
                yield message

    def _settle(self) -> None:
        """Wait until the node has answered or counted all that reached it."""
        reports = self.reports
        if reports is None:
            self._participant.wait_for(lambda: False, _LINGER_S)
            return
        enough = reports.heard + _REPORTS_AFTER
        self._participant.wait_for(
            lambda: reports.heard >= enough and not any(
                exchange.book.balance().notes for exchange in self.exchanges.values()),
            self.options.answer_timeout_s)
        self.is_silent = reports.heard < enough
        if not self.is_silent:
            for exchange in self.exchanges.values():
                exchange.book.close()
