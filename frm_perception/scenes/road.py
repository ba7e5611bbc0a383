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
"""The centre line of a road, and the way between world and road coordinates."""

from __future__ import annotations

import numpy as np

from frm_perception.scenes.basics import FloatArray

_STEP = 0.25


class Road:
    """
    A curving centre line.

    Road coordinates are ``along`` (arc length, metres) and ``across`` (metres to the right).

    :param start: first arc length that can be asked for; the world's origin is at arc length 0.
    :param end: last arc length.
    :param swing: largest change of heading, radians; stays below a quarter turn.
    """

    def __init__(self, rng: np.random.Generator, start: float, end: float, swing: float) -> None:
        self.start, self.end = start, end
        along = np.arange(start, end + _STEP, _STEP)
        waves = rng.uniform(90, 260, 3)
        shares = rng.dirichlet((1, 1, 1)) * swing
        phases = rng.uniform(0, 2 * np.pi, 3)
        heading = (np.sin(along[:, None] / waves + phases) * shares).sum(1)
        origin = round(-start / _STEP)
        x = np.cumsum(np.sin(heading)) * _STEP
        y = np.cumsum(np.cos(heading)) * _STEP
        self._heading = heading.astype(np.float32)
        self._x = (x - x[origin]).astype(np.float32)
        self._y = (y - y[origin]).astype(np.float32)
        self._north = np.interp(
            np.arange(self._y[0], self._y[-1], _STEP), self._y, along).astype(np.float32)
        self._sin, self._cos = np.sin(self._heading), np.cos(self._heading)

    def heading(self, along: float) -> float:
        """Return the direction of the road, radians from north towards east."""
        return float(np.interp((along - self.start) / _STEP, np.arange(len(self._heading)),
                               self._heading))

    def point(self, along: float, across: float = 0.0) -> tuple[float, float]:
        """Return the world position (x, y) of a position on the road."""
        place = min(max((along - self.start) / _STEP, 0), len(self._x) - 2)
        index = int(place)
        rest = (place - index) * _STEP
        heading = self.heading(along)
        sin, cos = float(self._sin[index]), float(self._cos[index])
        return (float(self._x[index]) + rest * sin + across * np.cos(heading),
                float(self._y[index]) + rest * cos - across * np.sin(heading))

    def locate(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """
        Return road coordinates of world positions, and the road's heading there.

        Two Newton steps from the point of the road with the same y; exact to millimetres
        as far from the road as its radius allows.
        """
        row = np.clip((y - self._y[0]) * (1 / _STEP), 0, len(self._north) - 1).astype(np.int32)
        along = self._north[row]
        for _ in range(2):
            index = np.clip((along - self.start) * (1 / _STEP), 0,
                            len(self._x) - 1).astype(np.int32)
            sin, cos = self._sin[index], self._cos[index]
            east, north = x - self._x[index], y - self._y[index]
            along = index.astype(np.float32) * np.float32(_STEP) + np.float32(self.start) + (
                east * sin + north * cos)
        return along, east * cos - north * sin, self._heading[index]
