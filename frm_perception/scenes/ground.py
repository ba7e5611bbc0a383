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
"""Shades the ground of one frame from the drive's ground map."""

from __future__ import annotations

import cv2
import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import FloatArray
from frm_perception.scenes.basics import to_bytes
from frm_perception.scenes.ground_map import KERB_FACE
from frm_perception.scenes.ground_map import LABELS
from frm_perception.scenes.ground_map import LONG
from frm_perception.scenes.ground_map import RAISED
from frm_perception.scenes.ground_map import REACH
from frm_perception.scenes.ground_map import WIDE
from frm_perception.scenes.ground_map import YELLOW
from frm_perception.scenes.ground_map import GroundMap
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.road import Road

FAR = 240.0
"""Metres ahead at which the ground ends and the backdrop begins."""
_LEVELS = 7
_ACROSS_FROM = 4
"""Level from which the map is also halved across: far away, rows grow faster than columns."""
_TILE = 512
_TEXELS = 70.0


class Ground:
    """
    The ground map of a drive, ready to be looked at from anywhere.

    :param shadows: (rows, columns) uint8 of the map's shape: 255 where the sun does not reach.
    :param kerb: height of kerbs, metres.
    """

    def __init__(self, rng: np.random.Generator, road: Road, plan: GroundMap, shadows: ByteArray,
                 kerb: float) -> None:
        self._road, self._plan, self._kerb = road, plan, kerb
        self._surface = _halvings(plan.surface)
        self._shadows = _halvings(shadows)
        grain = np.clip(128 + 22 * rng.standard_normal((_TILE, _TILE), np.float32), 0, 255)
        self._grain: ByteArray = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.7)).astype(
            np.uint8).ravel()

    def draw(self, painter: Painter, smear: float) -> None:
        """
        Draw the ground over what is there, image and labels.

        :param smear: metres the camera moves while the shutter is open.
        """
        camera = painter.camera
        right, ahead = camera.ground()
        seen = ahead < FAR
        filled = np.flatnonzero(seen.any(1))
        if not len(filled):
            return
        top = int(filled[0])
        right, ahead, seen = right[top:], ahead[top:], seen[top:]
        x, y = camera.to_world(right, np.minimum(ahead, FAR))
        along, across, heading = self._road.locate(x, y)
        distance = np.where(seen, ahead, FAR).min(1)
        material, along, across = self._materials(along, across, heading, right, ahead, painter)
        colors, shadow = self._sample(along, across, distance, camera.focal, camera.eye, smear)
        colors[material == KERB_FACE, :3] = self._plan.kerb_color
        picture = self._with_paint(colors, material, distance / camera.focal)
        self._add_grain(picture, along, across, distance)
        picture = _lit(picture, shadow, ahead, right, painter)
        image, labels = painter.image[top:], painter.labels[top:]
        cv2.copyTo(_through_air(picture, distance, painter), seen.view(np.uint8), image)
        cv2.copyTo(cv2.LUT(material, LABELS), seen.view(np.uint8), labels)

    def _materials(self, along: FloatArray, across: FloatArray, heading: FloatArray,
                   right: FloatArray, ahead: FloatArray, painter: Painter
                   ) -> tuple[ByteArray, FloatArray, FloatArray]:
        """
        Find what each ray meets: the raised ground first, else the kerb's face, else the road.

        :return: materials, and the place on the map (along, across) to take the colour from.
        """
        low = self._pick(along, across)
        if not self._kerb:
            return low, along, across
        share = np.float32(-self._kerb / painter.camera.eye)
        turned = heading - np.float32(painter.camera.heading)
        reach = np.minimum(ahead, FAR)
        sin, cos = np.sin(turned), np.cos(turned)
        nearer = along + share * (reach * cos + right * sin)
        aside = across + share * (right * cos - reach * sin)
        high = self._pick(nearer, aside)
        on_top = RAISED[high] > 0
        material = np.where(on_top, high, np.where(RAISED[low] > 0, np.uint8(KERB_FACE), low))
        return material, np.where(on_top, nearer, along), np.where(on_top, aside, across)

    def _pick(self, along: FloatArray, across: FloatArray) -> ByteArray:
        rows, columns = self._plan.material.shape
        row = np.clip((along - self._plan.start) * (1 / LONG), 0, rows - 1).astype(np.int32)
        column = np.clip((across + REACH) * (1 / WIDE), 0, columns - 1).astype(np.int32)
        return self._plan.material[row, column]

    def _sample(self, along: FloatArray, across: FloatArray, distance: FloatArray, focal: float,
                eye: float, smear: float) -> tuple[ByteArray, ByteArray]:
        """Look up colours (H, W, 4) and shadows (H, W), coarser with the distance of a row."""
        footprint = np.maximum(distance ** 2 / (focal * eye), smear)
        levels = np.clip(np.log2(footprint / LONG), 0, _LEVELS - 1).astype(int)
        colors: ByteArray = np.empty((*along.shape, 4), np.uint8)
        shadow: ByteArray = np.empty(along.shape, np.uint8)
        for level in np.unique(levels):
            rows = slice(*(np.flatnonzero(levels == level)[[0, -1]] + (0, 1)).tolist())
            long = LONG * 2 ** level
            wide = WIDE * 2 ** max(level - _ACROSS_FROM, 0)
            column = (across[rows] + np.float32(REACH)) * np.float32(1 / wide) - np.float32(0.5)
            row = (along[rows] - np.float32(self._plan.start)) * np.float32(1 / long) - (
                np.float32(0.5))
            # OpenCV looks up in at most 32767 rows: hand it the part of the map that is seen.
            count = self._shadows[level].shape[0]
            first = min(max(int(row.min()) - 1, 0), count - 2)
            last = max(min(int(row.max()) + 3, count), first + 2)
            row -= np.float32(first)
            for source, target in ((self._surface, colors), (self._shadows, shadow)):
                target[rows] = cv2.remap(source[level][first:last], column, row,
                                         cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return colors, shadow

    def _with_paint(self, colors: ByteArray, material: ByteArray, pixel: FloatArray) -> ByteArray:
        """
        Lay marking paint over the surface; near the camera its edges are made sharp.

        :param pixel: metres that a pixel of each row spans across.
        """
        rows, columns = np.nonzero(colors[..., 3])
        gain = np.maximum(WIDE / pixel, 1).astype(np.float32)[rows]
        share = np.clip((colors[rows, columns, 3] - np.float32(128)) * gain + 128, 0, 255)
        paint = np.asarray(self._plan.paints, np.float32)[
            (material[rows, columns] == YELLOW).astype(np.intp)]
        share = share[:, None] * np.float32(0.85 / 255)
        picture = np.ascontiguousarray(colors[..., :3])
        picture[rows, columns] = picture[rows, columns] * (1 - share) + paint * share
        return picture

    def _add_grain(self, picture: ByteArray, along: FloatArray, across: FloatArray,
                   distance: FloatArray) -> None:
        """Add the fine structure that the map is too coarse for, where it is near enough."""
        first = int(np.searchsorted(-distance, -18.0))
        scale = np.float32(_TEXELS)
        row = (along[first:] * scale).astype(np.int32) & (_TILE - 1)
        column = (across[first:] * scale).astype(np.int32) & (_TILE - 1)
        grain = self._grain[row * _TILE + column]
        weight = np.clip(6.0 / np.maximum(distance[first:], 1), 0, 1)[:, None]
        factor = (128 + (grain - np.float32(128)) * weight.astype(np.float32)).astype(np.uint8)
        picture[first:] = cv2.multiply(picture[first:], cv2.merge((factor, factor, factor)),
                                       scale=1 / 128)


def _halvings(picture: ByteArray) -> list[ByteArray]:
    """Return a map and its halvings along the road, later also across it."""
    levels = [picture]
    for level in range(1, _LEVELS):
        rows, columns = levels[-1].shape[:2]
        size = (columns // 2 if level > _ACROSS_FROM else columns, rows // 2)
        levels.append(np.asarray(
            cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA), np.uint8))
    return levels


def _lit(picture: ByteArray, shadow: ByteArray, ahead: FloatArray, right: FloatArray,
         painter: Painter) -> ByteArray:
    """Multiply by sky light, sunlight outside shadows, and the ego vehicle's lamps at night."""
    light = painter.light
    soaked = 1 - 0.3 * light.wetness
    open_sky = light.sky_share * soaked
    sun = light.sun_share * max(light.sun[2], 0.25) * soaked
    if light.night:
        beam = 5.0 / (1 + (ahead / 14) ** 2) * np.exp(-(right / (2.5 + 0.25 * ahead)) ** 2)
        factor = (open_sky.astype(np.float32) * (1 + beam.astype(np.float32))[..., None])
        return to_bytes(picture * factor)
    sunny = np.arange(255, -1, -1)[:, None] / 255 * sun + open_sky
    table = to_bytes(sunny * 128).reshape(256, 1, 3)
    factor = cv2.LUT(cv2.merge((shadow, shadow, shadow)), table)
    return np.asarray(cv2.multiply(picture, factor, scale=1 / 128), np.uint8)


def _through_air(picture: ByteArray, distance: FloatArray, painter: Painter) -> ByteArray:
    """Mix each row with the colour of the air by its distance."""
    clarity = np.exp(-painter.light.density * distance).astype(np.float32)[:, None, None]
    haze = np.asarray(painter.light.haze, np.float32) * (1 - clarity)
    return to_bytes(picture * clarity + haze)
