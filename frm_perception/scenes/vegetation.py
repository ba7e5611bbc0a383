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
"""Trees and bushes as sprites."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import vary
from frm_perception.scenes.painter import Sprite
from frm_perception.scenes.painter import pyramid
from frm_perception.scenes.textures import noise

_SIDE = 320


@dataclass(frozen=True)
class TreeKind:
    """A sprite, and what casts the shadow: crown radius and the height of its middle, metres."""

    sprite: Sprite
    radius: float
    middle: float
    density: float


def make_trees(rng: np.random.Generator, count: int, sun_left: float, town: bool
               ) -> list[TreeKind]:
    """
    Draw the trees of a drive.

    :param town: no conifers, whose branches reach down to where people walk.
    :param sun_left: -1 to 1, how far the sun stands to the left of someone looking ahead.
    """
    bare = rng.random() < 0.2
    green = vary(rng, ((74, 98, 46), (92, 104, 40), (56, 78, 40), (128, 104, 44), (86, 92, 58))[
        rng.choice(5, p=(0.35, 0.2, 0.2, 0.1, 0.15))], 14)
    kinds = []
    for _ in range(count):
        if bare and rng.random() < 0.8:
            kinds.append(_bare(rng))
        elif not town and rng.random() < 0.25:
            kinds.append(_conifer(rng, vary(rng, (44, 64, 40), 12), sun_left))
        else:
            kinds.append(_leafy(rng, vary(rng, green, 16), sun_left))
    return kinds


def make_bushes(rng: np.random.Generator, count: int, sun_left: float) -> list[Sprite]:
    """Draw bushes: crowns without a trunk."""
    bushes = []
    for _ in range(count):
        canvas: ByteArray = np.zeros((_SIDE // 2, _SIDE, 4), np.uint8)
        blobs = [(x * _SIDE, 0.62 * _SIDE / 2, rng.uniform(0.2, 0.36) * _SIDE / 2)
                 for x in rng.uniform(0.2, 0.8, 6)]
        _leaves(canvas, rng, blobs, vary(rng, (70, 92, 44), 22), sun_left, 500)
        bushes.append(_finish(canvas, (float(rng.uniform(2, 3.5)), float(rng.uniform(1, 1.8)))))
    return bushes


def _leafy(rng: np.random.Generator, color: Color, sun_left: float) -> TreeKind:
    canvas: ByteArray = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    tall = float(rng.uniform(5.5, 13))
    wide = tall * float(rng.uniform(0.6, 0.95))
    crown = float(rng.uniform(0.3, 0.42))
    _trunk(canvas, rng, crown)
    blobs = []
    for _ in range(rng.integers(9, 16)):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 0.8))
        radius = rng.uniform(0.12, 0.22) * _SIDE
        blobs.append((_SIDE / 2 + np.cos(angle) * reach * 0.32 * _SIDE,
                      crown * _SIDE + np.sin(angle) * reach * (crown - 0.13) * _SIDE, radius))
    _leaves(canvas, rng, blobs, color, sun_left, 3400)
    return TreeKind(_finish(canvas, (wide, tall)), wide * 0.42, tall * (1 - crown), 0.85)


def _conifer(rng: np.random.Generator, color: Color, sun_left: float) -> TreeKind:
    canvas: ByteArray = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    tall = float(rng.uniform(6, 14))
    _trunk(canvas, rng, 0.8)
    blobs = [(_SIDE / 2 + rng.normal(0, 0.02 + share * 0.1) * _SIDE, (0.06 + 0.8 * share) * _SIDE,
              (0.05 + 0.17 * share) * _SIDE) for share in np.linspace(0, 1, 18)]
    _leaves(canvas, rng, blobs, color, sun_left, 2400)
    return TreeKind(_finish(canvas, (tall * 0.55, tall)), tall * 0.2, tall * 0.45, 0.95)


def _bare(rng: np.random.Generator) -> TreeKind:
    """Draw a tree in winter: branches that fork."""
    canvas: ByteArray = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    color = np.asarray(vary(rng, (78, 66, 56), 14))
    ends = [(_SIDE / 2, float(_SIDE), -np.pi / 2, _SIDE * 0.2, 9.0)]
    for depth in range(8):
        grown = []
        for x, y, angle, length, width in ends:
            tip = (x + np.cos(angle) * length, y + np.sin(angle) * length)
            shade = (color * rng.uniform(0.75, 1.15)).tolist()
            cv2.line(canvas, (round(x), round(y)), (round(tip[0]), round(tip[1])),
                     (*shade, 255), max(round(width), 1), cv2.LINE_AA)
            for turn in rng.choice((-1, 1), 1 if depth == 0 else 2) * rng.uniform(0.1, 0.6, 1):
                grown.append((*tip, angle + turn, length * rng.uniform(0.7, 0.9), width * 0.66))
            grown.append((*tip, angle + rng.normal(0, 0.3), length * 0.8, width * 0.7))
        ends = grown[:260]
    tall = float(rng.uniform(6, 12))
    twigs = cv2.GaussianBlur(canvas, (0, 0), 3)
    haze = np.clip(twigs.astype(np.float32) * 1.2, 0, 150)
    canvas = np.maximum(canvas, haze.astype(np.uint8))
    return TreeKind(_finish(canvas, (tall * 0.9, tall)), tall * 0.3, tall * 0.6, 0.3)


def _trunk(canvas: ByteArray, rng: np.random.Generator, top: float) -> None:
    bark = vary(rng, (84, 68, 54), 22)
    half = float(rng.uniform(0.02, 0.035)) * _SIDE
    middle, high = _SIDE / 2, top * _SIDE
    outline = np.array(((middle - half * 0.5, high), (middle + half * 0.5, high),
                        (middle + half * 1.3, _SIDE), (middle - half * 1.3, _SIDE)))
    cv2.fillPoly(canvas, [outline.astype(np.int32)], (*bark, 255))
    rough = 1 + 0.2 * noise(rng, (_SIDE, _SIDE), 3)[..., None]
    shade = np.linspace(1.25, 0.7, _SIDE)[None, :, None]
    canvas[..., :3] = np.clip(canvas[..., :3] * rough * shade, 0, 255).astype(np.uint8)


def _leaves(canvas: ByteArray, rng: np.random.Generator,
            blobs: list[tuple[float, float, float]], tint: Color, sun_left: float, count: int
            ) -> None:
    """Cover round blobs (x, y, radius) with leaves, brighter towards the light."""
    deep = (*(np.asarray(tint) * 0.42).tolist(), 255)
    for column, row, radius in blobs:
        if rng.random() < 0.85:
            centre = (int(column * 16), int(row * 16))
            cv2.circle(canvas, centre, int(radius * 11), deep, -1, cv2.LINE_8, 4)
    picks = rng.integers(len(blobs), size=count)
    angles, reaches = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    centres = np.array(blobs)[picks]
    x = centres[:, 0] + np.cos(angles) * reaches * centres[:, 2]
    y = centres[:, 1] + np.sin(angles) * reaches * centres[:, 2]
    up = -np.sin(angles) * reaches
    left = -np.cos(angles) * reaches
    glow = 0.62 + 0.3 * up + 0.25 * sun_left * left + 0.12 * rng.standard_normal(count) + (
        0.3 * (1 - y / canvas.shape[0]))
    order = np.argsort(reaches * -1 + rng.uniform(0, 1, count) * 0.8 + glow * 0.7)
    sizes = rng.uniform(0.004, 0.013, count) * _SIDE
    shades = np.clip(np.asarray(tint) * glow[:, None], 8, 255)
    colors = np.column_stack((shades, np.full(count, 255)))
    fixed = np.column_stack((x, y, sizes)) * 16
    for (column, row, radius), color in zip(fixed[order].astype(int).tolist(),
                                            colors[order].tolist(), strict=True):
        cv2.circle(canvas, (column, row), radius, color, -1, cv2.LINE_8, 4)
    shape = (canvas.shape[0], canvas.shape[1])
    rough = 1 + 0.16 * noise(rng, shape, 2) + 0.1 * noise(rng, shape, 9)
    canvas[..., :3] = np.minimum(np.clip(canvas[..., :3] * rough[..., None], 0, 255),
                                 canvas[..., 3:]).astype(np.uint8)


def _finish(canvas: ByteArray, size: tuple[float, float]) -> Sprite:
    """Return the sprite of a canvas: colours multiplied by coverage, edges softened."""
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.6)
    return Sprite(pyramid(np.asarray(soft, np.uint8)), size)
