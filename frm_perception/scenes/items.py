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

from frm_perception.scenes import basics
from frm_perception.scenes.basics import Color
from frm_perception.scenes.facades import House
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.painter import Sprite
from frm_perception.scenes.people import Figure
from frm_perception.scenes.people import draw_bicyclist
from frm_perception.scenes.people import draw_pedestrian
from frm_perception.scenes.road import Road
from frm_perception.scenes.vehicles import Mesh
from frm_perception.scenes.vehicles import draw_vehicle
from frm_perception.scenes.vehicles import shade_under

Place = tuple[float, float]


class Item(ABC):
    """Something on or beside the road."""

    @abstractmethod
    def along(self, time: float) -> float:
        """Return where on the road it is (metres); farther items are drawn earlier."""

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

    def along(self, time: float) -> float:
        return self.start + self.speed * time

    def pose(self, time: float) -> tuple[Place, float]:
        """Return world position and heading."""
        along = self.along(time)
        heading = self.road.heading(along) + (np.pi if self.reverse else 0)
        return self.road.point(along, self.across), heading

    def draw(self, painter: Painter) -> None:
        place, heading = self.pose(painter.time)
        draw_vehicle(painter, self.mesh, place, heading)

    def shade(self, painter: Painter) -> None:
        place, heading = self.pose(painter.time)
        shade_under(painter, self.mesh, place, heading)


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

    def along(self, time: float) -> float:
        return self.start + self.speed * time

    def _place(self, time: float) -> Place:
        return self.road.point(self.along(time), self.across + self.cross_speed * time)

    def draw(self, painter: Painter) -> None:
        place = self._place(painter.time)
        heading = self.road.heading(self.along(painter.time)) + float(
            np.arctan2(self.cross_speed, self.speed))
        if self.rides:
            draw_bicyclist(painter, self.figure, place, heading)
        else:
            speed = abs(self.speed) + abs(self.cross_speed)
            draw_pedestrian(painter, self.figure, place, heading, speed)

    def shade(self, painter: Painter) -> None:
        x, y = self._place(painter.time)
        angles = np.linspace(0, 2 * np.pi, 9)[:-1]
        long = 0.8 if self.rides else 0.3
        painter.shade(np.column_stack((x + 0.3 * np.cos(angles), y + long * np.sin(angles),
                                       np.zeros(8))), 0.6)


@dataclass(frozen=True)
class Plant(Item):
    """A tree or bush."""

    place: Place
    distance: float
    sprite: Sprite
    scale: float

    def along(self, time: float) -> float:
        del time
        return self.distance

    def draw(self, painter: Painter) -> None:
        light = painter.light
        factor = light.sky_share + 0.75 * light.sun_share
        painter.sprite(self.place, self.sprite, self.scale, basics.TREE, factor)


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

    def along(self, time: float) -> float:
        del time
        return self.distance

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

    def _wall(self, painter: Painter, ground: np.typing.NDArray[np.float64], index: int,
              normal: np.typing.NDArray[np.float64], distance: float) -> None:
        start, end = ground[index], ground[(index + 1) % 4]
        high = self.house.size[2]
        factor = painter.light.on_face(np.array((normal[0], normal[1], 0.0)))
        texture = self.house.front if index == 0 else self.house.side
        painter.wall([(*start, high), (*end, high), (*end, 0), (*start, 0)], texture,
                     painter.light.table(factor, distance), basics.BUILDING)
        if self.house.rise and index in (1, 3):
            peak = (*((start + end) / 2).tolist(), high + self.house.rise)
            color = tuple(self.house.side[-1].mean((0, 1)).tolist())
            painter.polygon([(*start, high), (*end, high), peak],
                            painter.light.seen(color, factor, distance), basics.BUILDING)

    def _roof(self, painter: Painter, ground: np.typing.NDArray[np.float64]) -> None:
        high, rise = self.house.size[2], self.house.rise
        ridge = ((ground[0] + ground[3]) / 2, (ground[1] + ground[2]) / 2)
        out = (ground[0] - ground[3]) / np.linalg.norm(ground[0] - ground[3])
        normal = np.array((out[0] * 0.5, out[1] * 0.5, 0.87))
        distance = float(np.hypot(*(ground[:2].mean(0) - (painter.camera.x, painter.camera.y))))
        color = painter.light.seen(self.house.roof, painter.light.on_face(normal), distance)
        eave = ground[:2] + 0.4 * out
        painter.polygon([(*eave[0], high - 0.1), (*eave[1], high - 0.1),
                         (*ridge[1], high + rise), (*ridge[0], high + rise)],
                        color, basics.BUILDING)


@dataclass(frozen=True)
class Part:
    """A flat or round piece of street furniture: world points, thickness (0: a face), colour."""

    points: tuple[tuple[float, float, float], ...]
    width: float
    color: Color
    label: int
    glow: bool = False


@dataclass(frozen=True)
class Furniture(Item):
    """A lamp post, sign, traffic light or piece of fence, made of parts."""

    distance: float
    parts: tuple[Part, ...]

    def along(self, time: float) -> float:
        del time
        return self.distance

    def draw(self, painter: Painter) -> None:
        light = painter.light
        ahead = painter.camera.distance(*self.parts[0].points[0][:2])
        factor = light.sky_share + 0.55 * light.sun_share
        bright = np.ones(3) / light.at_night(ahead)
        for part in self.parts:
            glows = part.glow and (light.lamps or part.label == basics.SIGN)
            color = light.seen(part.color, bright if glows else factor, ahead)
            if part.width:
                painter.line(part.points, part.width, color, part.label)
            else:
                painter.polygon(part.points, color, part.label)


def in_view(items: Sequence[Item], time: float, along: float, reach: float) -> list[Item]:
    """Return the items near a place on the road, farthest first."""
    near = [(item.along(time), item) for item in items]
    return [item for place, item in sorted(near, key=lambda pair: -pair[0])
            if -8 < place - along < reach]
