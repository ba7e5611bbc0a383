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
"""Class ids, array types and random streams that every part of the renderer uses."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from frm_perception.labels import CAMVID

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
Color = tuple[float, float, float]
"""Red, green and blue, 0..255."""

SKY = CAMVID.classes.index('sky')
BUILDING = CAMVID.classes.index('building')
POLE = CAMVID.classes.index('pole')
ROAD = CAMVID.classes.index('road')
PAVEMENT = CAMVID.classes.index('pavement')
TREE = CAMVID.classes.index('tree')
SIGN = CAMVID.classes.index('sign')
FENCE = CAMVID.classes.index('fence')
CAR = CAMVID.classes.index('car')
PEDESTRIAN = CAMVID.classes.index('pedestrian')
BICYCLIST = CAMVID.classes.index('bicyclist')


def stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """
    Return the random generator of one part of one drive.

    Each part draws from its own stream, so that a change in one does not reshuffle the others.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])


def to_bytes(values: ArrayLike) -> ByteArray:
    """Return an array of colours as uint8, clipped to 0..255."""
    clipped: ByteArray = np.clip(values, 0, 255).astype(np.uint8)
    return clipped


def vary(rng: np.random.Generator, color: Color, spread: float) -> Color:
    """Return a colour near another: brightness and each channel moved by up to ``spread``."""
    moved = np.asarray(color) + rng.uniform(-spread, spread) + rng.uniform(-1, 1, 3) * spread / 3
    red, green, blue = np.clip(moved, 0, 255).tolist()
    return red, green, blue
