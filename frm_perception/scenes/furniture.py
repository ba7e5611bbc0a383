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
"""Lamp posts, signs, traffic lights, fences and guard rails, as parts in world coordinates."""

from __future__ import annotations

import numpy as np

from frm_perception.scenes import basics
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import vary
from frm_perception.scenes.items import Furniture
from frm_perception.scenes.items import Part
from frm_perception.scenes.road import Road

_METAL: Color = (104, 108, 112)


def lamp_post(road: Road, along: float, across: float, height: float, color: Color) -> Furniture:
    """Build a street lamp whose arm reaches over the road."""
    x, y = road.point(along, across)
    reach = -np.sign(across) * min(abs(across) * 0.3, 1.8)
    tip_x, tip_y = road.point(along, across + reach)
    half_x, half_y = road.point(along, across + reach * 0.55)
    return Furniture(along, (
        Part(((x, y, 0), (x, y, 1.2)), 0.2, color, basics.POLE),
        Part(((x, y, 0), (x, y, height)), 0.13, color, basics.POLE),
        Part(((x, y, height), (half_x, half_y, height + 0.35), (tip_x, tip_y, height + 0.4)), 0.09,
             color, basics.POLE),
        Part(((half_x, half_y, height + 0.33), (tip_x, tip_y, height + 0.38)), 0.2,
             (255, 236, 190), basics.POLE, glow=True)))


def utility_pole(road: Road, along: float, across: float) -> Furniture:
    """Build a wooden pole with a cross-arm."""
    x, y = road.point(along, across)
    left, right = road.point(along, across - 0.8), road.point(along, across + 0.8)
    wood: Color = (92, 76, 60)
    return Furniture(along, (Part(((x, y, 0), (x, y, 8.2)), 0.24, wood, basics.POLE),
                             Part(((*left, 7.6), (*right, 7.6)), 0.14, wood, basics.POLE)))


def traffic_sign(rng: np.random.Generator, road: Road, along: float, across: float) -> Furniture:
    """Build a round, triangular, square or direction sign on a post; it faces the ego vehicle."""
    low = float(rng.uniform(1.9, 2.4))
    kind = rng.choice(('limit', 'warning', 'blue', 'guide'), p=(0.35, 0.25, 0.25, 0.15))
    half = {'guide': 0.55}.get(str(kind), 0.34)
    x, y = road.point(along, across)

    def plate(corners: list[tuple[float, float]], color: Color, back: float) -> Part:
        points = []
        for right, up in corners:
            east, north = road.point(along - back, across + right)
            points.append((east, north, low + half + up))
        return Part(tuple(points), 0, color, basics.SIGN)

    def ring(radius: float, count: int, turn: float = 0.0) -> list[tuple[float, float]]:
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + turn
        return [(radius * float(np.sin(a)), radius * float(np.cos(a))) for a in angles]

    red, white, blue = (196, 28, 34), (232, 232, 228), (26, 74, 160)
    plates = {
        'limit': [plate(ring(half, 14), red, 0.02), plate(ring(half * 0.74, 14), white, 0.03),
                  plate([(-0.15, -0.13), (0.15, -0.13), (0.15, 0.13), (-0.15, 0.13)],
                        (60, 60, 62), 0.04)],
        'warning': [plate(ring(half * 1.15, 3), red, 0.02),
                    plate(ring(half * 0.75, 3), white, 0.03)],
        'blue': [plate(ring(half, 14), blue, 0.02),
                 plate([(-0.05, -0.2), (0.05, -0.2), (0.05, 0.2), (-0.05, 0.2)], white, 0.03)],
        'guide': [plate([(-0.9, -0.5), (0.9, -0.5), (0.9, 0.5), (-0.9, 0.5)],
                        vary(rng, blue, 12) if rng.random() < 0.5 else (20, 100, 64), 0.02),
                  plate([(-0.7, 0.05), (0.6, 0.05), (0.6, 0.2), (-0.7, 0.2)], white, 0.03),
                  plate([(-0.7, -0.3), (0.3, -0.3), (0.3, -0.15), (-0.7, -0.15)], white, 0.03)],
    }[str(kind)]
    return Furniture(along, (Part(((x, y, 0), (x, y, low + half)), 0.07, _METAL, basics.POLE),
                             *plates))


