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
"""The shadows that houses, trees and posts cast on the ground, as a map in road coordinates."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.ground_map import LONG
from frm_perception.scenes.ground_map import REACH
from frm_perception.scenes.ground_map import WIDE
from frm_perception.scenes.ground_map import GroundMap
from frm_perception.scenes.items import Building
from frm_perception.scenes.items import Furniture
from frm_perception.scenes.items import Plant
from frm_perception.scenes.light import Light
from frm_perception.scenes.road import Road
from frm_perception.scenes.vegetation import TreeKind

_LONGEST = 45.0
"""Metres to which a shadow is cut when the sun stands low."""
_FAINT = 0.2
"""Share of sunlight below which no shadow is seen."""


class ShadowMap:
    """
    The ground map's twin: 255 where the sun does not reach.

    :param plan: the ground map whose cells it shares.
    """

    def __init__(self, road: Road, light: Light, plan: GroundMap) -> None:
        self._road, self._start = road, plan.start
        self.cells: ByteArray = np.zeros(plan.material.shape, np.uint8)
        self._visible = bool(light.sun_share.max() > _FAINT)
        self._cast: NDArray[np.float64] = -light.sun[:2] / max(light.sun[2], 0.1)

    def paint(self, rng: np.random.Generator, buildings: Iterable[Building],
              trees: Iterable[tuple[Plant, TreeKind]], posts: Iterable[Furniture]) -> ByteArray:
        """Return the (rows, columns) uint8 map with the shadows of all that."""
        if self._visible:
            for building in buildings:
                self._building(building)
            for post in posts:
                for start, end in post.posts():
                    self._post(start, end)
            for plant, kind in trees:
                self._tree(rng, plant, kind)
            self.cells = np.asarray(cv2.GaussianBlur(self.cells, (5, 3), 0), np.uint8)
        return self.cells

    def _to_cells(self, points: ArrayLike) -> NDArray[np.int32]:
        world = np.asarray(points, np.float32)
        along, across, _ = self._road.locate(world[:, 0], world[:, 1])
        columns, rows = (across + REACH) / WIDE, (along - self._start) / LONG
        cells: NDArray[np.int32] = np.round(np.stack((columns, rows), 1)).astype(np.int32)
        return cells

    def _shift(self, height: float) -> NDArray[np.float64]:
        """Return how far the shadow of a point at a height falls from its foot."""
        shift = self._cast * height
        return shift * min(1, _LONGEST / max(float(np.linalg.norm(shift)), 1e-6))

    def _building(self, building: Building) -> None:
        foot = np.asarray(building.corners)
        high = building.house.size[2]
        ridge = (foot + foot[::-1]) / 2 + self._shift(high + building.house.rise)
        outline = np.vstack((foot, foot + self._shift(high), ridge)).astype(np.float32)
        hull = cv2.convexHull(outline).reshape(-1, 2)
        cv2.fillConvexPoly(self.cells, self._to_cells(hull), (255,))

    def _post(self, start: tuple[float, float, float], end: tuple[float, float, float]) -> None:
        ends = [np.asarray(point[:2]) + self._shift(point[2]) for point in (start, end)]
        cells = self._to_cells(ends)
        cv2.line(self.cells, cells[0].tolist(), cells[1].tolist(), (200,), 2)

    def _tree(self, rng: np.random.Generator, plant: Plant, kind: TreeKind) -> None:
        """Leave gaps between the leaves, more of them towards the edge of the crown."""
        foot = np.asarray(plant.foot)
        middle = foot + self._shift(kind.middle * plant.scale)
        self._post((*plant.foot, 0.0), (*plant.foot, kind.middle * plant.scale))
        radius = kind.radius * plant.scale
        stretch = np.clip(np.linalg.norm(self._cast), 0.7, 2.5)
        along_sun = self._cast / max(float(np.linalg.norm(self._cast)), 1e-6)
        count = int(70 * kind.density)
        angles = rng.uniform(0, 2 * np.pi, count)
        reach = np.sqrt(rng.uniform(0, 1, count)) * radius
        aside = np.array((-along_sun[1], along_sun[0]))
        spots = middle + (np.cos(angles) * reach * stretch)[:, None] * along_sun + (
            np.sin(angles) * reach)[:, None] * aside
        sizes = rng.uniform(0.1, 0.3, count) * radius
        for cell, size in zip(self._to_cells(spots).tolist(), sizes, strict=True):
            cv2.ellipse(self.cells, cell, (int(size / WIDE), int(size / LONG)), 0, 0, 360,
                        (235,), -1)
