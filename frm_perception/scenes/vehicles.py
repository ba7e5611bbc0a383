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
"""Vehicles: small meshes of cars, vans, lorries and buses, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from frm_perception.scenes import basics
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.basics import vary
from frm_perception.scenes.light import Light
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.painter import Shape

_GLASS: Color = (44, 52, 60)
_RUBBER: Color = (26, 26, 28)
_PAINTS: tuple[Color, ...] = (
    (188, 190, 194), (215, 215, 212), (38, 40, 44), (96, 100, 106), (30, 44, 92), (140, 22, 26),
    (70, 96, 140), (24, 70, 52), (176, 160, 124), (200, 150, 40), (60, 30, 30), (120, 150, 170))
_DETAIL = 55.0
"""Metres beyond which lamps, plates and hubs are too small to draw."""


@dataclass(frozen=True)
class Mesh:
    """
    Flat faces of a vehicle that looks along +y; x right, z up, the origin on the ground.

    :param vertices: (V, 3) float32.
    :param faces: the faces; their corners turn right as seen from outside.
    :param colors: (F, 3) surface colours.
    :param normals: (F, 3) unit vectors out of the faces.
    :param layers: (F,) drawing order: details lie on the faces of lower layers.
    :param glows: (F,) whether a face shines when lamps are on.
    :param size: width, length, height in metres.
    """

    vertices: FloatArray
    faces: tuple[Shape, ...]
    colors: NDArray[np.float64]
    normals: NDArray[np.float64]
    layers: NDArray[np.intp]
    glows: NDArray[np.bool_]
    size: tuple[float, float, float]


def _normal(corners: FloatArray) -> FloatArray:
    """Return a vector at right angles to a face; numpy's own cross product is slow on one."""
    (ax, ay, az), (bx, by, bz) = (corners[1:3] - corners[0]).tolist()
    return np.array((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), np.float32)


class _Builder:
    def __init__(self, size: tuple[float, float, float]) -> None:
        self.size = size
        self._faces: list[tuple[FloatArray, Color, int, bool]] = []

    def add(self, points: ArrayLike, color: Color, layer: int, centre: Sequence[float],
            glow: bool = False) -> None:
        """Add a face; it is turned so that it looks away from ``centre``."""
        corners = np.asarray(points, np.float32)
        normal = _normal(corners)
        if normal @ (corners.mean(0) - np.asarray(centre, np.float32)) < 0:
            corners = corners[::-1]
        self._faces.append((corners, color, layer, glow))

    def both(self, points: ArrayLike, color: Color, layer: int, centre: Sequence[float],
             glow: bool = False) -> None:
        """Add a face and its mirror image on the other side."""
        corners = np.asarray(points, np.float32)
        self.add(corners, color, layer, centre, glow)
        self.add(corners * (-1, 1, 1), color, layer, centre, glow)

    def extrude(self, outline: Sequence[tuple[float, float]], low: float, high: float,
                color: Color, layer: int, glass: Sequence[int] = ()) -> None:
        """
        Add a body with a side outline of (y, z) corners, its lower edge first and last.

        :param low: half width at the lowest corner.
        :param high: half width at the highest corner.
        :param glass: numbers of the strips between two corners that are windows.
        """
        side = np.asarray(outline, np.float32)
        bottom, top = side[:, 1].min(), side[:, 1].max()
        half = low + (high - low) * (side[:, 1] - bottom) / (top - bottom)
        right = np.column_stack((half, side))
        left = right * (-1, 1, 1)
        centre = (0.0, float(side[:, 0].mean()), float((bottom + top) / 2))
        self.both(right, color, layer, centre)
        for strip in range(len(side) - 1):
            corners = (right[strip], right[strip + 1], left[strip + 1], left[strip])
            self.add(corners, _GLASS if strip in glass else color, layer, centre)

    def wheels(self, half: float, radius: float, places: Sequence[float]) -> None:
        """Add wheels of a radius at places along the vehicle."""
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        for y in places:
            for size, out, color, layer in ((1.18, 0.004, (14, 14, 15), 4), (1, 0.008, _RUBBER, 5),
                                            (0.6, 0.012, (120, 122, 126), 6)):
                reach = radius * size
                ring = np.column_stack((np.full(12, half + out), y + reach * np.cos(angles),
                                        radius + reach * np.sin(angles)))
                ring[:, 2] = np.clip(ring[:, 2], 0, 2 * radius + 0.03)
                self.both(ring, color, layer, (0, y, radius))
            for end in (-1, 1):
                tread = [(half - 0.24, y + end * radius * 0.7, 0.0),
                         (half - 0.02, y + end * radius * 0.7, 0.0),
                         (half - 0.02, y + end * radius * 0.7, radius * 1.6),
                         (half - 0.24, y + end * radius * 0.7, radius * 1.6)]
                self.both(tread, _RUBBER, 0, (0, y, radius))

    def lamps(self, half: float, rear: float, front: float, height: float) -> None:
        """Add head and tail lamps, number plates and bumpers at the two ends."""
        for y, color, wide in ((front, (235, 235, 225), 0.34), (rear, (170, 20, 20), 0.2)):
            out = y + (0.01 if y > 0 else -0.01)
            centre = (0.0, 0.0, height)
            self.both([(half - wide, out, height), (half - 0.05, out, height),
                       (half - 0.05, out, height + 0.16), (half - wide, out, height + 0.16)],
                      color, 6, centre, glow=True)
            self.add([(-half + 0.05, out, 0.28), (half - 0.05, out, 0.28),
                      (half - 0.05, out, 0.46), (-half + 0.05, out, 0.46)], (40, 41, 44), 4,
                     centre)
            self.add([(-0.26, out * 1.003, 0.46), (0.26, out * 1.003, 0.46),
                      (0.26, out * 1.003, 0.57), (-0.26, out * 1.003, 0.57)],
                     (225, 222, 205), 6, centre)

    def build(self) -> Mesh:
        """Return the finished mesh."""
        corners = [face[0] for face in self._faces]
        ends = np.cumsum([len(points) for points in corners]).tolist()
        faces = tuple(Shape(end - len(points), end, 0, basics.CAR)
                      for end, points in zip(ends, corners, strict=True))
        normals = np.array([_normal(points) for points in corners], np.float64)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return Mesh(np.concatenate(corners).astype(np.float32), faces,
                    np.array([face[1] for face in self._faces], np.float64), normals,
                    np.array([face[2] for face in self._faces]),
                    np.array([face[3] for face in self._faces]), self.size)


