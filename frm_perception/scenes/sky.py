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
"""The sky, its clouds, and what stands at the horizon."""

from __future__ import annotations

import cv2
import numpy as np

from frm_perception.scenes import basics
from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.basics import to_bytes
from frm_perception.scenes.basics import vary
from frm_perception.scenes.ground import FAR
from frm_perception.scenes.light import Light
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.textures import noise

_WIDTH, _HEIGHT = 1024, 256
_SPAN = 1.6
"""Radians of heading that the panorama shows to each side of north."""
_TOP, _BOTTOM = 0.9, -0.2
"""Elevations of the panorama's upper and lower edge, radians."""


class Sky:
    """A panorama of the sky and the far silhouettes of one drive."""

    def __init__(self, rng: np.random.Generator, light: Light, town: bool) -> None:
        self._panorama = _panorama(rng, light)
        angles = np.linspace(-_SPAN, _SPAN, _WIDTH, dtype=np.float32)
        self._angles: FloatArray = angles
        rough = noise(rng, (2, _WIDTH), 12)[0] + 0.6 * noise(rng, (2, _WIDTH), 4)[0]
        hills = noise(rng, (2, _WIDTH), 90)[0]
        self._trees = (0.022 + 0.008 * hills + 0.005 * rough).astype(np.float32)
        blocks = np.repeat(rng.uniform(0.01, 0.06, _WIDTH // 8), 8).astype(np.float32)
        self._roofs = blocks if town else np.zeros_like(blocks)
        self._tree_color = vary(rng, (62, 74, 50), 16)
        self._roof_color = vary(rng, (120, 112, 106), 25)

    def draw(self, painter: Painter) -> None:
        """Fill the whole frame with sky and the silhouettes at the end of the ground."""
        camera, light = painter.camera, painter.light
        columns = np.array((0, camera.width, 0)) - camera.width / 2
        rows = np.array((0, 0, camera.height)) - camera.height / 2
        cos, sin = np.cos(camera.roll), np.sin(camera.roll)
        azimuth = camera.heading + (columns * cos - rows * sin) / camera.focal
        elevation = -camera.pitch - (columns * sin + rows * cos) / camera.focal
        target = np.stack(((azimuth + _SPAN) / (2 * _SPAN) * _WIDTH,
                           (_TOP - elevation) / (_TOP - _BOTTOM) * _HEIGHT), 1)
        source = np.array(((0, 0), (camera.width, 0), (0, camera.height)), np.float32)
        placed = cv2.getAffineTransform(target.astype(np.float32), source)
        painter.image[:] = cv2.warpAffine(self._panorama, placed, (camera.width, camera.height),
                                          borderMode=cv2.BORDER_REPLICATE)
        painter.labels[:] = basics.SKY
        base = (0.5 * camera.bend * FAR * FAR - camera.eye) / FAR
        clear = light.clarity(FAR * 1.3)
        for heights, color, label in ((self._roofs, self._roof_color, basics.BUILDING),
                                      (self._trees, self._tree_color, basics.TREE)):
            lit = np.asarray(color) * (light.sky_share + 0.4 * light.sun_share)
            seen = lit * clear + np.asarray(light.haze) * (1 - clear)
            self._silhouette(painter, heights + np.float32(base), tuple(seen.tolist()), label)

    def _silhouette(self, painter: Painter, elevation: FloatArray,
                    color: tuple[float, ...], label: int) -> None:
        camera = painter.camera
        turn = self._angles - camera.heading
        near = np.flatnonzero(np.abs(turn) < 1.1)
        turn, elevation = turn[near], elevation[near]
        x, up = np.tan(turn), np.tan(elevation) / np.cos(turn)
        pitch_cos, pitch_sin = np.cos(camera.pitch), np.sin(camera.pitch)
        depth = pitch_cos - up * pitch_sin
        right, down = x / depth, -(pitch_sin + up * pitch_cos) / depth
        cos, sin = np.cos(camera.roll), np.sin(camera.roll)
        columns = camera.width / 2 + camera.focal * (right * cos + down * sin)
        rows = camera.height / 2 + camera.focal * (down * cos - right * sin)
        outline = np.stack((columns, rows), 1)
        floor = np.array(((columns[-1], camera.height), (columns[0], camera.height)))
        corners = [np.round(np.vstack((outline, floor)) * 16).astype(np.int32)]
        cv2.fillPoly(painter.image, corners, color, shift=4)
        cv2.fillPoly(painter.labels, corners, (label,), shift=4)


def _panorama(rng: np.random.Generator, light: Light) -> ByteArray:
    """Return the (H, W, 3) uint8 sky over all headings."""
    elevation = np.linspace(_TOP, _BOTTOM, _HEIGHT, dtype=np.float32)[:, None]
    azimuth = np.linspace(-_SPAN, _SPAN, _WIDTH, dtype=np.float32)[None, :]
    rise = np.clip(elevation / 0.6, 0, 1)[..., None] ** 0.6
    horizon, zenith = np.asarray(light.haze, np.float32), np.asarray(light.zenith, np.float32)
    sky = horizon * (1 - rise) + zenith * rise + np.zeros((_HEIGHT, _WIDTH, 1), np.float32)
    shape = (_HEIGHT, _WIDTH)
    cloud: FloatArray = np.zeros(shape, np.float32)
    for cell, share in ((28, 0.9), (12, 0.6), (5, 0.32), (2, 0.14)):
        flat = noise(rng, (_HEIGHT, _WIDTH // 4), cell)
        cloud += share * np.asarray(cv2.resize(flat, (_WIDTH, _HEIGHT)), np.float32)
    cover = np.clip((cloud + 3.2 * light.cover - 1.9) * 0.8, 0, 1) * np.clip(
        (elevation + 0.03) / 0.15, 0, 1)
    bright = 0.45 * np.asarray(light.zenith, np.float32) + 0.62 * horizon
    relief = (1 + 0.09 * np.roll(cloud, 6, 0))[..., None]
    sky = sky * (1 - cover[..., None]) + np.clip(bright * relief, 0, 255) * cover[..., None]
    aside = np.arctan2(light.sun[0], light.sun[1])
    height = np.arcsin(light.sun[2])
    angle = np.hypot((azimuth - aside) * np.cos(height), elevation - height)
    glow = np.exp(-(angle / 0.25) ** 2) * 90 + np.exp(-(angle / 0.05) ** 2) * 300
    sky += (glow * (1 - 0.9 * cover))[..., None] * (light.sun_share / 0.75)
    return to_bytes(sky)
