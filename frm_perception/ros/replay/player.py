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
"""Plays the messages of a recording in their order, each when it is due."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from tqdm import tqdm

from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.ros.replay.exchange import CameraExchange
from frm_perception.ros.replay.outlets import Outlet
from frm_perception.ros.replay.participant import Participant
from frm_perception.ros.replay.participant import ReplayError
from frm_perception.ros.replay.timeline import Timeline

_MOST_COMPLAINTS = 10


class Player:
    """
    Publishes messages and, at a steady rate, the recording's time on `/clock`.

    :param outlets: topic in the recording -> where its messages go.
    :param clock_hz: messages a second on `/clock`; 0 publishes none.
    :param exchanges: topic in the recording -> the node's side of a camera that it answers.
    :param answer_timeout_s: None: images go out when they are due. Else the next image of a camera
        goes out when the node has answered the one before, or has said why it does not; after so
        many seconds it is waited for no longer.
    """

    def __init__(self, participant: Participant, outlets: Mapping[str, Outlet], clock_hz: float,
                 exchanges: Mapping[str, CameraExchange], answer_timeout_s: float | None) -> None:
        self._participant = participant
        self._outlets = outlets
        self._period_s = 1 / clock_hz if clock_hz else float('inf')
        self._exchanges = exchanges
        self._answer_timeout_s = answer_timeout_s
        # Reliable: it reaches those who ask for that, and those who do not.
        self._clock = (participant.node.create_publisher(Clock, '/clock', QoSProfile(depth=1))
                       if clock_hz else None)
        self._tick_at = 0.0
        # Who is late must not starve what comes back, nor be kept by it for ever.
        self._most_turns = 1 + sum(len(exchange.outputs) for exchange in exchanges.values())
        self._complaints = 0
        self.behind_s = 0.0
        """The longest that a message went out after it was due."""

    def play(self, messages: Iterable[RecordedMessage], timeline: Timeline, progress: tqdm) -> int:
        """
        Play messages; return how many.

        :param progress: counts the seconds of the recording.
        :raises ReplayError: those who answered are gone.
        """
        played, begin_ns = 0, timeline.now_ns(time.monotonic())
        for message in messages:
            timeline.wait_for(message.recorded_ns)
            self._spin_until(timeline.due(message.recorded_ns), timeline)
            exchange = self._exchanges.get(message.topic)
            if exchange is not None and self._answer_timeout_s is not None:
                self._await_answer(exchange, self._answer_timeout_s, timeline)
            timeline.reach(message.recorded_ns)
            if self._answer_timeout_s is not None:
                self._publish_clock(timeline)
            else:
                late_s = time.monotonic() - timeline.due(message.recorded_ns)
                self.behind_s = max(self.behind_s, late_s)
            published_ns = time.time_ns()
            self._outlets[message.topic].publisher.publish(bytes(message.data))
            if exchange is not None:
                exchange.send(message, published_ns)
            played += 1
            progress.update(max((message.recorded_ns - begin_ns) / 1e9 - progress.n, 0.0))
        return played

    def _spin_until(self, due: float, timeline: Timeline) -> None:
        """Serve callbacks and the clock until that steady time; if it has passed, what waits."""
        waits, turns = True, 0
        while time.monotonic() < due or (waits and turns < self._most_turns):
            waits = self._serve(due, timeline)
            turns += 1

    def _await_answer(self, exchange: CameraExchange, timeout_s: float, timeline: Timeline
                      ) -> None:
        while exchange.is_underway():
            self._serve(float('inf'), timeline)
            if exchange.is_underway() and exchange.waiting_s > timeout_s:
                self._give_up(exchange, timeout_s)

    def _serve(self, until: float, timeline: Timeline) -> bool:
        """
        Publish the clock if it is time, and run a callback if one comes before it is again.

        :return: whether one came.
        """
        now = time.monotonic()
        if now >= self._tick_at:
            self._publish_clock(timeline)
        return self._participant.spin(min(until, self._tick_at) - now)

    def _publish_clock(self, timeline: Timeline) -> None:
        now = time.monotonic()
        self._tick_at = now + self._period_s
        if self._clock is not None:
            seconds, nanoseconds = divmod(timeline.now_ns(now), 10**9)
            self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def _give_up(self, exchange: CameraExchange, timeout_s: float) -> None:
        """Say that an image is waited for no longer, unless that was said often enough."""
        what = exchange.give_up()
        outlet = self._outlets[exchange.topic]
        if not outlet.publisher.get_subscription_count():
            raise ReplayError(f'nobody listens to {outlet.name} any more: has the node ended, or '
                              'been deactivated?')
        self._complaints += 1
        if self._complaints > _MOST_COMPLAINTS:
            return
        tqdm.write(f'{exchange.camera}: no answer to the latest image within {timeout_s:g} s: '
                   f'{what}; going on with the next', file=sys.stderr)
        if self._complaints == _MOST_COMPLAINTS:
            tqdm.write('further images without an answer are counted, and not named',
                       file=sys.stderr)
