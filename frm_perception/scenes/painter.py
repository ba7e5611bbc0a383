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
"""Draws polygons, textured walls, sprites and lines into an image and its labels at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.camera import NEAR
from frm_perception.scenes.camera import Camera
from frm_perception.scenes.camera import clip_near
from frm_perception.scenes.light import Light

_SHIFT = 4


@dataclass(frozen=True)
class Sprite:
    """
    A flat picture with transparency, in ever smaller copies.

    :param levels: (H, W, 4) uint8, colours multiplied by the coverage in the last channel.
    :param size: width and height, metres.
    """

    levels: tuple[ByteArray, ...]
    size: tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """
    A polygon or line through some of the points of a thing.

    :param first: number of its first point.
    :param last: number after its last point.
    :param width: thickness of a line in metres; 0 for a convex polygon.
    """

    first: int
    last: int
    width: float
    label: int


def pyramid(picture: ByteArray) -> tuple[ByteArray, ...]:
    """Return a picture and its halvings down to 16 pixels, against flicker in the distance."""
    levels = [picture]
    while min(levels[-1].shape[:2]) >= 32:
        half = (levels[-1].shape[1] // 2, levels[-1].shape[0] // 2)
        levels.append(np.asarray(
            cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(levels)


class Painter:
    """
    One frame in the making; later drawings hide earlier ones, in the image and in the labels.

    :param image: (H, W, 3) uint8 RGB.
    :param labels: (H, W) uint8.
    """

    def __init__(self, camera: Camera, light: Light, time: float) -> None:
        self.camera, self.light, self.time = camera, light, time
        self.image: ByteArray = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.labels: ByteArray = np.zeros((camera.height, camera.width), np.uint8)

    def polygon(self, points: ArrayLike, color: Color, label: int) -> None:
        """Draw a convex polygon of (N, 3) world points in its final colour."""
        self.camera_polygon(self.camera.to_camera(points), color, label)

    def camera_polygon(self, points: FloatArray, color: Color, label: int) -> None:
        """Draw a convex polygon of (N, 3) camera points in its final colour."""
        corners = self._corners(points)
        if corners is not None:
            cv2.fillConvexPoly(self.image, corners, color, shift=_SHIFT)
            cv2.fillConvexPoly(self.labels, corners, (label,), shift=_SHIFT)

    def shade(self, points: ArrayLike, factor: float) -> None:
        """Darken a convex polygon of (N, 3) world points; labels stay."""
        seen = self.camera.to_camera(points)
        corners = self._corners(seen)
        if corners is None:
            return
        box = self._box(corners / (1 << _SHIFT))
        if box is None:
            return
        rows, columns = box
        part = self.image[rows, columns]
        mask = self._mask(corners, rows, columns)
        share = (1 - factor) * self.light.clarity(float(seen[:, 2].mean()))
        cv2.copyTo(cv2.convertScaleAbs(part, alpha=1 - share), mask, part)

    def shapes(self, points: FloatArray, shapes: Sequence[Shape], colors: NDArray[np.float64],
               order: Sequence[int]) -> None:
        """
        Draw polygons and lines that belong together.

        :param points: (N, 3) camera points that the shapes refer to.
        :param colors: (len(shapes), 3) colours in which they are seen.
        :param order: numbers of the shapes to draw, farthest first.
        """
        depth = points[:, 2]
        if depth.max() <= NEAR:
            return
        if depth.min() <= NEAR:
            self._near_shapes(points, shapes, colors, order)
            return
        pixels = self.camera.to_pixels(points)
        if self._outside(pixels, 20):
            return
        corners, seen = _fixed(np.clip(pixels, -30000, 30000)), colors.tolist()
        for number in order:
            shape = shapes[number]
            part = corners[shape.first:shape.last]
            if shape.width:
                self._draw_line(part, shape, seen[number], float(depth[shape.first]))
            else:
                cv2.fillConvexPoly(self.image, part, seen[number], cv2.LINE_8, _SHIFT)
                cv2.fillConvexPoly(self.labels, part, (shape.label,), cv2.LINE_8, _SHIFT)

    def _near_shapes(self, points: FloatArray, shapes: Sequence[Shape],
                     colors: NDArray[np.float64], order: Sequence[int]) -> None:
        """Draw shapes some of which reach behind the near plane."""
        for number in order:
            shape = shapes[number]
            part, color = points[shape.first:shape.last], colors[number].tolist()
            if not shape.width:
                self.camera_polygon(part, color, shape.label)
            elif part[:, 2].min() > NEAR:
                pixels = np.clip(self.camera.to_pixels(part), -30000, 30000)
                self._draw_line(_fixed(pixels), shape, color, float(part[0, 2]))

    def _draw_line(self, corners: NDArray[np.int32], shape: Shape, color: Color, depth: float
                   ) -> None:
        thickness = max(round(shape.width * self.camera.focal / depth), 1)
        path = [corners.reshape(-1, 1, 2)]
        cv2.polylines(self.image, path, False, color, thickness, cv2.LINE_8, _SHIFT)
        cv2.polylines(self.labels, path, False, (shape.label,), thickness, cv2.LINE_8, _SHIFT)

    def wall(self, corners: ArrayLike, texture: Sequence[ByteArray], table: ByteArray,
             label: int) -> None:
        """
        Draw a texture on an upright rectangle.

        :param corners: (4, 3) world points: top left, top right, bottom right, bottom left.
        :param texture: the picture and its halvings, (H, W, 3) uint8.
        :param table: (256, 1, 3) uint8, surface colour to seen colour.
        """
        points = self.camera.to_camera(corners)
        span = np.array((0.0, 1.0), np.float32)
        left, right = float(points[[0, 3], 2].min()), float(points[[1, 2], 2].min())
        if max(left, right) <= NEAR:
            return
        if min(left, right) < NEAR:
            cut = (NEAR - left) / (right - left)
            span[0 if left < NEAR else 1] = cut
            ends = points[[0, 3]][None] * (1 - span)[:, None, None] + (
                points[[1, 2]][None] * span[:, None, None])
            points = np.stack((ends[0, 0], ends[1, 0], ends[1, 1], ends[0, 1]))
        pixels = self.camera.to_pixels(points)
        box = self._box(pixels)
        if box is None:
            return
        rows, columns = box
        tall = float(np.abs(pixels[[0, 1], 1] - pixels[[3, 2], 1]).max())
        picture = _level(texture, tall)
        high, wide = picture.shape[:2]
        source = np.array(((span[0] * wide, 0), (span[1] * wide, 0), (span[1] * wide, high),
                           (span[0] * wide, high)), np.float32)
        target = (pixels - (columns.start, rows.start)).astype(np.float32)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        warped = cv2.warpPerspective(picture, cv2.getPerspectiveTransform(source, target), size,
                                     borderMode=cv2.BORDER_REPLICATE)
        mask = self._mask(_fixed(np.clip(pixels, -30000, 30000)), rows, columns)
        cv2.copyTo(cv2.LUT(warped, table), mask, self.image[rows, columns])
        self.labels[rows, columns][mask > 0] = label

    def sprite(self, base: tuple[float, float], sprite: Sprite, scale: float, label: int,
               factor: NDArray[np.float64]) -> None:
        """
        Stand a sprite upright at a world position, turned to the camera.

        :param base: world x and y of the middle of its lower edge.
        :param scale: multiplies the sprite's size.
        :param factor: RGB factor of the light on it.
        """
        cos, sin = np.cos(self.camera.heading), np.sin(self.camera.heading)
        half, tall = sprite.size[0] * scale / 2, sprite.size[1] * scale
        world = [(base[0] + side * half * cos, base[1] - side * half * sin, z)
                 for side, z in ((-1, tall), (1, tall), (-1, 0))]
        points = self.camera.to_camera(world)
        if points[:, 2].min() < 1:
            return
        pixels = self.camera.to_pixels(points)
        box = self._box(np.vstack((pixels, pixels[1] + pixels[2] - pixels[0])))
        if box is None:
            return
        rows, columns = box
        picture = _level(sprite.levels, float(np.linalg.norm(pixels[2] - pixels[0])))
        high, wide = picture.shape[:2]
        source = np.array(((0, 0), (wide, 0), (0, high)), np.float32)
        target = (pixels - (columns.start, rows.start)).astype(np.float32)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        warped = cv2.warpAffine(picture, cv2.getAffineTransform(source, target), size)
        self._blend(warped, rows, columns, label, factor, float(points[2, 2]))

    def _blend(self, warped: cv2.typing.MatLike, rows: slice, columns: slice, label: int,
               factor: NDArray[np.float64], distance: float) -> None:
        alpha = warped[..., 3]
        clarity = self.light.clarity(distance)
        gains = np.asarray(factor) * clarity * self.light.at_night(distance)
        air = np.asarray(self.light.haze) * ((1 - clarity) / 255)
        cover = cv2.merge((alpha, alpha, alpha))
        color = cv2.add(cv2.LUT(warped[..., :3], _gain_table(gains)),
                        cv2.LUT(cover, _gain_table(air)))
        part = self.image[rows, columns]
        part[:] = cv2.add(cv2.multiply(part, 255 - cover, scale=1 / 255), color)
        self.labels[rows, columns][alpha > 127] = label

    def _corners(self, points: FloatArray) -> NDArray[np.int32] | None:
        clipped = clip_near(points)
        if len(clipped) < 3:
            return None
        pixels = self.camera.to_pixels(clipped)
        if self._outside(pixels, 0):
            return None
        return _fixed(np.clip(pixels, -30000, 30000))

    def _outside(self, pixels: FloatArray, margin: float) -> bool:
        low, high = pixels.min(0), pixels.max(0)
        return bool(high[0] < -margin or high[1] < -margin
                    or low[0] > self.camera.width + margin
                    or low[1] > self.camera.height + margin)

    def _box(self, pixels: NDArray[np.floating[Any]]) -> tuple[slice, slice] | None:
        low = np.floor(pixels.min(0)).astype(int)
        high = np.ceil(pixels.max(0)).astype(int) + 1
        left, top = max(int(low[0]), 0), max(int(low[1]), 0)
        right, bottom = min(int(high[0]), self.camera.width), min(int(high[1]), self.camera.height)
        if right <= left or bottom <= top:
            return None
        return slice(top, bottom), slice(left, right)

    @staticmethod
    def _mask(corners: NDArray[np.int32], rows: slice, columns: slice) -> ByteArray:
        mask: ByteArray = np.zeros((rows.stop - rows.start, columns.stop - columns.start),
                                   np.uint8)
        offset = np.array((columns.start, rows.start), np.int32) << _SHIFT
        cv2.fillConvexPoly(mask, corners - offset, (255,), shift=_SHIFT)
        return mask


def _fixed(pixels: FloatArray) -> NDArray[np.int32]:
    """Return pixel positions in the fixed-point form that OpenCV draws with."""
    fixed: NDArray[np.int32] = np.round(pixels * (1 << _SHIFT)).astype(np.int32)
    return fixed


def _gain_table(gains: NDArray[np.float64]) -> ByteArray:
    """Return a (256, 1, 3) uint8 table that multiplies each channel."""
    return np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8).reshape(256, 1, 3)


def _level(levels: Sequence[ByteArray], pixels: float) -> ByteArray:
    """Return the smallest level that still has at least ``pixels`` rows, else the largest."""
    return next((level for level in reversed(levels) if level.shape[0] >= pixels), levels[0])
