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
"""What optics and sensor do to a picture: exposure, colour, blur, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.light import Light

_SPARE = 64


class Sensor:
    """The camera of one drive."""

    def __init__(self, rng: np.random.Generator, light: Light, height: int, width: int) -> None:
        scale = width / 480
        brightness = float(light.sky_share.mean() + 0.4 * light.sun_share.mean() * light.sun[2])
        metered = min((0.95 / brightness) ** 0.75, 2.0)
        gain = float(np.exp(rng.normal(0, 0.18))) * metered
        balance = np.exp(rng.normal(0, 0.04, 3))
        gamma = float(np.exp(rng.normal(0, 0.14)))
        ramp = np.arange(256)[:, None] / 255 * gain * balance
        curve = np.clip(ramp, 0, None) ** gamma
        curve = np.where(curve > 0.75, 0.75 + 0.25 * np.tanh((curve - 0.75) / 0.25), curve)
        self._curve = np.clip(curve * 255, 0, 255).astype(np.uint8).reshape(256, 1, 3)
        self._saturation = float(np.clip(rng.normal(0.9, 0.2), 0.2, 1.4))
        self._softness = float(rng.uniform(0.45, 0.95) * np.sqrt(scale))
        amount = float(rng.uniform(0.5, 4.5)) * (1.8 if light.night else 1.0)
        grain = rng.standard_normal((height + _SPARE, width + _SPARE, 3), np.float32) * amount
        if rng.random() < 0.4:
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.7)) * 1.8
        self._noise: ByteArray = np.clip(128 + grain, 0, 255).astype(np.uint8)
        rows, columns = np.mgrid[-1:1:height * 1j, -1:1:width * 1j]
        corner = 1 - rng.uniform(0, 0.3) * (rows ** 2 + columns ** 2) / 2
        shade = (corner * 255).astype(np.uint8)
        self._vignette = np.asarray(cv2.merge((shade, shade, shade)), np.uint8)
        self._quality = int(rng.integers(55, 96)) if rng.random() < 0.3 else 0

    def expose(self, image: ByteArray, rng: np.random.Generator) -> ByteArray:
        """Return the (H, W, 3) uint8 picture the sensor delivers; noise comes from ``rng``."""
        height, width = image.shape[:2]
        picture = cv2.GaussianBlur(image, (0, 0), self._softness)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        picture = cv2.addWeighted(picture, self._saturation, cv2.merge((grey, grey, grey)),
                                  1 - self._saturation, 0)
        picture = cv2.LUT(cv2.multiply(picture, self._vignette, scale=1 / 255), self._curve)
        top, left = rng.integers(_SPARE, size=2).tolist()
        noise = self._noise[top:top + height, left:left + width]
        picture = cv2.addWeighted(picture, 1, noise, 1, -128)
        if self._quality:
            _, packed = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, self._quality))
            picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        return np.asarray(picture, np.uint8)
