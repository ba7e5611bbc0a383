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
"""Camera pixels as they arrive: views of their bytes, and their conversion to RGB."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

CHANNELS: Mapping[str, int] = MappingProxyType(
    {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1})
"""Channels of each encoding (names of ``sensor_msgs/image_encodings.hpp``), one byte each."""

_TO_RGB: Mapping[str, int] = MappingProxyType({
    'bgr8': cv2.COLOR_BGR2RGB, 'rgba8': cv2.COLOR_RGBA2RGB, 'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB})


def channels_of(encoding: str) -> int:
    """
    Return how many bytes a pixel of that encoding has.

    :raises ValueError: the encoding is none of :data:`CHANNELS`.
    """
    if encoding not in CHANNELS:
        raise ValueError(f'unknown encoding {encoding!r}; known are {", ".join(CHANNELS)}')
    return CHANNELS[encoding]


def check_image(image: NDArray[np.uint8], encoding: str) -> None:
    """
    Check that an array is an image of that encoding.

    :param image: (H, W, channels) uint8, or (H, W) for 'mono8'; rows may be padded.
    :raises ValueError: it is not; the message says what is expected and what came.
    """
    channels = channels_of(encoding)
    expected = '(height, width)' if channels == 1 else f'(height, width, {channels})'
    fits = (image.dtype == np.uint8 and image.size > 0
            and image.ndim == (2 if channels == 1 else 3)
            and (channels == 1 or image.shape[2] == channels))
    if not fits:
        raise ValueError(f'an image in {encoding} must be a uint8 array of shape {expected} '
                         f'and not empty; this is {image.dtype} {image.shape}')


def image_view(data: bytes | memoryview | NDArray[np.uint8], height: int, width: int, step: int,
               encoding: str) -> NDArray[np.uint8]:
    """
    View the bytes of an image message as an array, without copying.

    :param data: the pixels, row by row; longer than ``height * step`` is accepted.
    :param step: bytes from one row to the next; more than a row needs means padding.
    :return: (H, W, channels) uint8, or (H, W) for 'mono8'.
    :raises ValueError: the encoding is unknown, or the numbers contradict each other.
    """
    channels = channels_of(encoding)
    if height < 1 or width < 1:
        raise ValueError(f'an image of {width}x{height} pixels has nothing to show')
    if step < width * channels:
        raise ValueError(f'step is {step}, but a row of {width} {encoding} pixels has '
                         f'{width * channels} bytes')
    flat = np.frombuffer(data, np.uint8)
    if flat.size < height * step:
        raise ValueError(f'{flat.size} bytes of data; {height} rows of {step} are '
                         f'{height * step}')
    rows = flat[:height * step].reshape(height, step)[:, :width * channels]
    return rows if channels == 1 else rows.reshape(height, width, channels)


def to_rgb(image: NDArray[np.uint8], encoding: str,
           out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """
    Return a checked image as (H, W, 3) RGB; the same array where it is RGB already.

    :param out: (H, W, 3) uint8 to write the pixels to; then that array is returned.
    """
    if encoding in _TO_RGB:
        return _u8(cv2.cvtColor(image, _TO_RGB[encoding], dst=out))
    if out is None:
        return image
    np.copyto(out, image)
    return out


def _u8(image: object) -> NDArray[np.uint8]:
    """Narrow what cv2's stubs call any number to what uint8 input really gives."""
    assert isinstance(image, np.ndarray)
    return image
