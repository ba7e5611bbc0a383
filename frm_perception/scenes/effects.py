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
"""Weather that is seen in the whole picture: wet ground, glare, glow of lamps, rain."""

from __future__ import annotations

import cv2
import numpy as np

from frm_perception.scenes import basics
from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.painter import Painter

_COARSE = 8
"""Glare and glow are computed on a picture this many times smaller."""


def add_weather(painter: Painter, rng: np.random.Generator) -> None:
    """Change a finished frame's image as its weather does; labels stay."""
    light = painter.light
    if light.wetness:
        _reflect(painter)
    if light.sun_share.max() > 0.3 and light.sun[2] < 0.5:
        _glare(painter)
    if light.weather in ('dusk', 'night'):
        _glow(painter)
    if light.weather == 'rain':
        _rain(painter, rng)


def _reflect(painter: Painter) -> None:
    """Mirror what stands on the ground in the wet ground before it."""
    image, labels = painter.image, painter.labels
    height, width = labels.shape
    ground = (labels == basics.ROAD) | (labels == basics.PAVEMENT)
    top = int(np.argmax(ground.any(1)))
    if not ground[top].any():
        return
    # In each column, the ground reaches up from the bottom to the foot of what stands there.
    foot = height - np.argmin(ground[::-1], 0)
    foot[ground.all(0)] = 0
    smooth: FloatArray = np.asarray(
        cv2.blur(foot[None].astype(np.float32), (max(width // 120, 1), 1)), np.float32)
    rows = np.arange(top, height, dtype=np.float32)[:, None]
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), (height - top, width))
    mirrored = cv2.remap(image, columns, 2 * smooth - rows, cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REFLECT_101)
    streaked = cv2.blur(mirrored, (max(width // 160, 1), max(height // 14, 1)))
    steep = np.exp(-(rows[:, 0] - top) / (0.22 * height))
    share = painter.light.wetness * (0.12 + 0.42 * steep)[:, None, None].astype(np.float32)
    part = image[top:]
    mixed = basics.to_bytes(part * (1 - share) + streaked * share)
    cv2.copyTo(mixed, ground[top:].view(np.uint8), part)


def _glare(painter: Painter) -> None:
    """Veil the picture round a low sun in view."""
    camera, light = painter.camera, painter.light
    towards = np.array([(camera.x, camera.y, camera.eye)]) + 1000 * light.sun
    sun = camera.to_camera(towards)
    if sun[0, 2] < 300:
        return
    column, row = (camera.to_pixels(sun)[0] / _COARSE).tolist()
    rows, columns = np.mgrid[:-(-camera.height // _COARSE), :-(-camera.width // _COARSE)]
    square = ((rows - row) ** 2 + (columns - column) ** 2) / (camera.width / _COARSE) ** 2
    veil = 70 * np.exp(-square / 0.12) + 150 * np.exp(-square / 0.004)
    _add_coarse(painter.image, basics.to_bytes(veil[..., None] * light.sun_share))


def _glow(painter: Painter) -> None:
    """Spread the light of lamps over their neighbourhood."""
    camera = painter.camera
    size = (-(-camera.width // _COARSE), -(-camera.height // _COARSE))
    small = cv2.resize(painter.image, size, interpolation=cv2.INTER_AREA)
    bright = np.maximum(cv2.subtract(small, cv2.blur(small, (9, 9))), 40).astype(np.float32) - 40
    _add_coarse(painter.image, basics.to_bytes(1.6 * cv2.GaussianBlur(bright, (0, 0), 1.6)))


def _add_coarse(image: ByteArray, light: ByteArray) -> None:
    """Add a small picture, enlarged, to an image."""
    large = cv2.resize(light, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    image[:] = cv2.add(image, large)


def _rain(painter: Painter, rng: np.random.Generator) -> None:
    """Draw falling drops as faint streaks."""
    height, width = painter.labels.shape
    layer: ByteArray = np.zeros((height, width), np.uint8)
    starts = rng.uniform((0, -0.1 * height), (width, height), (90, 2))
    for (x, y), length in zip(starts, rng.uniform(0.01, 0.07, 90) * height, strict=True):
        cv2.line(layer, (int(x), int(y)), (int(x + length * 0.12), int(y + length)), (60,), 1)
    soft = cv2.GaussianBlur(layer, (3, 3), 0)
    painter.image[:] = cv2.add(painter.image, cv2.merge((soft, soft, soft)))
