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
"""What stands or moves along a road, and how each of it is drawn."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.scenes import basics
from frm_perception.scenes.basics import Color
from frm_perception.scenes.camera import Camera
from frm_perception.scenes.facades import House
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.painter import Shape
from frm_perception.scenes.painter import Sprite
from frm_perception.scenes.people import Figure
from frm_perception.scenes.people import draw_bicyclist
from frm_perception.scenes.people import draw_pedestrian
from frm_perception.scenes.road import Road
from frm_perception.scenes.vehicles import Mesh
from frm_perception.scenes.vehicles import draw_vehicle
from frm_perception.scenes.vehicles import shade_under

Place = tuple[float, float]
Point = tuple[float, float, float]


class Item(ABC):
    """Something on or beside the road."""

    radius: float = 4.0
    """Metres from its middle within which all of it lies, seen from above."""
    reach: float = 190.0
    """Metres along the road from which it is large enough to be drawn."""

    @abstractmethod
    def along(self, time: float) -> float:
        """Return where on the road it is (metres)."""

    def depth(self, time: float) -> float:
        """Return the place along the road by which drawing is ordered; greater is earlier."""
        return self.along(time)

    @abstractmethod
    def place(self, time: float) -> Place:
        """Return the world position of its middle."""

    @abstractmethod
    def draw(self, painter: Painter) -> None:
        """Draw it, image and labels."""

    def shade(self, painter: Painter) -> None:
        """Darken the ground round it; only what moves does this frame by frame."""
        del painter


@dataclass(frozen=True)
class Vehicle(Item):
    """A parked or moving vehicle. ``speed`` is along the road, negative for oncoming traffic."""

    road: Road
    mesh: Mesh
    start: float
    across: float
    speed: float
    reverse: bool
    radius = 7.0

    def along(self, time: float) -> float:
        return self.start + self.speed * time

    def place(self, time: float) -> Place:
        return self.road.point(self.along(time), self.across)

    def depth(self, time: float) -> float:
        # Whatever stands farther from the middle of the road beside any part of the vehicle is
        # hidden by it, and must be drawn earlier.
        return self.along(time) - self.mesh.size[1] / 2

    def heading(self, time: float) -> float:
        """Return where it looks, radians from north towards east."""
        return self.road.heading(self.along(time)) + (np.pi if self.reverse else 0)

    def draw(self, painter: Painter) -> None:
        time = painter.time
        draw_vehicle(painter, self.mesh, self.place(time), self.heading(time))

    def shade(self, painter: Painter) -> None:
        time = painter.time
        shade_under(painter, self.mesh, self.place(time), self.heading(time))


@dataclass(frozen=True)
class Person(Item):
    """A pedestrian or bicyclist who goes along the road, or a pedestrian who crosses it."""

    road: Road
    figure: Figure
    start: float
    across: float
    speed: float
    cross_speed: float
    rides: bool
    radius = 1.0
    reach = 115.0

    def along(self, time: float) -> float:
        return self.start + self.speed * time

    def place(self, time: float) -> Place:
        return self.road.point(self.along(time), self.across + self.cross_speed * time)

    def draw(self, painter: Painter) -> None:
        place = self.place(painter.time)
        heading = self.road.heading(self.along(painter.time)) + float(
            np.arctan2(self.cross_speed, self.speed))
        if self.rides:
            draw_bicyclist(painter, self.figure, place, heading)
        else:
            speed = abs(self.speed) + abs(self.cross_speed)
            draw_pedestrian(painter, self.figure, place, heading, speed)

    def shade(self, painter: Painter) -> None:
        x, y = self.place(painter.time)
        angles = np.linspace(0, 2 * np.pi, 9)[:-1]
        long = 0.8 if self.rides else 0.3
        painter.shade(np.column_stack((x + 0.3 * np.cos(angles), y + long * np.sin(angles),
                                       np.zeros(8))), 0.6)


@dataclass(frozen=True)
class Plant(Item):
    """A tree or bush."""

    foot: Place
    distance: float
    sprite: Sprite
    scale: float

    def along(self, time: float) -> float:
        del time
        return self.distance

    def place(self, time: float) -> Place:
        del time
        return self.foot

    def draw(self, painter: Painter) -> None:
        light = painter.light
        factor = light.sky_share + 0.75 * light.sun_share
        painter.sprite(self.foot, self.sprite, self.scale, basics.TREE, factor)


@dataclass(frozen=True)
class Building(Item):
    """
    A house.

    :param corners: world positions of the footprint: front far, front near, back near, back far.
    :param distance: along the road, of its far end.
    """

    corners: tuple[Place, Place, Place, Place]
    distance: float
    house: House
    radius = 14.0

    def along(self, time: float) -> float:
        del time
        return self.distance

    def depth(self, time: float) -> float:
        # The crowns of trees that stand a little farther along reach before the front.
        return self.along(time) + 6.0

    def place(self, time: float) -> Place:
        del time
        x, y = np.mean(self.corners, 0).tolist()
        return x, y

    def draw(self, painter: Painter) -> None:
        eye = np.array((painter.camera.x, painter.camera.y))
        ground = np.asarray(self.corners)
        middle = ground.mean(0)
        walls = []
        for index in range(4):
            start, end = ground[index], ground[(index + 1) % 4]
            normal = np.array((end[1] - start[1], start[0] - end[0]))
            normal = normal / np.linalg.norm(normal)
            if normal @ (start - middle) < 0:
                normal = -normal
            if normal @ (eye - start) > 0:
                walls.append((float(np.hypot(*((start + end) / 2 - eye))), index, normal))
        if self.house.rise:
            self._roof(painter, ground)
        for distance, index, normal in sorted(walls, key=lambda wall: -wall[0]):
            self._wall(painter, ground, index, normal, distance)

    def _wall(self, painter: Painter, ground: NDArray[np.float64], index: int,
              normal: NDArray[np.float64], distance: float) -> None:
        start, end = ground[index], ground[(index + 1) % 4]
        high = self.house.size[2]
        factor = painter.light.on_face(np.array((normal[0], normal[1], 0.0)))
        texture = self.house.front if index == 0 else self.house.side
        painter.wall([(*start, high), (*end, high), (*end, 0), (*start, 0)], texture,
                     painter.light.table(factor, distance), basics.BUILDING)
        if self.house.rise and index in (1, 3):
            peak = (*((start + end) / 2).tolist(), high + self.house.rise)
            seen = painter.light.seen(self.house.side[-1].mean((0, 1)), factor, distance)
            painter.polygon([(*start, high), (*end, high), peak], seen.tolist(),
                            basics.BUILDING)

    def _roof(self, painter: Painter, ground: NDArray[np.float64]) -> None:
        high, rise = self.house.size[2], self.house.rise
        ridge = ((ground[0] + ground[3]) / 2, (ground[1] + ground[2]) / 2)
        out = (ground[0] - ground[3]) / np.linalg.norm(ground[0] - ground[3])
        normal = np.array((out[0] * 0.5, out[1] * 0.5, 0.87))
        distance = float(np.hypot(*(ground[:2].mean(0) - (painter.camera.x, painter.camera.y))))
        color = painter.light.seen(self.house.roof, painter.light.on_face(normal), distance)
        eave = ground[:2] + 0.4 * out
        painter.polygon([(*eave[0], high - 0.1), (*eave[1], high - 0.1),
                         (*ridge[1], high + rise), (*ridge[0], high + rise)],
                        color.tolist(), basics.BUILDING)


@dataclass(frozen=True)
class Part:
    """A flat or round piece of street furniture: world points, thickness (0: a face), colour."""

    points: tuple[Point, ...]
    width: float
    color: Color
    label: int
    glow: bool = False


class Furniture(Item):
    """A lamp post, sign, traffic light or piece of fence, made of parts; later parts hide."""

    def __init__(self, distance: float, parts: Sequence[Part]) -> None:
        self._distance, self._parts = distance, tuple(parts)
        # What is no taller than a fence is lost in the distance long before a lamp post is.
        if max(point[2] for part in parts for point in part.points) < 2:
            self.reach = 125.0
        self._place = (parts[0].points[0][0], parts[0].points[0][1])
        self._points = np.array([point for part in parts for point in part.points], np.float32)
        ends = np.cumsum([len(part.points) for part in parts]).tolist()
        self._shapes = [Shape(end - len(part.points), end, part.width, part.label)
                        for end, part in zip(ends, parts, strict=True)]
        self._colors = np.array([part.color for part in parts], np.float64)
        self._glows = np.array([part.glow for part in parts])
        self._signals = self._glows & np.array([part.label == basics.SIGN for part in parts])

    def along(self, time: float) -> float:
        return self._distance

    def place(self, time: float) -> Place:
        return self._place

    def posts(self) -> list[tuple[Point, Point]]:
        """Return the ends of the lines that are thick enough to cast a shadow."""
        return [(part.points[0], part.points[-1]) for part in self._parts if part.width > 0.05]

    def draw(self, painter: Painter) -> None:
        light = painter.light
        points = painter.camera.to_camera(self._points)
        distance = float(points[0, 2])
        bright = 1 / light.at_night(distance)
        glows = self._glows if light.lamps else self._signals
        factor = np.where(glows[:, None], bright, light.sky_share + 0.55 * light.sun_share)
        painter.shapes(points, self._shapes, light.seen(self._colors, factor, distance),
                       range(len(self._shapes)))


def in_view(items: Sequence[Item], camera: Camera, time: float, along: float) -> list[Item]:
    """
    Return the items that the camera may see, farthest first.

    :param along: where on the road the camera is.
    """
    near = [item for item in items if -8 < item.along(time) - along < item.reach]
    seen = [item for item in near if camera.sees(*item.place(time), item.radius)]
    return sorted(seen, key=lambda item: -item.depth(time))
