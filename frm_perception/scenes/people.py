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
"""Pedestrians and bicyclists: jointed figures of thick lines, posed by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frm_perception.scenes import basics
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.basics import vary
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.painter import Shape

_CLOTHES: tuple[Color, ...] = (
    (34, 36, 42), (52, 56, 66), (40, 50, 90), (120, 30, 34), (150, 140, 120), (90, 100, 80),
    (190, 190, 186), (30, 80, 90), (180, 120, 40), (90, 60, 90), (200, 60, 90), (230, 220, 60))
_Point = tuple[float, float, float]
_Limb = tuple[_Point, _Point, float, Color]
_SKINS: tuple[Color, ...] = ((224, 178, 150), (198, 144, 110), (140, 92, 66), (92, 60, 44))


@dataclass(frozen=True)
class Figure:
    """How a person looks: colours, height in metres, and the pace of the legs."""

    height: float
    coat: Color
    trousers: Color
    skin: Color
    hair: Color
    shoes: Color
    bag: bool
    phase: float


def make_figure(rng: np.random.Generator) -> Figure:
    """Draw a person."""
    dark = rng.random() < 0.6
    coat, trousers = (vary(rng, _CLOTHES[rng.integers(4 if dark else len(_CLOTHES))], 14)
                      for _ in range(2))
    return Figure(
        height=float(rng.normal(1.7, 0.09)) * (0.72 if rng.random() < 0.08 else 1), coat=coat,
        trousers=vary(rng, trousers if rng.random() < 0.3 else (44, 48, 60), 14),
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=vary(rng, ((30, 24, 20), (80, 56, 36), (150, 120, 70), (120, 118, 116))[
            rng.integers(4)], 10),
        shoes=vary(rng, (40, 36, 34), 20), bag=bool(rng.random() < 0.35),
        phase=float(rng.uniform(0, 2 * np.pi)))


def draw_pedestrian(painter: Painter, figure: Figure, place: tuple[float, float],
                    heading: float, speed: float) -> None:
    """Draw a walking (or, at speed 0, standing) person."""
    swing = np.sin(figure.phase + painter.time * 7.5) if speed else 0.12
    size = figure.height / 1.75
    stride = 0.3 * swing
    limbs: list[_Limb] = []
    for side in (-1, 1):
        reach = side * stride
        hip, knee = (0.09 * side, 0.0, 0.9), (0.09 * side, reach * 0.55 + 0.04, 0.48)
        foot = (0.09 * side, reach - 0.05, 0.07 + max(-reach, 0) * 0.25)
        limbs += [(hip, knee, 0.13, figure.trousers), (knee, foot, 0.1, figure.trousers),
                  (foot, (foot[0], foot[1] + 0.16, foot[2] - 0.03), 0.09, figure.shoes)]
        elbow, hand = (0.22 * side, -reach * 0.5, 1.13), (0.23 * side, -reach * 1.1 + 0.08, 0.9)
        limbs += [((0.17 * side, 0, 1.4), elbow, 0.09, figure.coat),
                  (elbow, hand, 0.08, figure.coat),
                  (hand, (hand[0], hand[1] + 0.03, hand[2] - 0.08), 0.07, figure.skin)]
    limbs += [((-0.06, 0, 0.93), (-0.08, 0, 1.4), 0.19, figure.coat),
              ((0.06, 0, 0.93), (0.08, 0, 1.4), 0.19, figure.coat),
              ((-0.13, 0, 1.4), (0.13, 0, 1.4), 0.13, figure.coat),
              ((0, 0, 1.45), (0, 0.02, 1.56), 0.1, figure.skin),
              ((0, 0.03, 1.6), (0, 0.03, 1.66), 0.19, figure.skin),
              ((0, -0.02, 1.66), (0, 0.0, 1.7), 0.19, figure.hair)]
    if figure.bag:
        limbs.append(((0.3, 0, 0.95), (0.3, 0, 0.7), 0.2, figure.shoes))
    _draw(painter, limbs, size, place, heading, basics.PEDESTRIAN)


def draw_bicyclist(painter: Painter, figure: Figure, place: tuple[float, float],
                   heading: float) -> None:
    """Draw a person riding a bicycle."""
    turn = figure.phase + painter.time * 6
    metal: Color = figure.shoes
    limbs: list[_Limb] = []
    angles = np.linspace(0, 2 * np.pi, 13)
    for y in (-0.5, 0.52):
        rim = [(0.0, y + 0.33 * float(np.cos(a)), 0.34 + 0.33 * float(np.sin(a))) for a in angles]
        limbs += [(start, end, 0.045, (24, 24, 26))
                  for start, end in zip(rim[:-1], rim[1:], strict=True)]
    crank, saddle, head = (0.0, -0.02, 0.32), (0.0, -0.2, 0.9), (0.0, 0.38, 0.88)
    limbs += [(crank, saddle, 0.05, metal), (crank, head, 0.05, metal),
              (saddle, head, 0.05, metal),
              (crank, (0.0, -0.5, 0.34), 0.04, metal), (head, (0.0, 0.52, 0.34), 0.05, metal),
              ((-0.25, 0.4, 1.0), (0.25, 0.4, 1.0), 0.04, metal)]
    for side in (-1, 1):
        angle = turn + (np.pi if side > 0 else 0)
        foot = (0.1 * side, -0.02 + 0.16 * float(np.cos(angle)),
                0.3 + 0.16 * float(np.sin(angle)))
        knee = (0.12 * side, 0.17 + 0.1 * float(np.cos(angle)), 0.68 + 0.1 * float(np.sin(angle)))
        limbs += [((0.1 * side, -0.2, 0.95), knee, 0.16, figure.trousers),
                  (knee, foot, 0.11, figure.trousers),
                  (foot, (foot[0], foot[1] + 0.14, foot[2]), 0.09, figure.shoes),
                  ((0.18 * side, 0.12, 1.4), (0.25 * side, 0.38, 1.05), 0.1, figure.coat)]
    limbs += [((-0.07, -0.2, 0.98), (-0.08, 0.1, 1.4), 0.24, figure.coat),
              ((0.07, -0.2, 0.98), (0.08, 0.1, 1.4), 0.24, figure.coat),
              ((0, 0.2, 1.52), (0, 0.2, 1.6), 0.19, figure.skin),
              ((0, 0.14, 1.62), (0, 0.18, 1.68), 0.22,
               figure.coat if figure.bag else figure.hair)]
    _draw(painter, limbs, figure.height / 1.75, place, heading, basics.BICYCLIST)


def _draw(painter: Painter, limbs: list[_Limb], size: float, place: tuple[float, float],
          heading: float, label: int) -> None:
    """Draw limbs (start, end, thickness, colour), the farther ones first."""
    local: FloatArray = np.array([limb[:2] for limb in limbs], np.float32).reshape(-1, 3) * size
    cos, sin = np.cos(heading), np.sin(heading)
    world = np.column_stack((place[0] + local[:, 0] * cos + local[:, 1] * sin,
                             place[1] - local[:, 0] * sin + local[:, 1] * cos, local[:, 2]))
    points = painter.camera.to_camera(world)
    distance = float(points[:, 2].mean())
    if points[:, 2].min() < 0.8:
        return
    factor = painter.light.sky_share + 0.5 * painter.light.sun_share
    middles = points.reshape(-1, 2, 3)[:, :, 2].mean(1)
    colors = painter.light.seen([limb[3] for limb in limbs], factor, distance)
    shapes = [Shape(2 * index, 2 * index + 2, limb[2] * size, label)
              for index, limb in enumerate(limbs)]
    painter.shapes(points, shapes, colors, np.argsort(-middles, kind='stable').tolist())