def make_car(rng: np.random.Generator) -> Mesh:
    """Draw a hatchback, saloon, estate or off-roader."""
    style = rng.choice(('hatchback', 'saloon', 'estate', 'off-roader'))
    length = {'hatchback': 3.9, 'saloon': 4.6, 'estate': 4.6, 'off-roader': 4.5}[style]
    length += float(rng.uniform(-0.15, 0.2))
    height = float((1.75 if style == 'off-roader' else 1.46) + rng.uniform(-0.04, 0.06))
    half = float(0.86 + rng.uniform(-0.04, 0.05))
    belt = height * 0.61
    color = vary(rng, _PAINTS[rng.integers(len(_PAINTS))], 12)
    rear, front = -length / 2, length / 2
    nose = belt * 0.8
    screen = front - length * float(rng.uniform(0.22, 0.27))
    tail = rear + (0.75 if style == 'saloon' else 0.05)
    builder = _Builder((2 * half, length, height))
    builder.wheels(half, 0.33 if style == 'off-roader' else 0.3,
                   (rear + length * 0.19, front - length * 0.19))
    builder.extrude(((rear + 0.1, 0.22), (rear, 0.5), (rear + 0.03, belt), (screen, belt),
                     (front - 0.12, nose), (front, nose * 0.75), (front - 0.06, 0.22)),
                    half, half * 0.97, color, 1)
    _trim(builder, (rear + 0.25, front - 0.35), belt, half, color)
    top_rear = tail + {'saloon': 0.65, 'hatchback': 0.4}.get(style, 0.22)
    top_front = screen - 0.72
    top = half * 0.78
    builder.extrude(((tail, belt), (top_rear, height), (top_front, height), (screen, belt)),
                    half * 0.95, top, color, 2, glass=(0, 2))
    _side_windows(builder, (tail, top_rear, top_front, screen), (belt, height),
                  (half * 0.95, top))
    builder.lamps(half, rear, front - 0.06, belt * 0.66)
    builder.add([(-half * 0.5, front - 0.02, 0.48), (half * 0.5, front - 0.02, 0.48),
                 (half * 0.5, front - 0.02, 0.66), (-half * 0.5, front - 0.02, 0.66)],
                (24, 24, 26), 4, (0, 0, 0.5))
    return builder.build()


