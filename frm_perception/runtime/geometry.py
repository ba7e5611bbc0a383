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
"""From a camera's image to a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.pixels import to_rgb

_BILINEAR_REACH = 2
"""Bilinear sampling reads 2x2 pixels: shrinking by more skips pixels, and thin poles flicker."""


@dataclass(frozen=True)
class Letterbox:
    """
    A camera image within a network's input: scaled, whole, with its aspect ratio kept.

    The image lies at the top left, so cutting the border off is ``[:height, :width]`` and nothing
    is shifted by half a border. The border at the bottom or at the right is filled with the
    padding colour that the network was trained with.

    :param image: (height, width) of the camera image.
    :param network: (height, width) of the network's input.
    :param content: (height, width) of the part of the input that shows the image.
    """

    image: tuple[int, int]
    network: tuple[int, int]
    content: tuple[int, int]

    @classmethod
    def fit(cls, image: tuple[int, int], network: tuple[int, int], cell: int) -> Letterbox:
        """
        Return the largest fit of an image into a network's input; both (height, width).

        :param cell: side of the squares of pixels that the network has one answer for; the
            content is rounded to whole cells, so that none shows image and border mixed. That
            changes the aspect ratio by half a cell at most.
        :raises ValueError: a size that is not positive, or a network size of no whole cells.
        """
        if min(*image, *network, cell) < 1 or network[0] % cell or network[1] % cell:
            raise ValueError(f'cannot fit an image of {image} pixels into {network} with cells '
                             f'of {cell}')
        scale = min(network[0] / image[0], network[1] / image[1])
        # An image of 4000x1 pixels would round to no row at all.
        height, width = (min(max(round(side * scale / cell), 1) * cell, most)
                         for side, most in zip(image, network, strict=True))
        return cls(image, network, (height, width))

    def forward(self, image: NDArray[np.uint8], encoding: str, out: NDArray[np.uint8],
                padding: tuple[int, int, int]) -> None:
        """
        Write a camera image into a network's input, scaled once and straight to its place.

        Scaling comes before the colour conversion, which then has fewer pixels to convert.

        :param image: (H, W, channels) or (H, W) uint8 of the size given to :meth:`fit`, checked.
        :param encoding: one of :data:`frm_perception.runtime.pixels.CHANNELS`.
        :param out: (h, w, 3) uint8 RGB, contiguous; every pixel is written.
        :param padding: RGB colour of the border.
        """
        if self.image == (1, 1):
            # OpenCV 4.5, that of Humble, cannot take a single pixel of several channels.
            image = image.repeat(2, axis=1)
        height, width = self.content
        region = out[:height, :width]
        shrinks = max(self.image[0] / height, self.image[1] / width) > _BILINEAR_REACH
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        if encoding == 'rgb8':
            cv2.resize(image, (width, height), dst=region, interpolation=how)
        else:
            to_rgb(np.asarray(cv2.resize(image, (width, height), interpolation=how)), encoding,
                   region)
        out[height:] = padding
        out[:height, width:] = padding
