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
"""
`sensor_msgs/Image` to arrays and back, without needless copies.

The eight-bit encodings are viewed where they lie in the message, padding at the end of rows
included. The rest (Bayer, YUV 4:2:2, 16 bit) goes through cv_bridge, which is imported when the
first such image comes.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from frm_perception.runtime.pictures import MAX_SIDE
from frm_perception.runtime.pixels import CHANNELS
from frm_perception.runtime.pixels import image_view

_VIEWED = {
    **{encoding: encoding for encoding in CHANNELS},
    '8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8',
}
"""Encoding of the message -> what it is; the bare OpenCV types are in OpenCV's order."""

_BAYER = tuple(f'bayer_{pattern}' for pattern in ('rggb', 'bggr', 'gbrg', 'grbg'))
_CONVERTED = {
    **{f'{pattern}8': 1 for pattern in _BAYER},
    **{f'{pattern}16': 2 for pattern in _BAYER},
    'mono16': 2, 'rgb16': 6, 'bgr16': 6, 'rgba16': 8, 'bgra16': 8,
    'yuv422': 2, 'uyvy': 2, 'yuv422_yuy2': 2, 'yuyv': 2,
}
"""Encoding that cv_bridge turns into bgr8 -> bytes a pixel."""

ENCODINGS = (*_VIEWED, *_CONVERTED)
"""Every encoding that is accepted."""


class MalformedImage(ValueError):
    """A message that does not hold an image that can be read; the text says why."""


def require_size(height: int, width: int) -> None:
    """
    Refuse images without pixels and images larger than any camera's.

    :raises MalformedImage: a side is not within 1 to :data:`MAX_SIDE`.
    """
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise MalformedImage(f'its size is {width}x{height}; each side is 1 to {MAX_SIDE} pixels')


def check_image(message: Image) -> None:
    """
    Refuse a message whose fields contradict each other, without touching its pixels.

    Data beyond `height * step` is accepted and ignored: some drivers hand over whole buffers.

    :raises MalformedImage: what is wrong, with the values found.
    """
    if message.encoding in _VIEWED:
        pixel = CHANNELS[_VIEWED[message.encoding]]
    elif message.encoding in _CONVERTED:
        pixel = _CONVERTED[message.encoding]
    else:
        raise MalformedImage(
            f'its encoding {message.encoding[:40]!r} is not one of {", ".join(ENCODINGS)}')
    require_size(message.height, message.width)
    if message.is_bigendian not in (0, 1):
        raise MalformedImage(f'is_bigendian is {message.is_bigendian}, neither 0 nor 1')
    if message.step < message.width * pixel:
        raise MalformedImage(
            f'step is {message.step}, but a row of {message.width} {message.encoding} pixels '
            f'takes {message.width * pixel} bytes')
    if len(message.data) < message.height * message.step:
        raise MalformedImage(
            f'it holds {len(message.data)} bytes, but {message.height} rows of '
            f'{message.step} take {message.height * message.step}')


def read_image(message: Image) -> tuple[NDArray[np.uint8], str]:
    """
    Return the pixels of a message that :func:`check_image` accepts, and their encoding.

    :return: (H,W,3), (H,W,4) or (H,W) uint8, and one of `rgb8`, `bgr8`, `rgba8`, `bgra8`,
        `mono8`. For these encodings the array is a view of the message's data; else a new one.
    :raises MalformedImage: cv_bridge is needed and not there, or cannot convert this encoding.
    """
    if message.encoding not in _VIEWED:
        return _convert(message), 'bgr8'
    encoding = _VIEWED[message.encoding]
    data = np.frombuffer(message.data, np.uint8)
    return image_view(data, message.height, message.width, message.step, encoding), encoding


def _convert(message: Image) -> NDArray[np.uint8]:
    """Return (H,W,3) uint8 BGR by way of cv_bridge."""
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise MalformedImage(
            f'its encoding {message.encoding!r} needs cv_bridge, which cannot be imported '
            f'({error}); install it or publish one of {", ".join(_VIEWED)}') from error
    try:
        image = CvBridge().imgmsg_to_cv2(_packed(message), 'bgr8')
    except Exception as error:  # its errors are of no common type, KeyError and cv2.error included
        raise MalformedImage(
            f'the cv_bridge installed here cannot convert {message.encoding!r} '
            f'({type(error).__name__}: {error}); publish one of {", ".join(_VIEWED)}') from error
    if image.shape != (message.height, message.width, 3) or image.dtype != np.uint8:
        raise MalformedImage(
            f'cv_bridge made {image.shape} {image.dtype} of a {message.encoding!r} image of '
            f'{message.width}x{message.height}')
    return np.asarray(image)


def _packed(message: Image) -> Image:
    """
    Return the message without padding and in little-endian order.

    The pure-Python cv_bridge ignores padding, and numpy 2 took away how either one swaps bytes.
    """
    pixel = _CONVERTED[message.encoding]
    flat = np.frombuffer(message.data, np.uint8)[:message.height * message.step]
    rows = np.ascontiguousarray(
        flat.reshape(message.height, message.step)[:, :message.width * pixel])
    if message.is_bigendian and message.encoding.endswith('16'):
        rows = rows.view('>u2').astype('<u2')
    packed = Image(
        header=message.header, height=message.height, width=message.width,
        encoding=message.encoding, step=message.width * pixel)
    packed.data = as_bytes(rows)
    return packed


def mono8_message(header: Header, pixels: NDArray[np.uint8]) -> Image:
    """Return a `mono8` message of (H,W) uint8 pixels under the given header."""
    return _dense_message(header, pixels, 'mono8')


def rgb8_message(header: Header, pixels: NDArray[np.uint8]) -> Image:
    """Return an `rgb8` message of (H,W,3) uint8 pixels under the given header."""
    return _dense_message(header, pixels, 'rgb8')


def _dense_message(header: Header, pixels: NDArray[np.uint8], encoding: str) -> Image:
    """
    Return a message without padding.

    One copy: bytes handed to the message's constructor or setter are checked one by one, which
    takes 30 times as long.
    """
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding,
                    step=width * CHANNELS[encoding])
    message.data = as_bytes(pixels)
    return message


def as_bytes(pixels: NDArray[Any]) -> array.array[int]:
    """Return the bytes of an array in the one form that messages take without checking each."""
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(pixels).data.cast('B'))
    return data
