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
"""Fronts, side walls and roofs of houses."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import to_bytes
from frm_perception.scenes.basics import vary
from frm_perception.scenes.light import Light
from frm_perception.scenes.painter import pyramid
from frm_perception.scenes.textures import noise

_SCALE = 32
"""Pixels per metre of a front."""


@dataclass(frozen=True)
class House:
    """
    How a house looks.

    :param front: picture of the street side and its halvings.
    :param side: picture of a side wall and its halvings.
    :param size: width, depth and height to the eaves, metres.
    :param rise: height of the roof's ridge above the eaves; 0 for a flat roof.
    """

    front: tuple[ByteArray, ...]
    side: tuple[ByteArray, ...]
    size: tuple[float, float, float]
    rise: float
    roof: Color


def make_house(rng: np.random.Generator, light: Light, urban: bool) -> House:
    """Draw a town house, shop, office block or cottage."""
    style = rng.choice(('brick', 'plaster', 'concrete', 'glass'),
                       p=(0.4, 0.35, 0.15, 0.1) if urban else (0.5, 0.45, 0.05, 0.0))
    floors = int(rng.integers(2, 7 if urban else 3))
    storey = float(rng.uniform(2.8, 3.4))
    width = float(rng.uniform(6, 18) if urban else rng.uniform(7, 12))
    height = floors * storey + float(rng.uniform(0.2, 0.8))
    depth = float(rng.uniform(8, 12))
    color = {
        'brick': vary(rng, ((142, 84, 66), (168, 140, 104), (120, 72, 60))[rng.integers(3)], 20),
        'plaster': vary(rng, ((214, 206, 188), (190, 170, 140), (170, 178, 184),
                              (206, 180, 150))[rng.integers(4)], 24),
        'concrete': vary(rng, (150, 148, 144), 28),
        'glass': vary(rng, (90, 110, 124), 20),
    }[str(style)]
    front = _wall(rng, (width, height), color, style == 'brick')
    _windows(front, rng, storey, floors, light, style in ('concrete', 'glass'))
    if urban and rng.random() < 0.65:
        _shop(front, rng, storey, light)
    else:
        _door(front, rng)
    side = _wall(rng, (depth, height), color, style == 'brick')
    if rng.random() < 0.6:
        _windows(side, rng, storey, floors, light, False)
    pitched = style in ('brick', 'plaster') and rng.random() < 0.75
    return House(
        pyramid(front), pyramid(side), (width, depth, height),
        float(rng.uniform(1.8, 3.4)) if pitched else 0.0,
        vary(rng, ((96, 62, 50), (78, 78, 82), (112, 84, 66))[rng.integers(3)], 14))


def _wall(rng: np.random.Generator, size: tuple[float, float], color: Color, brick: bool
          ) -> ByteArray:
    rows, columns = round(size[1] * _SCALE), round(size[0] * _SCALE)
    pattern = 1 + 0.035 * noise(rng, (rows, columns), 1) + 0.05 * noise(rng, (rows, columns), 60)
    streaks = noise(rng, (3, columns), 14)[:1] * np.linspace(0.06, 0.0, rows)[:, None]
    pattern = pattern + streaks - 0.1 * np.linspace(0, 1, rows)[:, None] ** 8
    if brick:
        row, column = np.mgrid[:rows, :columns]
        joint = (row % 4 == 0) | ((column + (row // 4 % 2) * 5) % 10 == 0)
        pattern = pattern * np.where(joint, 0.88, 1) * (1 + 0.05 * noise(rng, (rows, columns), 5))
    return to_bytes(pattern[..., None] * np.asarray(color))


def _glass(rng: np.random.Generator, light: Light) -> Color:
    """Return the colour of a window pane: curtain, dark room or lit room."""
    if light.lamps and rng.random() < 0.35:
        return vary(rng, (240, 205, 130), 15)
    if rng.random() < 0.25:
        return vary(rng, (176, 172, 160), 24)
    return vary(rng, (52, 60, 70), 18)


def _windows(wall: ByteArray, rng: np.random.Generator, storey: float, floors: int, light: Light,
             bands: bool) -> None:
    """Cut a grid of windows into a wall."""
    rows, columns = wall.shape[:2]
    wide = float(rng.uniform(0.9, 1.6)) * (1.7 if bands else 1)
    tall = float(rng.uniform(1.2, 1.8))
    spacing = wide * (1.1 if bands else float(rng.uniform(1.5, 2.2)))
    count = max(int(columns / _SCALE / spacing), 1)
    frame = vary(rng, (225, 222, 214) if rng.random() < 0.7 else (60, 56, 52), 15)
    sill = vary(rng, (170, 165, 155), 30)
    for floor in range(floors):
        low = rows - int((floor * storey + 0.9) * _SCALE)
        high = low - int(tall * _SCALE)
        for index in range(count):
            middle = int((index + 0.5) / count * columns)
            half = int(wide * _SCALE / 2)
            cv2.rectangle(wall, (middle - half - 2, high - 2), (middle + half + 2, low + 2), frame,
                          -1)
            _pane(wall, (middle - half, high, middle + half, low), rng, light)
            cv2.line(wall, (middle, high), (middle, low), frame, 2)
            if tall > 1.4:
                cv2.line(wall, (middle - half, (2 * high + low) // 3),
                         (middle + half, (2 * high + low) // 3), frame, 2)
            cv2.rectangle(wall, (middle - half - 4, low + 2), (middle + half + 4, low + 5), sill,
                          -1)


def _pane(wall: ByteArray, box: tuple[int, int, int, int], rng: np.random.Generator,
          light: Light) -> None:
    left, top, right, bottom = (max(value, 0) for value in box)
    part = wall[top:bottom, left:right]
    if not part.size:
        return
    fade = np.linspace(1.25, 0.8, part.shape[0])[:, None, None]
    part[:] = to_bytes(np.asarray(_glass(rng, light)) * fade)


def _door(wall: ByteArray, rng: np.random.Generator) -> None:
    rows, columns = wall.shape[:2]
    left = int(rng.uniform(0.1, 0.8) * columns)
    color = vary(rng, ((60, 30, 24), (30, 50, 80), (30, 60, 44), (110, 26, 26))[rng.integers(4)],
                 12)
    cv2.rectangle(wall, (left - 3, rows - int(2.2 * _SCALE)), (left + _SCALE + 3, rows),
                  (200, 196, 186), -1)
    cv2.rectangle(wall, (left, rows - int(2.1 * _SCALE)), (left + _SCALE, rows), color, -1)


def _shop(wall: ByteArray, rng: np.random.Generator, storey: float, light: Light) -> None:
    """Replace the ground floor by shop windows under a sign."""
    rows, columns = wall.shape[:2]
    top = rows - int((storey - 0.1) * _SCALE)
    color = vary(rng, ((40, 60, 110), (130, 30, 34), (30, 80, 60), (40, 40, 44), (200, 190, 170),
                       (190, 130, 40))[rng.integers(6)], 18)
    wall[top:] = np.asarray(color, np.uint8)
    board = top + int(0.6 * _SCALE)
    text = vary(rng, (235, 228, 205), 15)
    start = int(columns * rng.uniform(0.1, 0.3))
    for letter in range(rng.integers(5, 11)):
        left = start + letter * 11
        if left + 8 < columns:
            cv2.rectangle(wall, (left, top + 6), (left + int(rng.integers(4, 8)), board - 6), text,
                          -1)
    count = max(int(columns / _SCALE / rng.uniform(1.8, 3)), 1)
    for index in range(count):
        left, right = int(index / count * columns) + 4, int((index + 1) / count * columns) - 4
        bottom = rows - int(rng.choice((0.1, 0.5)) * _SCALE)
        _pane(wall, (left, board + 3, right, bottom), rng, light)
        for _ in range(6):
            x, y = int(rng.uniform(left, right)), int(rng.uniform(board + 20, bottom))
            cv2.rectangle(wall, (x, y), (min(x + 12, right), min(y + 20, bottom)),
                          vary(rng, (120, 110, 100), 60), -1)
