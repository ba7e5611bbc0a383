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
What the node tells its service manager: when it is ready, what it does, and that it lives.

A node lives as long as its executor runs and its worker gets on with the images that come. So the
watchdog is fed once a second unless images wait for an answer and nothing became of any of them
in that second. It is fed where no image comes: to start a node again brings no camera back. It is
fed while an engine loads, but not for ever. It is not fed once a failing engine was given up.
"""

from __future__ import annotations

from typing import NamedTuple

from rclpy.impl.rcutils_logger import RcutilsLogger

from frm_perception.ros.diagnostics import NodeStatus
from frm_perception.runtime.service_manager import ServiceManager

LONGEST_LOADING_S = 3600.0
"""An engine that loads for longer, which on a device may build it, is taken to hang."""
EXTENSION_S = 30.0
"""The service manager grants so much more time whenever the node says that it still loads."""
LEAST_WATCHDOG_S = 5.0
"""The node speaks once a second; who waits less than this for it would kill a healthy one."""


class Progress(NamedTuple):
    """
    What became of images, in counts that only grow, but for the last.

    :param settled: images that the worker answered, or refused for a fault of theirs.
    :param unsettled: images that failed or gave way to a newer one.
    :param in_flight: images that wait or are in work now.
    """

    settled: int = 0
    unsettled: int = 0
    in_flight: int = 0


class Stall:
    """
    Notes for how long images have come and nothing became of any.

    To be asked once a second or so; what it cannot see is shorter than that.
    """

    def __init__(self) -> None:
        self._before = Progress()
        self._since: float | None = None

    def note(self, progress: Progress, now: float) -> float:
        """
        Take in how things are.

        :param now: steady time in seconds.
        :return: seconds since images have waited in vain; 0.0 where they do not.
        """
        before, self._before = self._before, progress
        waits = progress.in_flight > 0 or progress.unsettled > before.unsettled
        if progress.settled != before.settled or not waits:
            self._since = None
            return 0.0
        if self._since is None:
            self._since = now
        return now - self._since


class Supervision:
    """
    Speaks to the service manager, if there is one, for the node.

    :param logger: of the node.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._manager = ServiceManager()
        watchdog_s = self._manager.watchdog_s
        if watchdog_s is not None and watchdog_s < LEAST_WATCHDOG_S:
            logger.warning(
                f'the watchdog of the service manager waits {watchdog_s:g} s and the node speaks '
                f'once a second: let WatchdogSec be {LEAST_WATCHDOG_S:g} s or more')

    def say_ready(self) -> None:
        """Say that the node is where it was to be brought; from here on the watchdog waits."""
        self._tell(READY=1)

    def say_loading(self, seconds: float) -> None:
        """Ask for more time to start, and feed the watchdog, while an engine loads."""
        if seconds < LONGEST_LOADING_S:
            self._tell(STATUS=f'the engine has been loading for {seconds:.0f} s',
                       EXTEND_TIMEOUT_USEC=int(EXTENSION_S * 1e6), WATCHDOG=1)

    def say_status(self, status: NodeStatus, is_alive: bool) -> None:
        """Say what the node does, and feed the watchdog where it is alive."""
        rates = ''.join(f'; {name} {part.values["rate_out_hz"]:.1f} Hz'
                        for name, part in status.cameras.items()
                        if isinstance(part.values.get('rate_out_hz'), float))
        self._tell(STATUS=status.engine.message + rates, **{'WATCHDOG': 1} if is_alive else {})

    def say_stopping(self) -> None:
        """Say that the node ends because it was told to."""
        self._tell(STOPPING=1)

    def _tell(self, **news: str | int) -> None:
        self._manager.tell(**news)
        if self._manager.problem:
            self._logger.warning(self._manager.problem, throttle_duration_sec=60.0)