def gantry(road: Road, along: float, span: tuple[float, float], rng: np.random.Generator
           ) -> Furniture:
    """Build a sign bridge over a carriageway."""
    parts = []
    for across in span:
        x, y = road.point(along, across)
        parts.append(Part(((x, y, 0), (x, y, 7.2)), 0.35, _METAL, basics.POLE))
    ends = [road.point(along, across) for across in span]
    parts.append(Part(((*ends[0], 7.0), (*ends[1], 7.0)), 0.4, _METAL, basics.POLE))
    board: Color = (20, 96, 60) if rng.random() < 0.5 else (28, 66, 150)
    width = span[1] - span[0]
    for start, end in ((0.12, 0.44), (0.55, 0.88)):
        def strip(low: float, high: float, left: float, right: float, color: Color,
                  back: float) -> Part:
            a = road.point(along - back, span[0] + width * left)
            b = road.point(along - back, span[0] + width * right)
            return Part(((*a, low), (*b, low), (*b, high), (*a, high)), 0, color, basics.SIGN)
        parts.append(strip(5.8, 8.0, start, end, board, 0.3))
        inset = (end - start) * 0.12
        for low in (6.3, 7.1):
            parts.append(strip(low, low + 0.35, start + inset,
                               end - inset * float(rng.uniform(1, 3)), (232, 232, 228), 0.32))
    return Furniture(along, tuple(parts))


def traffic_light(road: Road, along: float, across: float, green: bool) -> Furniture:
    """Build a signal head on a post, facing the ego vehicle."""
    x, y = road.point(along, across)
    parts = [Part(((x, y, 0), (x, y, 2.3)), 0.12, (70, 72, 74), basics.POLE)]

    def box(half: float, low: float, high: float, color: Color, back: float,
            glow: bool = False) -> Part:
        left, right = road.point(along - back, across - half), road.point(along - back,
                                                                          across + half)
        return Part(((*left, low), (*right, low), (*right, high), (*left, high)), 0, color,
                    basics.SIGN, glow)

    parts.append(box(0.24, 2.25, 3.35, (22, 22, 24), 0.1))
    lamps: tuple[tuple[float, Color, Color, bool], ...] = (
        (3.0, (255, 50, 40), (60, 18, 18), not green), (2.68, (255, 180, 40), (64, 46, 16), False),
        (2.36, (60, 255, 150), (16, 52, 34), green))
    for low, on, off, lit in lamps:
        angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        disc = []
        for angle in angles:
            east, north = road.point(along - 0.14, across + 0.12 * float(np.cos(angle)))
            disc.append((east, north, low + 0.12 + 0.12 * float(np.sin(angle))))
        parts.append(Part(tuple(disc), 0, on if lit else off, basics.SIGN, glow=lit))
    return Furniture(along, tuple(parts))


def fence(road: Road, span: tuple[float, float], across: float, style: str, color: Color
          ) -> Furniture:
    """
    Build a piece of fence along the road.

    :param span: start and end along the road, a few metres apart.
    :param style: 'rail' (guard rail), 'boards', 'railing' or 'wall' (a low garden wall).
    """
    low, high = {'rail': (0.45, 0.78), 'boards': (0.05, 1.6), 'railing': (0.1, 1.05),
                 'wall': (0.0, 0.9)}[style]
    start, end = road.point(span[0], across), road.point(span[1], across)
    label = basics.BUILDING if style == 'wall' else basics.FENCE
    parts = []

    def between(share: float) -> tuple[float, float]:
        return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)

    def board(bottom: float, top: float, shade: Color) -> Part:
        return Part(((*start, bottom), (*end, bottom), (*end, top), (*start, top)), 0, shade,
                    label)

    dark: Color = (color[0] * 0.7, color[1] * 0.7, color[2] * 0.7)
    if style == 'railing':
        for share in np.linspace(0, 1, 20):
            x, y = between(float(share))
            parts.append(Part(((x, y, 0), (x, y, high)), 0.04, color, label))
        for level in (low, high):
            parts.append(board(level - 0.03, level + 0.03, color))
    else:
        if style == 'rail':
            for share in (0.25, 0.75):
                x, y = between(share)
                parts.append(Part(((x, y, 0), (x, y, high)), 0.12, dark, label))
        parts.append(board(low, high, color))
        if style == 'rail':
            middle = (low + high) / 2
            parts.append(board(middle - 0.035, middle + 0.035, dark))
        if style == 'boards':
            for share in np.linspace(0, 1, 14):
                x, y = between(float(share))
                parts.append(Part(((x, y, low), (x, y, high)), 0.02, dark, label))
        if style == 'wall':
            parts.append(board(high - 0.06, high + 0.06, dark))
    return Furniture((span[0] + span[1]) / 2, tuple(parts))
