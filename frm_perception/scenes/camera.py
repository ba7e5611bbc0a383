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
"""A pinhole camera that drives over gently curved ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from frm_perception.scenes.basics import FloatArray

NEAR = 0.3
"""Metres before the camera at which geometry is cut."""


@dataclass(frozen=True)
class Camera:
    """
    Where the camera is and how it looks.

    World axes: x east, y north, z height above the local ground, metres. Camera axes: x right,
    y down, z forward. The ground is a paraboloid round the camera, so that a road leads over a
    hill or through a dip without its own height table.

    :param focal: pixels.
    :param x: world position, metres.
    :param y: world position, metres.
    :param eye: height above the ground, metres.
    :param heading: radians from north towards east.
    :param pitch: radians, positive looks down.
    :param roll: radians, positive leans to the right.
    :param bend: curvature of the ground, 1/metres; positive is a dip.
    """

    width: int
    height: int
    focal: float
    x: float
    y: float
    eye: float
    heading: float
    pitch: float
    roll: float
    bend: float

    @cached_property
    def _turn(self) -> FloatArray:
        """(3, 3) rotation from world to camera axes."""
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        level = np.array(((cos, -sin, 0), (0, 0, -1), (sin, cos, 0)))
        cos, sin = np.cos(self.pitch), np.sin(self.pitch)
        pitched = np.array(((1, 0, 0), (0, cos, -sin), (0, sin, cos)))
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        rolled = np.array(((cos, sin, 0), (-sin, cos, 0), (0, 0, 1)))
        return np.asarray(rolled @ pitched @ level, np.float32)

    def to_camera(self, points: ArrayLike) -> FloatArray:
        """Return (N, 3) float32 camera coordinates of (N, 3) world points."""
        offset = np.array((self.x, self.y, self.eye), np.float32)
        shifted = np.asarray(points, np.float32) - offset
        shifted[:, 2] += np.float32(0.5 * self.bend) * (
            shifted[:, 0] * shifted[:, 0] + shifted[:, 1] * shifted[:, 1])
        seen: FloatArray = shifted @ self._turn.T
        return seen

    def to_pixels(self, points: FloatArray) -> FloatArray:
        """Return (N, 2) float32 columns and rows of (N, 3) camera points with z > 0."""
        centre = np.array((self.width / 2, self.height / 2), np.float32)
        pixels: FloatArray = points[:, :2] * (np.float32(self.focal) / points[:, 2:3]) + centre
        return pixels

    def ground(self) -> tuple[FloatArray, FloatArray]:
        """
        Cut the rays through all pixels with the ground.

        :return: metres to the right and ahead, two (height, width) float32 arrays. Where a ray
            misses the ground, the distance ahead is infinite.
        """
        columns = (np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) / self.focal
        rows = (np.arange(self.height, dtype=np.float32) + 0.5 - self.height / 2) / self.focal
        cos, sin = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        right = columns * cos - (rows * sin)[:, None]
        down = columns * sin + (rows * cos)[:, None]
        cos, sin = np.float32(np.cos(self.pitch)), np.float32(np.sin(self.pitch))
        ahead, up = cos - sin * down, -cos * down - sin
        square = (right * right + ahead * ahead) * np.float32(2 * self.bend * self.eye) + up * up
        reach = np.sqrt(np.maximum(square, 0)) - up
        hit = (square > 0) & (reach > 1e-4)
        scale = np.where(hit, np.float32(2 * self.eye) / np.maximum(reach, 1e-4), np.float32(0))
        right *= scale
        ahead = np.where(hit, ahead * scale, np.float32(np.inf))
        return right, ahead

    def to_world(self, right: FloatArray, ahead: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return world x and y of points given in metres to the right and ahead."""
        cos, sin = np.float32(np.cos(self.heading)), np.float32(np.sin(self.heading))
        return (right * cos + ahead * sin + np.float32(self.x),
                ahead * cos - right * sin + np.float32(self.y))

    def sees(self, x: float, y: float, radius: float) -> bool:
        """Return whether any of a disc on the ground may lie in the picture's width."""
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        ahead = (x - self.x) * sin + (y - self.y) * cos
        right = (x - self.x) * cos - (y - self.y) * sin
        slope = self.width / 2 / self.focal
        return ahead > -radius and abs(right) < slope * max(ahead, 0) + radius * (1 + slope)


def clip_near(points: FloatArray) -> FloatArray:
    """Return the part of a planar polygon ((N, 3) camera points) beyond the near plane."""
    depth = points[:, 2]
    if (depth > NEAR).all():
        return points
    kept: list[FloatArray] = []
    for index in range(len(points)):
        start, end = points[index - 1], points[index]
        if (start[2] > NEAR) != (end[2] > NEAR):
            kept.append(start + (end - start) * ((NEAR - start[2]) / (end[2] - start[2])))
        if end[2] > NEAR:
            kept.append(end)
    return np.asarray(kept, np.float32).reshape(-1, 3)
