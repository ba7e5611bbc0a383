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
"""Puts houses, plants, traffic, people and street furniture along a road."""

from __future__ import annotations

import numpy as np

from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import stream
from frm_perception.scenes.basics import vary
from frm_perception.scenes.facades import House
from frm_perception.scenes.facades import make_house
from frm_perception.scenes.furniture import fence
from frm_perception.scenes.furniture import gantry
from frm_perception.scenes.furniture import lamp_post
from frm_perception.scenes.furniture import traffic_light
from frm_perception.scenes.furniture import traffic_sign
from frm_perception.scenes.furniture import utility_pole
from frm_perception.scenes.items import Building
from frm_perception.scenes.items import Furniture
from frm_perception.scenes.items import Item
from frm_perception.scenes.items import Person
from frm_perception.scenes.items import Place
from frm_perception.scenes.items import Plant
from frm_perception.scenes.items import Vehicle
from frm_perception.scenes.layout import Layout
from frm_perception.scenes.light import Light
from frm_perception.scenes.people import Figure
from frm_perception.scenes.people import make_figure
from frm_perception.scenes.road import Road
from frm_perception.scenes.vegetation import TreeKind
from frm_perception.scenes.vegetation import make_bushes
from frm_perception.scenes.vegetation import make_trees
from frm_perception.scenes.vehicles import Mesh
from frm_perception.scenes.vehicles import make_bus
from frm_perception.scenes.vehicles import make_car
from frm_perception.scenes.vehicles import make_lorry
from frm_perception.scenes.vehicles import make_van


