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
"""Whose frame is next, and how many frames a camera may have: without frames, clocks or ROS."""

from __future__ import annotations

from collections.abc import Mapping


class Turns:
    """
    Gives cameras that wait their turns, in the order of deadlines.

    Deadlines are in a virtual time, of which a camera's turn takes `1 / weight`: a turn's deadline
    is that long after the camera's last one, or after now where the camera did not wait meanwhile.
    So cameras that always wait have turns in proportion to their weights, to within one turn each;
    a camera that comes now and then is served at once, and saves up nothing while it is away. This
    is start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996), by the finish tag.

    :param weights: of every camera, above 0; they may be changed and count from the next turn on.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self._now = 0.0
        self._last: dict[str, float] = {}
        self._waiting: dict[str, tuple[float, float]] = {}  # camera -> deadline and start

    def join(self, camera: str) -> None:
        """Let a camera wait that does not wait yet."""
        start = max(self._now, self._last.get(camera, 0.0))
        self._waiting[camera] = start + 1 / self.weights[camera], start

    def next(self) -> str:
        """
        Return the camera with the oldest deadline, of equal ones that which waits the longest.

        :raises ValueError: no camera waits.
        """
        camera = min(self._waiting, key=lambda name: self._waiting[name][0])
        self._last[camera], start = self._waiting.pop(camera)
        self._now = max(self._now, start)
        return camera

    def batch(self, most: int) -> list[str]:
        """
        Return the camera that is next, and with it others, in the order of their deadlines.

        They are those whose turns would come before it could have another one, so that in batches,
        too, cameras have turns in proportion to their weights.

        :param most: cameras, itself among them.
        :raises ValueError: no camera waits.
        """
        cameras = [self.next()]
        until = self._last[cameras[0]] + 1 / self.weights[cameras[0]]
        while len(cameras) < most and self._waiting and min(self._waiting.values())[0] <= until:
            cameras.append(self.next())
        return cameras

    def clear(self) -> None:
        """Let no camera wait any more."""
        self._waiting.clear()


class RateLimit:
    """
    Lets so many frames a second pass, evenly, and not more than two at once after a pause.

    A frame that may pass does so at once, so that no answer is older for it.

    :param most: frames a second; 0 lets all pass.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self._due = 0.0

    def admits(self, now: float) -> bool:
        """
        Tell whether a frame may pass, and book it if so.

        :param now: seconds on a clock that never goes back.
        """
        if self.most == 0:
            return True
        if now < self._due:
            return False
        self._due = max(self._due + 1 / self.most, now)
        return True
