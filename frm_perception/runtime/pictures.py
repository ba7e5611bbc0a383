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
JPEG and PNG pictures as cameras send them, to arrays.

Everything that can be known from the first and last bytes is checked before decoding: a file that
claims to be huge is never unpacked, and one that was cut off never becomes a half-grey picture,
which is what OpenCV makes of it without a word.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 8192
"""Longest side of an image that is accepted, in pixels."""

REDUCTIONS = (8, 4, 2)
"""By how much a JPEG's own steps of decoding can shrink it on the way."""

MOST_SCANS = 100
"""A JPEG in more passes is refused: cameras and encoders make ten or so, and each takes time."""

_JPEG_START = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
_JPEG_SCAN = b'\xff\xda'
_JPEG_FRAME_MARKERS = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND'

_MODES = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
          8: cv2.IMREAD_REDUCED_COLOR_8}


class PictureError(ValueError):
    """Bytes that are no whole JPEG or PNG picture; the text says why."""


@dataclass(frozen=True)
class PictureHeader:
    """
    What a picture says of itself.

    :param height: rows.
    :param width: columns.
    :param reducible: whether decoding can shrink it for less work: it is a JPEG.
    """

    height: int
    width: int
    reducible: bool


def read_header(data: memoryview | bytes) -> PictureHeader:
    """
    Return what the header of a JPEG or PNG says, without decoding the picture.

    :raises PictureError: it is neither, it is cut off, or a side is not 1 to :data:`MAX_SIDE`.
    """
    view = memoryview(data).cast('B')
    if bytes(view[:2]) == _JPEG_START:
        header = PictureHeader(*_jpeg_size(view), reducible=True)
    elif bytes(view[:8]) == _PNG_START:
        header = PictureHeader(*_png_size(view), reducible=False)
    else:
        raise PictureError(f'its {len(view)} bytes are neither JPEG nor PNG')
    if not (1 <= header.height <= MAX_SIDE and 1 <= header.width <= MAX_SIDE):
        raise PictureError(f'its size is {header.width}x{header.height}; each side is 1 to '
                           f'{MAX_SIDE} pixels')
    return header


def decode_picture(data: memoryview | bytes, reduction: int = 1) -> NDArray[np.uint8]:
    """
    Decode a picture that :func:`read_header` accepts.

    An orientation in the picture's EXIF data is not applied: labels belong to the sensor's pixels.

    :param reduction: 1, or one of :data:`REDUCTIONS` for a JPEG whose sides it divides: then
        every pixel stands for that many by that many of the picture.
    :return: (height / reduction, width / reduction, 3) uint8 BGR.
    :raises PictureError: the picture cannot be decoded.
    """
    header = read_header(data)
    size = header.height // reduction, header.width // reduction
    try:
        image: NDArray[np.uint8] | None = cv2.imdecode(  # type: ignore[assignment]
            np.frombuffer(data, np.uint8), _MODES[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise PictureError(f'OpenCV cannot decode it: {error}') from error
    if image is None or image.shape != (*size, 3):
        raise PictureError(f'OpenCV cannot decode its {len(data)} bytes')
    return np.asarray(image)


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    """Walk the segments up to the frame header, and from there to the picture's end."""
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xff:
            break
        marker = data[position + 1]
        if marker == 0xff:  # fill byte
            position += 1
            continue
        if marker in _JPEG_FRAME_MARKERS:
            _walk_to_end(data, position)
            height, width = struct.unpack_from('>HH', data, position + 5)
            return height, width
        position += 2 + struct.unpack_from('>H', data, position + 2)[0]
    raise PictureError(f'its JPEG of {len(data)} bytes has no frame header')


def _walk_to_end(data: memoryview, position: int) -> None:
    """
    Look for the end of the picture whose frame header is at ``position``.

    Between the segments lies what is compressed; 0xff is followed there by 0 or by the number of a
    restart. The beginning of another picture means that a buffer was filled only in part. A few
    bytes of a scan can keep the decoder busy with the whole picture, so scans are counted.
    """
    first, second = np.frombuffer(data, np.uint8)[:-1], np.frombuffer(data, np.uint8)[1:]
    markers = np.flatnonzero(
        (first == 0xff) & (second != 0) & (second != 0xff) & (second & 0xf8 != 0xd0)).tolist()
    scans = 0
    for marker in markers:
        if marker < position:  # within a segment
            continue
        kind = data[marker:marker + 2]
        if kind == _JPEG_END:
            return
        scans += kind == _JPEG_SCAN
        if scans > MOST_SCANS:
            raise PictureError(f'its JPEG is in more than {MOST_SCANS} scans')
        if kind == _JPEG_START or marker + 4 > len(data):
            break
        position = marker + 2 + struct.unpack_from('>H', data, marker + 2)[0]
    raise PictureError(f'its JPEG of {len(data)} bytes is cut off')


def _png_size(data: memoryview) -> tuple[int, int]:
    if len(data) < 33 or bytes(data[12:16]) != b'IHDR':
        raise PictureError(f'its PNG of {len(data)} bytes has no header')
    if bytes(data[-12:]).find(_PNG_END) < 0:
        raise PictureError(f'its PNG of {len(data)} bytes is cut off')
    width, height = struct.unpack_from('>II', data, 16)
    return height, width
