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
"""Random changes to a training image that its labels survive."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.training.config import AugmentationConfig

Image = NDArray[np.uint8]
Random = np.random.Generator

PADDING = (124, 116, 104)
"""RGB of pixels outside the image: what the runtime fills its letterbox with."""


class Augmentation:
    """Scale, crop, flip and photometric distortion, as a configuration says."""

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config

    def __call__(self, image: Image, labels: Image, random: Random) -> tuple[Image, Image]:
        """
        Return a crop: (height, width, 3) uint8 RGB and (height, width) uint8 labels.

        :param image: (H, W, 3) uint8 RGB.
        :param labels: (H, W) uint8 class ids.
        """
        image, labels = self._scale(image, labels, random)
        image, labels = self._crop(image, labels, random)
        if random.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        image, labels = np.ascontiguousarray(image), np.ascontiguousarray(labels)
        if random.random() < self.config.photometric:
            image = distort(image, random)
        return image, labels

    def _scale(self, image: Image, labels: Image, random: Random) -> tuple[Image, Image]:
        config = self.config
        scale = np.exp(random.uniform(np.log(config.min_scale), np.log(config.max_scale)))
        scale *= config.height / image.shape[0]
        stretch = np.exp(random.uniform(-0.12, 0.12))
        size = (max(round(image.shape[1] * scale * stretch), 8),
                max(round(image.shape[0] * scale), 8))
        shrinking = size[0] < image.shape[1]
        image = cv2.resize(  # type: ignore[assignment]
            image, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        return image, cv2.resize(  # type: ignore[return-value]
            labels, size, interpolation=cv2.INTER_NEAREST)

    def _crop(self, image: Image, labels: Image, random: Random) -> tuple[Image, Image]:
        height, width = self.config.height, self.config.width
        out = np.full((height, width, 3), PADDING, np.uint8)
        out_labels = np.full((height, width), IGNORE, np.uint8)
        from_y, to_y, rows = _place(image.shape[0], height, random)
        from_x, to_x, columns = _place(image.shape[1], width, random)
        out[to_y:to_y + rows, to_x:to_x + columns] = (
            image[from_y:from_y + rows, from_x:from_x + columns])
        out_labels[to_y:to_y + rows, to_x:to_x + columns] = (
            labels[from_y:from_y + rows, from_x:from_x + columns])
        return out, out_labels


def paste(image: Image, labels: Image, other: Image, other_labels: Image,
          classes: Sequence[int]) -> None:
    """
    Copy the pixels of some classes from another crop, with their labels.

    :param image: (H, W, 3) uint8 RGB; changed. :param labels: (H, W) uint8; changed.
    :param other: of the same size, with ``other_labels``.
    """
    taken = np.isin(other_labels, classes)
    image[taken], labels[taken] = other[taken], other_labels[taken]


def _place(source: int, target: int, random: Random) -> tuple[int, int, int]:
    """Return where to read, where to write and how much, along one axis."""
    slack = source - target
    offset = int(random.integers(0, abs(slack) + 1))
    return (offset, 0, target) if slack >= 0 else (0, offset, source)


def distort(image: Image, random: Random) -> Image:
    """
    Change colours, light and sharpness as other cameras and other weather would.

    :param image: (H, W, 3) uint8 RGB.
    """
    x = image.astype(np.float32) / 255
    if random.random() < 0.3:
        x = _cast_shadow(x, random)
    if random.random() < 0.9:
        x = _recolour(x, random)
    if random.random() < 0.15:
        x = _add_haze(x, random)
    if random.random() < 0.25:
        x = _blur(x, random)
    if random.random() < 0.3:
        x = x + random.normal(0, random.uniform(0.005, 0.05), x.shape).astype(np.float32)
    out: Image = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.2:
        quality = int(random.integers(25, 85))
        coded = cv2.imencode('.jpg', out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = cv2.imdecode(coded, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return out


def _recolour(x: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
    gains = np.exp(random.normal(0, 0.12, 3)).astype(np.float32)
    x = np.clip(x * gains * np.float32(np.exp(random.normal(0, 0.25))), 0, 1.2)
    x = x ** np.float32(np.exp(random.normal(0, 0.3)))
    gray = (x @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    saturation = 0.0 if random.random() < 0.06 else random.uniform(0.3, 1.7)
    x = gray + (x - gray) * np.float32(saturation)
    contrast = np.float32(random.uniform(0.6, 1.4))
    shifted: NDArray[np.float32] = (x - x.mean()) * contrast + x.mean()
    shifted += np.float32(random.normal(0, 0.06))
    if random.random() < 0.15:
        shifted = shifted @ _hue_rotation(random.uniform(-0.5, 0.5))
    return shifted


def _hue_rotation(angle: float) -> NDArray[np.float32]:
    """Return the 3x3 rotation about the gray axis by ``angle`` radians."""
    rotation, _ = cv2.Rodrigues(np.full(3, angle / np.sqrt(3)))
    return rotation.astype(np.float32)


def _cast_shadow(x: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
    height, width = x.shape[:2]
    corners = random.uniform((-0.2, 0.3), (1.2, 1.2), (int(random.integers(3, 6)), 2))
    mask = np.zeros((height, width), np.float32)
    hull = cv2.convexHull((corners * (width, height)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, (1.0,))
    soft = cv2.blur(mask, (int(random.integers(1, 12)),) * 2)[..., None].astype(np.float32)
    return x * (1 - soft * np.float32(random.uniform(0.2, 0.7)))


def _add_haze(x: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
    """Veil the upper rows more than the lower ones, as distance does."""
    height = x.shape[0]
    horizon = random.uniform(0.2, 0.6) * height
    depth = np.clip(1 - np.abs(np.arange(height) - horizon) / height, 0, 1)
    veil = (depth ** 2 * random.uniform(0.1, 0.6)).astype(np.float32)[:, None, None]
    return x * (1 - veil) + veil * np.float32(random.uniform(0.6, 0.95))


def _blur(x: NDArray[np.float32], random: Random) -> NDArray[np.float32]:
    if random.random() < 0.5:
        return cv2.GaussianBlur(  # type: ignore[return-value]
            x, (0, 0), random.uniform(0.4, 1.6))
    factor = random.uniform(0.4, 0.8)
    small = cv2.resize(x, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(  # type: ignore[return-value]
        small, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_LINEAR)
