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
"""Paints the ground of a whole drive in road coordinates: materials, colours and markings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from frm_perception.scenes import basics
from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import to_bytes
from frm_perception.scenes.basics import vary
from frm_perception.scenes.layout import Junction
from frm_perception.scenes.layout import Layout
from frm_perception.scenes.textures import asphalt
from frm_perception.scenes.textures import grass
from frm_perception.scenes.textures import noise
from frm_perception.scenes.textures import paving
from frm_perception.scenes.textures import repeat
from frm_perception.scenes.textures import tile_noise

LONG, WIDE = 0.1, 0.05
"""Metres of one map cell along and across the road."""
REACH = 22.4
"""Metres that the map extends to each side; beyond, its edge goes on."""

ASPHALT, YELLOW, KERB, PAVING, GRASS, KERB_FACE = range(6)
"""Materials of the ground. YELLOW is asphalt whose markings are yellow."""
LABELS: ByteArray = np.zeros(256, np.uint8)
LABELS[[ASPHALT, YELLOW, KERB, PAVING, GRASS, KERB_FACE]] = (
    basics.ROAD, basics.ROAD, basics.PAVEMENT, basics.PAVEMENT, basics.TREE, basics.PAVEMENT)
RAISED: ByteArray = np.zeros(256, np.uint8)
RAISED[[KERB, PAVING, GRASS]] = 1
"""1 for materials that lie as high as the kerb."""


@dataclass(frozen=True)
class GroundMap:
    """
    The ground from above; rows lead along the road, columns across.

    :param start: metres along the road of the first row.
    :param material: (rows, columns) uint8.
    :param surface: (rows, columns, 4) uint8: red, green, blue, and how much marking paint.
    :param paints: colours of white and of yellow paint.
    :param kerb_color: colour of the kerb stones.
    """

    start: float
    material: ByteArray
    surface: ByteArray
    paints: tuple[Color, Color]
    kerb_color: Color


class _Plan:
    """The maps under the brush; rectangles are given in metres."""

    def __init__(self, start: float, end: float) -> None:
        rows = -(-int((end - start) / LONG) // 64) * 64
        self.start = start
        self.material: ByteArray = np.full((rows, int(2 * REACH / WIDE)), GRASS, np.uint8)
        self.paint: ByteArray = np.zeros(self.material.shape, np.uint8)

    def row(self, along: float) -> int:
        return int(np.clip(round((along - self.start) / LONG), 0, self.material.shape[0]))

    def column(self, across: float) -> int:
        return int(np.clip(round((across + REACH) / WIDE), 0, self.material.shape[1]))

    def area(self, along: tuple[float, float], across: tuple[float, float]
             ) -> tuple[slice, slice]:
        return (slice(self.row(along[0]), self.row(along[1])),
                slice(self.column(min(across)), self.column(max(across))))

    def fill(self, along: tuple[float, float], across: tuple[float, float], material: int
             ) -> None:
        self.material[self.area(along, across)] = material

    def mark(self, along: tuple[float, float], across: tuple[float, float]) -> None:
        self.paint[self.area(along, across)] = 255


def paint_ground(rng: np.random.Generator, layout: Layout, start: float, end: float) -> GroundMap:
    """Draw the ground of a drive between two places along its road."""
    plan = _Plan(start, end)
    everywhere = (start, end + 100)
    for side in (-1, 1):
        _lay_side(plan, layout, side, everywhere, rng)
    plan.fill(everywhere, (-layout.edge(-1), layout.edge(1)), ASPHALT)
    if layout.median:
        plan.fill(everywhere, (-layout.median / 2, layout.median / 2), GRASS)
    for junction in layout.junctions:
        for side in junction.sides:
            _lay_side_street(plan, layout, side, junction.along, junction.half, rng)
    _mark_lines(plan, layout, rng, everywhere)
    for junction in layout.junctions:
        _mark_junction(plan, layout, junction)
    for crossing in layout.crossings:
        _mark_crossing(plan, layout, crossing, rng)
    white = vary(rng, (225, 225, 220), 22)
    kerb_color = vary(rng, (150, 147, 140), 28)
    surface = _color(plan, rng, layout, kerb_color)
    return GroundMap(start, plan.material, surface, (white, vary(rng, (215, 170, 50), 20)),
                     kerb_color)


def _lay_side(plan: _Plan, layout: Layout, side: int, along: tuple[float, float],
              rng: np.random.Generator) -> None:
    if not layout.pavement:
        return
    edge = layout.edge(side)
    walk = edge + 0.15 + layout.verge
    plan.fill(along, (side * edge, side * (edge + 0.15)), KERB)
    plan.fill(along, (side * walk, side * (walk + layout.pavement)), PAVING)
    if layout.kind == 'urban':
        plan.fill(along, (side * walk, side * REACH), PAVING)
    if layout.parking and rng.random() < 0.5:
        plan.mark(along, (side * (edge - layout.shoulder), side * (edge - layout.shoulder + 0.1)))


def _lay_side_street(plan: _Plan, layout: Layout, side: int, middle: float, half: float,
                     rng: np.random.Generator) -> None:
    """Cut a side street into the pavement, with rounded corners and its own pavements."""
    edge = layout.edge(side)
    radius = float(rng.uniform(3, 6))
    walk = layout.pavement + 0.15
    plan.fill((middle - half - walk, middle + half + walk), (side * (edge + 1), side * REACH),
              PAVING)
    for sign in (-1, 1):
        kerb = middle + sign * half
        plan.fill((min(kerb, kerb + sign * 0.15), max(kerb, kerb + sign * 0.15)),
                  (side * edge, side * REACH), KERB)
    plan.fill((middle - half, middle + half), (side * edge, side * REACH), ASPHALT)
    for sign in (-1, 1):
        _round_corner(plan, middle + sign * half, side * edge, sign, side, radius)


def _round_corner(plan: _Plan, along: float, across: float, sign: int, side: int,
                  radius: float) -> None:
    """Replace a sharp kerb corner by an arc; (sign, side) point into the pavement."""
    rows, columns = plan.area(
        (min(along, along + sign * radius), max(along, along + sign * radius)),
        (across, across + side * radius))
    part = plan.material[rows, columns]
    lengthwise = plan.start + (np.arange(rows.start, rows.stop) + 0.5) * LONG
    crosswise = (np.arange(columns.start, columns.stop) + 0.5) * WIDE - REACH
    beyond = np.hypot((lengthwise - along - sign * radius)[:, None],
                      crosswise - across - side * radius)
    part[beyond >= radius] = ASPHALT
    part[(beyond < radius) & (beyond >= radius - 0.15)] = KERB
    part[(beyond < radius - 0.15) & (part == KERB)] = PAVING


def _mark_lines(plan: _Plan, layout: Layout, rng: np.random.Generator,
                along: tuple[float, float]) -> None:
    """Lines along the road: centre, lanes, edges."""
    width = float(rng.uniform(0.1, 0.18))
    dash, gap = ((3.0, 9.0), (3.0, 3.0), (2.0, 4.0), (6.0, 12.0), (4.0, 2.0))[rng.integers(5)]
    bare = layout.kind in ('urban', 'suburban') and rng.random() < 0.15

    def dashed(across: float) -> None:
        for place in np.arange(along[0], along[1], dash + gap):
            plan.mark((place, place + dash), (across - width / 2, across + width / 2))

    def solid(across: float) -> None:
        plan.mark(along, (across - width / 2, across + width / 2))

    for way, count in ((1, layout.own), (-1, layout.other)):
        for index in range(1, count):
            dashed(way * layout.side * (layout.median / 2 + index * layout.lane))
    if layout.other and not layout.median and not bare:
        style = rng.choice(('dashed', 'solid', 'double'), p=(0.6, 0.15, 0.25))
        if style == 'dashed':
            dashed(0.0)
        else:
            for across in ((0.0,) if style == 'solid' else (-width, width)):
                solid(across)
        if rng.random() < 0.3:
            plan.fill(along, (-0.5, 0.5), YELLOW)
    edges = layout.kind == 'highway' or (layout.kind == 'rural' and rng.random() < 0.7)
    kerb_lines = bool(layout.kerb and not layout.parking and rng.random() < 0.35)
    for side in (-1, 1):
        edge = side * layout.edge(side)
        if edges:
            solid(edge - side * layout.shoulder)
        if layout.median:
            solid(side * (layout.median / 2 + 0.4))
        if kerb_lines:
            plan.fill(along, (edge, edge - side * 0.75), YELLOW)
            for offset in (0.25, 0.5):
                plan.mark(along, (edge - side * offset, edge - side * (offset + 0.09)))


def _mark_junction(plan: _Plan, layout: Layout, junction: Junction) -> None:
    """Draw no lines across the mouth of a side street, and a give-way line in it."""
    start, end = junction.along - junction.half, junction.along + junction.half
    for side in junction.sides:
        edge = layout.edge(side)
        plan.paint[plan.area((start - 1, end + 1), (side * (edge - 1), side * REACH))] = 0
        for place in np.arange(start + 0.3, end - 0.3, 1.0):
            plan.mark((place, place + 0.6), (side * (edge + 0.3), side * (edge + 0.5)))


def _mark_crossing(plan: _Plan, layout: Layout, middle: float, rng: np.random.Generator) -> None:
    """Mark a zebra or a crossing between two dotted lines, with stop lines before it."""
    span = (middle - 1.6, middle + 1.6)
    left, right = -layout.edge(-1), layout.edge(1)
    plan.paint[plan.area((span[0] - 2.5, span[1] + 2.5), (left, right))] = 0
    if rng.random() < 0.6:
        for across in np.arange(left + 0.3, right - 0.5, 1.0):
            plan.mark(span, (across, across + 0.5))
    else:
        for across in np.arange(left + 0.2, right - 0.3, 0.6):
            for along in span:
                plan.mark((along - 0.12, along + 0.12), (across, across + 0.3))
    own, other = sorted((0.0, layout.side * layout.edge(layout.side))), (left, right)
    plan.mark((span[0] - 1.6, span[0] - 1.2), (own[0] + 0.1, own[1] - 0.2))
    if layout.other:
        far = sorted((0.0, -layout.side * layout.edge(-layout.side)))
        plan.mark((span[1] + 1.2, span[1] + 1.6), (far[0] + 0.1, far[1] - 0.1))
    plan.material[plan.area((span[0] - 2, span[1] + 2), other)] = ASPHALT


def _color(plan: _Plan, rng: np.random.Generator, layout: Layout, kerb_color: Color) -> ByteArray:
    """Return the (rows, columns, 4) uint8 colours and paint of a plan."""
    rows, columns = plan.material.shape
    grey = float(rng.choice((rng.uniform(62, 95), rng.uniform(90, 135), rng.uniform(130, 165)),
                            p=(0.45, 0.4, 0.15)))
    road = vary(rng, (grey, grey, grey * rng.uniform(0.95, 1.05)), 6)
    tiles = {
        ASPHALT: asphalt(rng, road),
        PAVING: _pavement_tile(rng, road),
        GRASS: grass(rng, vary(rng, (84, 104, 50), 22)),
        KERB: asphalt(rng, kerb_color),
    }
    colors = repeat(tiles[ASPHALT], rows, columns)
    _damage_road(plan, colors, layout, rng)
    for material in (GRASS, PAVING, KERB):
        mask = (plan.material == material).view(np.uint8)
        cv2.copyTo(repeat(tiles[material], rows, columns), mask, colors)
    factor = cv2.multiply(_blotches(rng, (rows, columns)), _wheel_tracks(rng, layout, rows),
                          scale=1 / 128)
    colors = to_bytes(cv2.multiply(colors, cv2.merge((factor, factor, factor)), scale=1 / 128))
    wear = float(rng.uniform(0, 0.5))
    worn = to_bytes(255 * (1.25 - wear * (1 + 0.6 * tile_noise(rng, 2))))
    paint = cv2.multiply(plan.paint, repeat(worn, rows, columns), scale=1 / 255)
    return to_bytes(cv2.merge((*cv2.split(colors), paint)))


def _blotches(rng: np.random.Generator, shape: tuple[int, int]) -> ByteArray:
    """Return (rows, columns) uint8 factors about 128: large stains, never the same twice."""
    small = (shape[0] // 8, shape[1] // 8)
    coarse = to_bytes(128 + 7 * noise(rng, small, 15) + 5 * noise(rng, small, 3))
    return to_bytes(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _wheel_tracks(rng: np.random.Generator, layout: Layout, rows: int) -> ByteArray:
    """Return (rows, columns) uint8 factors about 128: worn wheel tracks, oil between them."""
    across = (np.arange(int(2 * REACH / WIDE)) + 0.5) * WIDE - REACH
    profile = np.ones(len(across))
    depth, oil = float(rng.uniform(-0.06, 0.1)), float(rng.uniform(0, 0.1))
    for lane in layout.lanes():
        for wheel in (-0.8, 0.8):
            profile += depth * np.exp(-((across - lane.across - wheel) / 0.35) ** 2)
        profile -= oil * np.exp(-((across - lane.across) / 0.4) ** 2)
    return np.repeat(to_bytes(128 * profile)[None], rows, 0)


def _pavement_tile(rng: np.random.Generator, road: Color) -> ByteArray:
    style = rng.choice(('slabs', 'bricks', 'asphalt', 'concrete'), p=(0.4, 0.2, 0.25, 0.15))
    if style == 'asphalt':
        return asphalt(rng, vary(rng, road, 28))
    if style == 'bricks':
        return paving(rng, vary(rng, (146, 104, 88), 25), (2, 4))
    slab = ((8, 16), (4, 8), (8, 8))[rng.integers(3)] if style == 'slabs' else (32, 64)
    return paving(rng, vary(rng, (150, 146, 138), 38), slab)


def _damage_road(plan: _Plan, colors: ByteArray, layout: Layout, rng: np.random.Generator
                 ) -> None:
    """Draw patches, cracks and manholes."""
    rows = plan.material.shape[0]
    left, right = -layout.edge(-1), layout.edge(1)
    length = rows * LONG
    for _ in range(int(length * rng.uniform(0, 0.06))):
        along = plan.start + float(rng.uniform(0, length))
        across = float(rng.uniform(left, right))
        area = plan.area((along, along + float(rng.uniform(0.8, 12))),
                         (across, min(across + float(rng.uniform(0.5, 3)), right)))
        shade = rng.uniform(0.72, 1.15)
        # A patch at the very edge or end of the map may have no cell in it.
        if colors[area].size:
            colors[area] = cv2.convertScaleAbs(np.ascontiguousarray(colors[area]), alpha=shade)
    dark = (int(colors[:256].mean() * 0.6),) * 3
    lighter = (int(colors[:256].mean() * 0.85),) * 3
    for _ in range(int(length * rng.uniform(0, 0.25))):
        column = plan.column(float(rng.uniform(left, right)))
        row = int(rng.integers(rows))
        drift = rng.choice(((0.4, 0.9), (2.0, 0.3)))
        steps = rng.standard_normal((14, 2)) * 3 + rng.choice((-1, 1)) * np.array(drift) * 4
        path = np.cumsum(steps, 0) * (1, 0.6) + (column, row)
        cv2.polylines(colors, [path.astype(np.int32).reshape(-1, 1, 2)], False, dark, 1)
    for _ in range(int(length * 0.03)):
        centre = (plan.column(float(rng.uniform(left + 1, right - 1))), int(rng.integers(rows)))
        cv2.ellipse(colors, centre, (6, 3), 0, 0, 360, dark, -1)
        cv2.ellipse(colors, centre, (5, 2), 0, 0, 360, lighter, -1)