def _trim(builder: _Builder, span: tuple[float, float], belt: float, half: float, color: Color
          ) -> None:
    """Give the sides a dark sill, a crease that catches light, and door gaps."""
    dark: Color = (color[0] * 0.45, color[1] * 0.45, color[2] * 0.45)
    light: Color = (min(color[0] * 1.15 + 8, 255), min(color[1] * 1.15 + 8, 255),
                    min(color[2] * 1.15 + 8, 255))
    start, end = span
    middle = (start + end) / 2

    def strip(ends: tuple[float, float], levels: tuple[float, float], shade: Color) -> None:
        builder.both([(half + 0.003, ends[0], levels[0]), (half + 0.003, ends[1], levels[0]),
                      (half + 0.003, ends[1], levels[1]), (half + 0.003, ends[0], levels[1])],
                     shade, 3, (0, 0, belt / 2))

    strip((start, end), (0.24, 0.36), dark)
    strip((start, end), (belt * 0.72, belt * 0.86), light)
    for gap in (middle - 0.75, middle + 0.1, middle + 0.85):
        strip((gap, gap + 0.025), (0.36, belt * 0.98), dark)


def _side_windows(builder: _Builder, span: tuple[float, float, float, float],
                  levels: tuple[float, float], widths: tuple[float, float]) -> None:
    """Cut two windows into the sides of a cabin."""
    tail, top_rear, top_front, screen = span
    low, high = levels[0] + 0.03, levels[1] - 0.08
    tall = levels[1] - levels[0]

    def corner(share: float, z: float) -> tuple[float, float, float]:
        up = (z - levels[0]) / tall
        back, ahead = tail + (top_rear - tail) * up, screen + (top_front - screen) * up
        x = widths[0] + (widths[1] - widths[0]) * up + 0.006
        return x, back + (ahead - back) * share, z

    for start, end in ((0.07, 0.5), (0.54, 0.95)):
        builder.both([corner(start, low), corner(end, low), corner(end, high),
                      corner(start, high)], _GLASS, 5, (0, 0, levels[0]))


def make_van(rng: np.random.Generator) -> Mesh:
    """Draw a delivery van."""
    length, half = float(rng.uniform(4.9, 5.8)), float(rng.uniform(0.95, 1.02))
    height = float(rng.uniform(1.9, 2.5))
    color = vary(rng, _PAINTS[rng.choice((0, 1, 1, 1, 4, 5, 9, 3))], 10)
    rear, front = -length / 2, length / 2
    builder = _Builder((2 * half, length, height))
    builder.wheels(half, 0.34, (rear + 0.95, front - 0.85))
    builder.extrude(((rear, 0.3), (rear + 0.05, height), (front - 1.6, height),
                     (front - 0.75, 1.15), (front, 0.95), (front, 0.28)),
                    half, half * 0.93, color, 1, glass=(2,))
    builder.lamps(half, rear, front, 0.75)
    slope = half * 0.95 + 0.012
    builder.both([(slope + 0.02, front - 1.65, 1.2), (slope + 0.02, front - 0.9, 1.2),
                  (slope - 0.02, front - 1.42, 1.78), (slope - 0.02, front - 1.65, 1.78)],
                 _GLASS, 5, (0, 0, 1))
    builder.both([(0.06, rear + 0.025, 1.2), (half - 0.16, rear + 0.025, 1.2),
                  (half - 0.18, rear + 0.03, 1.7), (0.06, rear + 0.03, 1.7)],
                 _GLASS, 5, (0, 0, 1.3))
    return builder.build()


def make_lorry(rng: np.random.Generator) -> Mesh:
    """Draw a box lorry."""
    length, half, height = float(rng.uniform(7, 10.5)), 1.22, float(rng.uniform(3, 3.8))
    cab, box = (vary(rng, _PAINTS[rng.integers(len(_PAINTS))], 12) for _ in range(2))
    rear, front = -length / 2, length / 2
    builder = _Builder((2 * half, length, height))
    builder.wheels(half, 0.48, (rear + 1.2, rear + 2.3, front - 1.3))
    builder.extrude(((rear + 0.1, 0.55), (rear + 0.1, 0.95), (front - 0.2, 0.95),
                     (front - 0.2, 0.55)), half * 0.9, half * 0.9, (44, 44, 46), 1)
    builder.extrude(((front - 1.8, 0.45), (front - 1.8, 2.6), (front - 0.25, 2.6),
                     (front - 0.05, 1.55), (front, 0.4)), half * 0.97, half * 0.94, cab, 2,
                    glass=(2,))
    builder.both([(half * 0.97, front - 1.4, 1.6), (half * 0.97, front - 0.35, 1.6),
                  (half * 0.96, front - 0.5, 2.3), (half * 0.96, front - 1.4, 2.3)],
                 _GLASS, 5, (0, 0, 1))
    builder.extrude(((rear, 0.95), (rear, height), (front - 1.95, height), (front - 1.95, 0.95)),
                    half, half, box, 2)
    builder.lamps(half, rear, front, 0.6)
    return builder.build()


