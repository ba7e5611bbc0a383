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
"""Whether labels stay with the things they are on, from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE

FLOW_SIDE = 320
"""Longer side, in pixels, of the images between which the motion is sought."""

LEAST_SIDE = 64
"""The shorter side at least; in smaller images OpenCV's flow is not numbers, or crashes."""

ROUND_TRIP = 1.0
"""Pixels of :data:`FLOW_SIDE` that forth and back may differ where the motion is believed."""

LEAST_SHARE = 0.1
"""Share of the pixels whose motion must be believed, or there is no figure."""

LONGEST_GAP_NS = 1_000_000_000
"""Frames that are further apart are not compared."""

_GREY = {'rgb8': cv2.COLOR_RGB2GRAY, 'bgr8': cv2.COLOR_BGR2GRAY}


def small_grey(image: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    """
    Return an image in grey, its longer side :data:`FLOW_SIDE` pixels long.

    :param image: (H, W, 3) uint8.
    :param encoding: 'rgb8' or 'bgr8'.
    """
    height, width = image.shape[:2]
    scale = FLOW_SIDE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.cvtColor(image, _GREY[encoding])
    return np.asarray(cv2.resize(grey, size, interpolation=how), np.uint8)


@dataclass(frozen=True)
class _Seen:
    grey: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    stamp_ns: int


class Stability:
    """
    The share of pixels that keep their label, in one camera's frames; docs/bags.md defines it.

    Dense optical flow (DIS, preset 'ultrafast') tells where each pixel was in the frame before. It
    counts where flow forth and back leads to where it began, and where both frames have a label.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow_create(  # type: ignore[attr-defined]
            cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: _Seen | None = None

    def update(self, grey: NDArray[np.uint8], labels: NDArray[np.uint8], stamp_ns: int
               ) -> float | None:
        """
        Take in the next frame; return the share of pixels with the label of the frame before.

        :param grey: (h, w) uint8, :func:`small_grey` of the image.
        :param labels: (H, W) uint8 class ids of the image, of any size.
        :return: 0..1; None for the first frame, after a gap of more than :data:`LONGEST_GAP_NS`,
            where time runs backwards or the size changes, for images more than five times as
            wide as high or the other way round, and where the motion of less than
            :data:`LEAST_SHARE` of the pixels is known.
        """
        small = cv2.resize(labels, grey.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        now = _Seen(np.ascontiguousarray(grey), np.asarray(small, np.uint8), stamp_ns)
        before, self._before = self._before, now
        if (before is None or before.grey.shape != grey.shape or min(grey.shape) < LEAST_SIDE
                or not 0 < stamp_ns - before.stamp_ns <= LONGEST_GAP_NS):
            return None
        warped = self._warped(before, now)
        known = (warped != IGNORE) & (now.labels != IGNORE)
        if np.count_nonzero(known) < LEAST_SHARE * known.size:
            return None
        return float(np.count_nonzero(known & (warped == now.labels)) / np.count_nonzero(known))

    def _warped(self, before: _Seen, now: _Seen) -> NDArray[np.uint8]:
        """Return the labels before where their pixels are now; IGNORE where that is not known."""
        back = self._flow.calc(now.grey, before.grey, None)
        forth = self._flow.calc(before.grey, now.grey, None)
        rows, columns = now.grey.shape
        x = np.arange(columns, dtype=np.float32) + back[..., 0]
        y = np.arange(rows, dtype=np.float32)[:, None] + back[..., 1]
        returned = np.asarray(cv2.remap(forth, x, y, cv2.INTER_LINEAR))
        slip = back + returned
        believed = cv2.magnitude(slip[..., 0], slip[..., 1]) <= ROUND_TRIP
        warped = cv2.remap(before.labels, x, y, cv2.INTER_NEAREST,
                           borderMode=cv2.BORDER_CONSTANT, borderValue=(IGNORE,))
        return np.where(believed, np.asarray(warped, np.uint8), np.uint8(IGNORE))