class World:
    """
    Everything along the road of one drive.

    :param start: metres along the road where the first item may stand.
    :param end: where the last may stand.
    :param duration: seconds that the drive lasts.
    """

    def __init__(self, seed: int, road: Road, layout: Layout, light: Light,
                 start: float, end: float, duration: float) -> None:
        self.road, self.layout, self.light = road, layout, light
        self.start, self.end, self.duration = start, end, duration
        self.buildings: list[Building] = []
        self.trees: list[tuple[Plant, TreeKind]] = []
        self.vehicles: list[Vehicle] = []
        self.people: list[Person] = []
        self.bushes: list[Plant] = []
        self.furniture: list[Furniture] = []
        self._build_houses(stream(seed, 'houses'))
        self._plant(stream(seed, 'plants'))
        self._furnish(stream(seed, 'furniture'))
        self._fence(stream(seed, 'fences'))
        self._park(stream(seed, 'parked'))
        self._drive(stream(seed, 'traffic'))
        self._walk(stream(seed, 'people'))

    def items(self) -> list[Item]:
        """Return everything that is drawn."""
        return [*self.buildings, *(plant for plant, _ in self.trees), *self.vehicles,
                *self.people, *self.bushes, *self.furniture]

    def _build_houses(self, rng: np.random.Generator) -> None:
        layout = self.layout
        if layout.kind == 'highway':
            return
        pool = [make_house(rng, self.light, layout.kind == 'urban') for _ in range(7)]
        gap = {'urban': (0.0, 0.4), 'suburban': (1.5, 6.0), 'rural': (25, 140)}[layout.kind]
        for side in (-1, 1):
            along = self.start + float(rng.uniform(0, 10 if layout.kind != 'rural' else 80))
            front = layout.edge(side) + layout.frontage
            while along < self.end:
                house = pool[rng.integers(len(pool))]
                width = house.size[0]
                if layout.near_junction(along + width / 2, width / 2 + layout.pavement + 0.3,
                                        side):
                    along += 1.0
                    continue
                back = side * (front + house.size[1])
                self._house(house, ((along + width, side * front), (along, side * front),
                                    (along, back), (along + width, back)))
                along += width + float(rng.uniform(*gap) if rng.random() < 0.7 else gap[0])
        for junction in layout.junctions:
            for side in junction.sides:
                self._line_side_street(rng, junction.along, junction.half, side, pool)

    def _house(self, house: House, footprint: tuple[Place, Place, Place, Place]) -> None:
        """Add a house; the footprint is in road coordinates, its front first."""
        corners = [self.road.point(along, across) for along, across in footprint]
        far = max(along for along, _ in footprint)
        self.buildings.append(Building((corners[0], corners[1], corners[2], corners[3]),
                                       far, house))

    def _line_side_street(self, rng: np.random.Generator, middle: float, half: float, side: int,
                          pool: list[House]) -> None:
        """Add houses along both sides of a side street, behind those of the main road."""
        begin = self.layout.edge(side) + self.layout.frontage + 13
        for sign in (-1, 1):
            front = middle + sign * (half + 0.3 + self.layout.pavement)
            across = begin
            while across < begin + 40:
                house = pool[rng.integers(len(pool))]
                near, far = side * across, side * (across + house.size[0])
                back = front + sign * house.size[1]
                self._house(house, ((front, far), (front, near), (back, near), (back, far)))
                across += house.size[0] + float(rng.uniform(0, 3))

    def _plant(self, rng: np.random.Generator) -> None:
        layout = self.layout
        sun_left = float(-self.light.sun[0])
        kinds = make_trees(rng, 5, sun_left, layout.kind == 'urban')
        bushes = make_bushes(rng, 3, sun_left)
        for side in (-1, 1):
            edge = layout.edge(side)
            if layout.kind == 'urban':
                spots = [(edge + 0.8, rng.choice((0.0, 8.0, 14.0, 25.0)), 0.7)]
            elif layout.kind == 'suburban':
                spots = [(edge + layout.frontage - 2, 12.0, 0.8),
                         (edge + layout.frontage + 14, 9.0, 1.1)]
                if layout.verge:
                    spots.append((edge + 0.15 + layout.verge / 2, 11.0, 0.7))
            else:
                far = edge + (3.0 if layout.kind == 'rural' else 6.0)
                spots = [(far + 3, float(rng.uniform(7, 40)), 0.9),
                         (far + 12, float(rng.uniform(5, 12)), 1.1), (far + 28, 9.0, 1.2)]
            for across, spacing, scale in spots:
                self._tree_row(rng, side, across, float(spacing), scale, kinds)
            if layout.kind != 'urban':
                first = edge + (layout.verge + layout.pavement + 1.2 if layout.pavement else 4.0)
                along = self.start
                while along < self.end:
                    along += float(rng.exponential(9)) + 1
                    across = side * (first + float(rng.exponential(1.5)))
                    if not layout.near_junction(along, 4, side):
                        self.bushes.append(Plant(self.road.point(along, across), along,
                                                 bushes[rng.integers(3)],
                                                 float(rng.uniform(0.5, 1.1))))

    def _tree_row(self, rng: np.random.Generator, side: int, across: float, spacing: float,
                  scale: float, kinds: list[TreeKind]) -> None:
        if not spacing:
            return
        along = self.start
        while along < self.end:
            along += spacing * float(rng.uniform(0.6, 1.6))
            if self.layout.near_junction(along, 4, side):
                continue
            kind = kinds[rng.integers(len(kinds))]
            shift = 0.0 if across < self.layout.edge(side) + 2 else float(rng.normal(0, 0.8))
            place = self.road.point(along, side * (across + shift))
            self.trees.append((Plant(place, along, kind.sprite,
                                     scale * float(rng.uniform(0.8, 1.15))), kind))

    def _furnish(self, rng: np.random.Generator) -> None:
        """Street lamps, poles, signs, traffic lights, sign bridges."""
        layout, road = self.layout, self.road
        color = vary(rng, ((96, 100, 104), (60, 64, 62), (140, 142, 144))[rng.integers(3)], 10)
        height = float(rng.uniform(5.5, 9))
        for side in (-1, 1):
            post = side * (layout.edge(side) + (0.5 if layout.kerb else 1.6))
            spacing = {'rural': 45.0, 'highway': 50.0}.get(layout.kind, float(rng.uniform(22, 38)))
            lamps = layout.kind != 'rural' and rng.random() < 0.75
            poles = layout.kind == 'rural' and side > 0
            for along in np.arange(self.start + rng.uniform(0, spacing), self.end, spacing):
                if layout.near_junction(along, 2, side):
                    continue
                if lamps:
                    self.furniture.append(lamp_post(road, along, post, height, color))
                elif poles:
                    self.furniture.append(utility_pole(road, along, post + side * 1.5))
        post = layout.side * (layout.edge(layout.side) + (0.45 if layout.kerb else 1.3))
        along = self.start
        while along < self.end:
            along += float(rng.uniform(12, 60))
            if not layout.near_junction(along, 1):
                self.furniture.append(traffic_sign(rng, road, along, post))
        if layout.kind == 'highway':
            inner, outer = sorted((layout.side * layout.median * 0.3, post))
            for along in np.arange(self.start + rng.uniform(30, 150), self.end, 230):
                self.furniture.append(gantry(road, along, (inner - 0.5, outer + 0.5), rng))
        for crossing in layout.crossings:
            if rng.random() < 0.7:
                green = bool(rng.random() < 0.8)
                for side in (-1, 1):
                    across = side * (layout.edge(side) + 0.5)
                    self.furniture.append(traffic_light(road, crossing - 2.6, across, green))

    def _fence(self, rng: np.random.Generator) -> None:
        layout = self.layout
        for side in (-1, 1):
            edge = layout.edge(side)
            style, across, share = {
                'highway': ('rail', edge + 0.7, 0.7),
                'rural': (str(rng.choice(('rail', 'boards'))), edge + 2.4, 0.35),
                'suburban': (str(rng.choice(('boards', 'wall', 'railing'))),
                             edge + layout.verge + layout.pavement + 0.4, 0.6),
                'urban': ('railing', edge + 0.3, 0.25),
            }[layout.kind]
            self._fence_row(rng, side * across, side, style, share)
        if layout.kind == 'highway':
            self._fence_row(rng, 0.0, 0, 'rail', 1.0)

    def _fence_row(self, rng: np.random.Generator, across: float, side: int, style: str,
                   share: float) -> None:
        color: Color = {'rail': (150, 154, 158), 'boards': (128, 98, 70), 'railing': (50, 54, 56),
                        'wall': (150, 110, 90)}[style]
        color = vary(rng, color, 18)
        along, piece = self.start, 4.0
        while along < self.end:
            count = int(rng.integers(4, 12))
            present = rng.random() < share
            for _ in range(count):
                middle = along + piece / 2
                free = not self.layout.near_junction(middle, 8, side) and all(
                    abs(middle - crossing) > 5 for crossing in self.layout.crossings)
                if present and free:
                    self.furniture.append(fence(self.road, (along, along + piece), across, style,
                                           color))
                along += piece

    def _park(self, rng: np.random.Generator) -> None:
        layout = self.layout
        if not layout.parking:
            return
        meshes = _meshes(rng)[:8]
        for side in (-1, 1):
            along = self.start
            fill = float(rng.uniform(0.3, 0.9))
            while along < self.end:
                mesh = meshes[rng.integers(len(meshes))]
                along += mesh.size[1] + float(rng.uniform(0.8, 2))
                clear = not layout.near_junction(along, 8, side) and all(
                    abs(along - crossing) > 8 for crossing in layout.crossings)
                if clear and rng.random() < fill:
                    across = side * (layout.edge(side) - 1.1 + float(rng.normal(0, 0.06)))
                    self.vehicles.append(Vehicle(self.road, mesh, along, across, 0.0,
                                                 side != layout.side))

    def _drive(self, rng: np.random.Generator) -> None:
        """Traffic: all vehicles of a lane keep one speed and their distance."""
        layout = self.layout
        meshes = _meshes(rng)
        busy = float(rng.uniform(0.15, 1)) * {'highway': 1.6, 'urban': 2.2}.get(layout.kind, 2.5)
        for number, lane in enumerate(layout.lanes()):
            speed = lane.direction * layout.speed * float(
                1.0 if number == 0 else rng.uniform(0.85, 1.25))
            reach = abs(speed) * self.duration
            first, last = self.start, self.end
            if lane.direction < 0:
                last += reach
            elif number:
                first -= reach
            along = first + float(rng.exponential(20))
            while along < last:
                own = number == 0
                mesh = meshes[rng.integers(len(meshes))]
                if not own or along > 14 + mesh.size[1] / 2:
                    self.vehicles.append(Vehicle(
                        self.road, mesh, along, lane.across + float(rng.normal(0, 0.12)), speed,
                        lane.direction < 0))
                along += mesh.size[1] + max(layout.speed * 0.8, 6) + float(
                    rng.exponential(layout.speed * 4 / busy))

    def _walk(self, rng: np.random.Generator) -> None:
        layout = self.layout
        if not layout.pavement:
            return
        figures = [make_figure(rng) for _ in range(10)]
        every = {'urban': float(rng.uniform(2, 12)), 'suburban': float(rng.uniform(8, 30))}[
            layout.kind]
        for side in (-1, 1):
            walk = layout.edge(side) + 0.15 + layout.verge
            along = self.start
            while along < self.end:
                along += float(rng.exponential(every))
                across = side * (walk + float(rng.uniform(0.5, max(layout.pavement - 0.4, 0.8))))
                speed = float(rng.choice((-1, 1, 1, -1, 0)) * rng.uniform(0.9, 1.6))
                self.people.append(Person(self.road, figures[rng.integers(10)], along, across,
                                          speed, 0.0, rides=False))
            along = self.start
            while along < self.end:
                along += float(rng.exponential(50)) + 12
                way = 1 if side == layout.side else -1
                across = side * (layout.edge(side) - (
                    layout.shoulder + 0.4 if layout.parking else 0.55))
                self.people.append(Person(self.road, figures[rng.integers(10)], along, across,
                                          way * float(rng.uniform(3.5, 5)), 0.0, rides=True))
        for crossing in layout.crossings:
            self._cross(rng, crossing, figures[rng.integers(10)])

    def _cross(self, rng: np.random.Generator, crossing: float, figure: Figure) -> None:
        """Let somebody cross so that the far kerb is reached before the ego vehicle comes."""
        layout = self.layout
        arrival = crossing / layout.speed
        pace = float(rng.uniform(1.1, 1.6)) * layout.side
        finish = arrival - float(rng.uniform(2, 4))
        own_edge = layout.side * (layout.edge(layout.side) + 0.6)
        self.people.append(Person(self.road, figure, crossing + float(rng.normal(0, 0.6)),
                                  own_edge - pace * finish, 0.0, pace, rides=False))


def _meshes(rng: np.random.Generator) -> list[Mesh]:
    """Draw ten vehicles; the long ones come last."""
    makers = (*[make_car] * 6, make_van, make_van, make_lorry, make_bus)
    return [maker(rng) for maker in makers]
