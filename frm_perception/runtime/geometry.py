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
"""From a camera's image to a network's input, and where the input's pixels lie in the image."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.pixels import to_rgb

FITS = ('letterbox', 'stretch', 'crop')
"""
How an image is fitted into a network's input of another shape.

`letterbox` shows the whole image with its aspect ratio and fills the rest with a border;
`stretch` shows the whole image and changes its aspect ratio; `crop` keeps the aspect ratio and
fills the input, so that a part of the image is not seen: the same on the left and on the right, or
what is at the top, where a vehicle's camera has its sky.
"""

_BILINEAR_REACH = 2
"""Bilinear sampling reads 2x2 pixels: shrinking by more skips pixels, and thin poles flicker."""


class View(NamedTuple):
    """A part of an image, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and columns, to index an array with."""
        return (slice(self.top, self.top + self.height),
                slice(self.left, self.left + self.width))

    @classmethod
    def whole(cls, size: tuple[int, int]) -> View:
        """Return all of an image of that (height, width)."""
        return cls(0, 0, *size)


@dataclass(frozen=True)
class Geometry:
    """
    Where a camera image lies within a network's input; make one with :meth:`fit`.

    The image lies at the top left of the input, so cutting a border off is ``[:height, :width]``
    and nothing is shifted by half a border. The border at the bottom or at the right is filled
    with the padding colour that the network was trained with.

    :param image: (height, width) of the camera image.
    :param network: (height, width) of the network's input.
    :param content: (height, width) of the part of the input that shows the image.
    :param view: the part of the image that is shown there.
    """

    image: tuple[int, int]
    network: tuple[int, int]
    content: tuple[int, int]
    view: View

    @classmethod
    def fit(cls, image: tuple[int, int], network: tuple[int, int], cell: int,
            how: str = 'letterbox') -> Geometry:
        """
        Return the largest fit of an image into a network's input; both (height, width).

        :param cell: side of the squares of pixels that the network has one answer for. The
            content is rounded to whole cells, so that none shows image and border mixed, and a
            crop to whole pixels of the image; that changes the aspect ratio by half a cell or
            half a pixel at most.
        :param how: one of :data:`FITS`.
        :raises ValueError: a size that is not positive, a network size of no whole cells, or an
            unknown word.
        """
        if min(*image, *network, cell) < 1 or network[0] % cell or network[1] % cell:
            raise ValueError(f'cannot fit an image of {image} pixels into {network} with cells '
                             f'of {cell}')
        if how not in FITS:
            raise ValueError(f'unknown fit {how!r}; choose from {", ".join(FITS)}')
        content, view = network, View.whole(image)
        if how == 'letterbox':
            scale = min(network[0] / image[0], network[1] / image[1])
            # An image of 4000x1 pixels would round to no row at all.
            height, width = (min(max(round(side * scale / cell), 1) * cell, most)
                             for side, most in zip(image, network, strict=True))
            content = height, width
        elif how == 'crop':
            scale = max(network[0] / image[0], network[1] / image[1])
            height, width = (min(max(round(side / scale), 1), most)
                             for side, most in zip(network, image, strict=True))
            view = View(image[0] - height, (image[1] - width) // 2, height, width)
        return cls(image, network, content, view)

    def enlarged(self, factor: int) -> Geometry:
        """Return the same for an image with so many times the rows and columns."""
        return replace(self, image=(self.image[0] * factor, self.image[1] * factor),
                       view=View(*(value * factor for value in self.view)))

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
        seen = image[self.view.slices]
        if self.view.size == (1, 1):
            # OpenCV 4.5, that of Humble, cannot take a single pixel of several channels.
            seen = seen.repeat(2, axis=1)
        height, width = self.content
        region = out[:height, :width]
        if _reaches_beyond(seen, height, width):
            seen = _averaged(seen, height, width)
        shrinks = _reaches_beyond(seen, height, width)
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        if encoding == 'rgb8':
            cv2.resize(seen, (width, height), dst=region, interpolation=how)
        else:
            to_rgb(np.asarray(cv2.resize(seen, (width, height), interpolation=how)), encoding,
                   region)
        out[height:] = padding
        out[:height, width:] = padding


def _reaches_beyond(image: NDArray[np.uint8], height: int, width: int) -> bool:
    return max(image.shape[0] / height, image.shape[1] / width) > _BILINEAR_REACH


def _averaged(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """
    Average squares of pixels, as large as divide the image and leave it no smaller than asked.

    OpenCV does that much faster than by a number of pixels that is not whole.
    """
    rows, columns = image.shape[:2]
    side = min(rows // height, columns // width)
    while side > 1 and (rows % side or columns % side):
        side -= 1
    if side < 2:
        return image
    averaged: NDArray[np.uint8] = np.asarray(cv2.resize(
        image, (columns // side, rows // side), interpolation=cv2.INTER_AREA), np.uint8)
    return averaged
