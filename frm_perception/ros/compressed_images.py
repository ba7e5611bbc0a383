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
`sensor_msgs/CompressedImage` (JPEG or PNG) to arrays.

Everything that can be known from the first and last bytes is checked before decoding: a file that
claims to be huge is never unpacked, and one that was cut off never becomes a half-grey picture,
which is what OpenCV makes of it without a word.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.image_messages import require_size

_JPEG_START = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
_JPEG_FRAME_MARKERS = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND'


def check_compressed_image(message: CompressedImage) -> None:
    """
    Refuse a message that cannot hold a whole JPEG or PNG picture, without decoding it.

    :raises MalformedImage: what is wrong, with the values found.
    """
    _size(message)


def read_compressed_image(message: CompressedImage) -> NDArray[np.uint8]:
    """
    Decode a message that :func:`check_compressed_image` accepts.

    An orientation in the picture's EXIF data is not applied: labels belong to the sensor's pixels.

    :return: (H,W,3) uint8 BGR.
    :raises MalformedImage: the picture cannot be decoded.
    """
    height, width = _size(message)
    try:
        image: NDArray[np.uint8] | None = cv2.imdecode(  # type: ignore[assignment]
            np.frombuffer(message.data, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise MalformedImage(f'OpenCV cannot decode it: {error}') from error
    if image is None or image.shape != (height, width, 3):
        raise MalformedImage(f'OpenCV cannot decode its {len(message.data)} bytes')
    return np.asarray(image)


def _size(message: CompressedImage) -> tuple[int, int]:
    """Return (height, width) as the picture's own header states them."""
    if message.format.startswith('bayer') and 'bgr8' not in message.format:
        raise MalformedImage(
            f'its format {message.format[:60]!r} is an undeveloped Bayer mosaic; publish colour')
    data = memoryview(message.data).cast('B')
    if bytes(data[:2]) == _JPEG_START:
        height, width = _jpeg_size(data)
    elif bytes(data[:8]) == _PNG_START:
        height, width = _png_size(data)
    else:
        raise MalformedImage(
            f'its {len(data)} bytes (format {message.format[:60]!r}) are neither JPEG nor PNG')
    require_size(height, width)
    return height, width


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    """Walk the segments up to the frame header; the picture's end must come after it."""
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xff:
            break
        marker = data[position + 1]
        if marker == 0xff:  # fill byte
            position += 1
            continue
        if marker in _JPEG_FRAME_MARKERS:
            if bytes(data[position:]).rfind(_JPEG_END) < 0:
                raise MalformedImage(f'its JPEG of {len(data)} bytes is cut off')
            height, width = struct.unpack_from('>HH', data, position + 5)
            return height, width
        position += 2 + struct.unpack_from('>H', data, position + 2)[0]
    raise MalformedImage(f'its JPEG of {len(data)} bytes has no frame header')


def _png_size(data: memoryview) -> tuple[int, int]:
    if len(data) < 33 or bytes(data[12:16]) != b'IHDR':
        raise MalformedImage(f'its PNG of {len(data)} bytes has no header')
    if bytes(data[-12:]).find(_PNG_END) < 0:
        raise MalformedImage(f'its PNG of {len(data)} bytes is cut off')
    width, height = struct.unpack_from('>II', data, 16)
    return height, width