def make_bus(rng: np.random.Generator) -> Mesh:
    """Draw a bus with one or two decks."""
    decks = 1 + int(rng.random() < 0.4)
    length, half, height = float(rng.uniform(9.5, 11.5)), 1.25, 3.0 if decks == 1 else 4.3
    color = vary(rng, ((170, 30, 30), (200, 190, 60), (40, 80, 150), (220, 220, 215),
                       (60, 130, 80))[rng.integers(5)], 12)
    rear, front = -length / 2, length / 2
    builder = _Builder((2 * half, length, height))
    builder.wheels(half, 0.48, (rear + 2.4, front - 2.4))
    builder.extrude(((rear, 0.35), (rear, height), (front - 0.15, height), (front, 0.35)),
                    half, half * 0.98, color, 1)
    for deck in range(decks):
        low = 1.15 + 1.85 * deck
        for y in np.arange(rear + 0.3, front - 1.2, 1.45):
            builder.both([(half + 0.01, y, low), (half + 0.01, y + 1.3, low),
                          (half + 0.01, y + 1.3, low + 0.95), (half + 0.01, y, low + 0.95)],
                         _GLASS, 5, (0, 0, 1))
        for y in (rear - 0.01, front + 0.01):
            builder.add([(-half + 0.12, y, low), (half - 0.12, y, low),
                         (half - 0.14, y, low + 1.05), (-half + 0.14, y, low + 1.05)],
                        _GLASS, 5, (0, 0, 1))
    builder.lamps(half, rear, front, 0.62)
    return builder.build()


def draw_vehicle(painter: Painter, mesh: Mesh, place: tuple[float, float], heading: float) -> None:
    """Draw a vehicle standing at a world position, looking along a heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    turn = np.array(((cos, -sin, 0), (sin, cos, 0), (0, 0, 1)))
    points = painter.camera.to_camera(mesh.vertices @ turn + (*place, 0))
    distance = float(points[:, 2].mean())
    first = np.array([face.first for face in mesh.faces])
    a, b, c = points[first], points[first + 1], points[first + 2]
    seen = np.einsum('ij,ij->i', np.cross(b - a, c - a), a) < 0
    if distance > _DETAIL:
        seen &= mesh.layers < 6
    counts = np.diff(first, append=len(points))
    depth = np.add.reduceat(points[:, 2], first) / counts
    order = np.lexsort((-depth, mesh.layers))
    painter.shapes(points, mesh.faces, _lit(painter.light, mesh, turn, distance),
                   order[seen[order]].tolist())


def _lit(light: Light, mesh: Mesh, turn: NDArray[np.float64], distance: float
         ) -> NDArray[np.float64]:
    """Return the (F, 3) colours in which a mesh's faces are seen."""
    normals = mesh.normals @ turn
    gloss = 0.2 * np.maximum(normals[:, 2:], 0) * np.asarray(light.haze)
    colors = mesh.colors * light.on_face(normals) + gloss * light.sky_share
    if light.lamps:
        shine = (mesh.colors * 1.3 + 40) / light.at_night(distance)
        colors = np.where(mesh.glows[:, None], shine, colors)
    return light.seen(colors, 1.0, distance)


def shade_under(painter: Painter, mesh: Mesh, place: tuple[float, float], heading: float) -> None:
    """Darken the ground under a vehicle and where it hides the sun."""
    light = painter.light
    half, long = mesh.size[0] / 2, mesh.size[1] / 2
    cos, sin = np.cos(heading), np.sin(heading)
    foot = np.array([(place[0] + x * cos + y * sin, place[1] - x * sin + y * cos)
                     for x, y in ((-half, -long), (half, -long), (half, long), (-half, long))],
                    np.float32)
    if light.sun_share.max() > 0.3:
        cast = -light.sun[:2] / max(light.sun[2], 0.2) * mesh.size[2] * 0.85
        hull = cv2.convexHull(np.vstack((foot, foot + cast.astype(np.float32)))).reshape(-1, 2)
        share = float((light.sky_share / (light.sky_share + light.sun_share)).mean())
        painter.shade(np.column_stack((hull, np.zeros(len(hull)))), min(share + 0.1, 1))
    painter.shade(np.column_stack((foot, np.zeros(4))), 0.45)
