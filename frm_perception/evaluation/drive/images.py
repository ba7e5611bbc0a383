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
"""From an image message of a bag to pixels, as a node decodes what its camera sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.media.bag_reader import COMPRESSED_IMAGE
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.message_images import raw_image
from frm_perception.runtime.pictures import PictureHeader
from frm_perception.runtime.pictures import decode_picture
from frm_perception.runtime.pictures import read_header
from frm_perception.runtime.pixels import check_image

Reduction = Callable[[PictureHeader], int]
"""By how much a picture may shrink while it is decoded: :meth:`.Segmenter.reduction`."""


@dataclass(frozen=True)
class DecodedImage:
    """
    The pixels of an image message.

    :param pixels: (H / reduction, W / reduction, 3) uint8.
    :param encoding: 'rgb8' or 'bgr8'.
    :param reduction: the camera image has so many times the rows and columns.
    """

    pixels: NDArray[np.uint8]
    encoding: str
    reduction: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the camera image."""
        height, width = self.pixels.shape[:2]
        return height * self.reduction, width * self.reduction


def decode_message(message: RecordedMessage, reduction: Reduction) -> DecodedImage:
    """
    Decode an image message; a JPEG as small as allowed.

    :raises ValueError: it holds no whole image, or one of an unknown encoding.
    """
    if message.fields is None:
        raise ValueError(f'nobody knows the type {message.type}')
    if message.type == COMPRESSED_IMAGE:
        data = memoryview(message.fields.data)
        factor = reduction(read_header(data))
        return DecodedImage(decode_picture(data, factor), 'bgr8', factor)
    pixels = raw_image(message.fields)
    check_image(pixels, 'rgb8')
    return DecodedImage(pixels, 'rgb8', 1)
