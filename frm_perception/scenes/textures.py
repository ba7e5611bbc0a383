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
"""Procedural textures: noise, asphalt, paving, grass, leaves, bricks."""

from __future__ import annotations

import cv2
import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.basics import to_bytes

TILE = 256
"""Rows and columns of a texture tile."""


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> FloatArray:
    """Return smooth noise about 0 with deviation about 1; ``cell`` pixels from bump to bump."""
    rows, columns = max(shape[0] // cell, 2), max(shape[1] // cell, 2)
    coarse = rng.standard_normal((rows, columns), np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC),
                      np.float32)


def tile_noise(rng: np.random.Generator, cell: int) -> FloatArray:
    """Return (TILE, TILE) smooth noise whose opposite edges fit together."""
    count = TILE // cell
    coarse = np.pad(rng.standard_normal((count, count), np.float32), 2, mode='wrap')
    size = (count + 4) * cell
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine[2 * cell:2 * cell + TILE, 2 * cell:2 * cell + TILE], np.float32)


def tinted(pattern: FloatArray, color: Color) -> ByteArray:
    """Return a (H, W, 3) uint8 texture: a colour made lighter and darker by a pattern."""
    return to_bytes(pattern[..., None] * np.asarray(color, np.float32))


def asphalt(rng: np.random.Generator, color: Color) -> ByteArray:
    """Return a tile of asphalt: grains and faint clouds."""
    grain = float(rng.uniform(0.03, 0.12))
    pattern = 1 + grain * tile_noise(rng, 1) + 0.04 * tile_noise(rng, 8) + (
        0.04 * tile_noise(rng, 32))
    return tinted(pattern, color)


def paving(rng: np.random.Generator, color: Color, slab: tuple[int, int]) -> ByteArray:
    """Return a tile of paving stones of ``slab`` (rows, columns) pixels, which divide the tile."""
    rows, columns = np.mgrid[:TILE, :TILE]
    course = rows // slab[0]
    shifted = columns + (course % 2) * (slab[1] // 2)
    stone = course * 97 + (shifted % TILE) // slab[1]
    shades = 1 + rng.uniform(0.02, 0.09) * rng.standard_normal(stone.max() + 1)
    joint = (rows % slab[0] == 0) | (shifted % slab[1] == 0)
    pattern = shades[stone] * np.where(joint, rng.uniform(0.6, 0.9), 1)
    pattern = pattern + 0.05 * tile_noise(rng, 1) + 0.05 * tile_noise(rng, 32)
    return tinted(pattern.astype(np.float32), color)


def grass(rng: np.random.Generator, color: Color) -> ByteArray:
    """Return a tile of grass: blades, tufts and patches of another green."""
    pattern = 1 + 0.16 * tile_noise(rng, 1) + 0.12 * tile_noise(rng, 4) + (
        0.1 * tile_noise(rng, 32))
    picture = tinted(pattern, color).astype(np.float32)
    dry = np.clip(0.5 + 0.4 * tile_noise(rng, 16), 0, 1)[..., None] * rng.uniform(0, 0.7)
    straw = np.array((150, 138, 84), np.float32) * pattern[..., None]
    return to_bytes(picture * (1 - dry) + straw * dry)


def repeat(tile: ByteArray, rows: int, columns: int) -> ByteArray:
    """Return a tile ((H, W) or (H, W, 3) uint8) repeated to a size."""
    times = (-(-rows // tile.shape[0]), -(-columns // tile.shape[1]), 1)[:tile.ndim]
    return np.ascontiguousarray(np.tile(tile, times)[:rows, :columns])
