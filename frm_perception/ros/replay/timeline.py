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
"""Which moment of a recording it is while it is played: without messages, clocks or ROS."""

from __future__ import annotations


class Timeline:
    """
    The recording's time, which never goes back, and when its messages are due.

    :param begin_ns: when what is played was recorded first, in nanoseconds.
    :param started: seconds on a steady clock at which the play begins.
    :param rate: of the recording's time to real time. None: there is none, each message is due at
        once, and the recording's time stands still from one to the next.
    """

    def __init__(self, begin_ns: int, started: float, rate: float | None) -> None:
        self._begin_ns = begin_ns
        self._started = started
        self._rate = rate
        self._now_ns = begin_ns
        self._next_ns = begin_ns

    def due(self, recorded_ns: int) -> float:
        """Return the seconds on the steady clock at which a message goes out."""
        if self._rate is None:
            return self._started
        return self._started + (recorded_ns - self._begin_ns) / 1e9 / self._rate

    def wait_for(self, recorded_ns: int) -> None:
        """Name the next message: however late it goes out, the recording's time waits for it."""
        self._next_ns = recorded_ns

    def reach(self, recorded_ns: int) -> None:
        """Go on to the time of a message, which goes out now."""
        self._now_ns = max(self._now_ns, recorded_ns)

    def now_ns(self, steady: float) -> int:
        """Return the recording's time in nanoseconds at that time of the steady clock."""
        if self._rate is not None:
            played_ns = self._begin_ns + round((steady - self._started) * self._rate * 1e9)
            self.reach(min(played_ns, self._next_ns))
        return self._now_ns
