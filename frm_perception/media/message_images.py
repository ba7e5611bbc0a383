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
"""``sensor_msgs/Image`` messages as a bag holds them to RGB, without ROS and cv_bridge."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.pixels import CHANNELS
from frm_perception.runtime.pixels import image_view
from frm_perception.runtime.pixels import to_rgb

_VIEWED = {**{encoding: encoding for encoding in CHANNELS},
           '8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}
"""Encoding of the message -> what it is; the bare OpenCV types are in OpenCV's order."""

# ROS names the four pixels from the top left, OpenCV those at (1, 1) and (1, 2).
_BAYER = {'bayer_rggb': cv2.COLOR_BayerBG2RGB, 'bayer_bggr': cv2.COLOR_BayerRG2RGB,
          'bayer_gbrg': cv2.COLOR_BayerGR2RGB, 'bayer_grbg': cv2.COLOR_BayerGB2RGB}
_MOSAICS = {f'{pattern}8': code for pattern, code in _BAYER.items()}
_YUV = {
    **dict.fromkeys(('yuv422', 'uyvy'), cv2.COLOR_YUV2RGB_UYVY),
    **dict.fromkeys(('yuv422_yuy2', 'yuyv'), cv2.COLOR_YUV2RGB_YUYV),
}
_SIXTEEN_BITS = {f'{encoding[:-1]}16': encoding for encoding in (*CHANNELS, *_MOSAICS)}
"""Encoding of 16 bits a channel -> the same with 8."""

_BYTES = {
    **{encoding: CHANNELS[eight] for encoding, eight in _VIEWED.items()},
    **dict.fromkeys(_MOSAICS, 1), **dict.fromkeys(_YUV, 2),
    **{sixteen: 2 * CHANNELS.get(eight, 1) for sixteen, eight in _SIXTEEN_BITS.items()},
}
"""Every encoding that can be read -> bytes a pixel."""


def raw_image(message: Any) -> NDArray[np.uint8]:
    """
    Return the picture of a ``sensor_msgs/Image``.

    :param message: with 8 or 16 bits a channel, colour or grey, Bayer, or YUV 4:2:2.
    :return: (H, W, 3) uint8 RGB, of its own: a view would keep the whole message alive.
    :raises ValueError: the encoding is unknown, or the numbers contradict each other.
    """
    encoding = str(message.encoding)
    if encoding not in _BYTES:
        raise ValueError(f'unknown encoding {encoding!r}; known are {", ".join(_BYTES)}')
    height, width, row = message.height, message.width, message.width * _BYTES[encoding]
    if message.step < row:
        raise ValueError(f'step is {message.step}, but a row of {width} {encoding} pixels has '
                         f'{row} bytes')
    # Bytes first, whatever they mean.
    rows = image_view(message.data, height, row, message.step, 'mono8')
    if encoding in _SIXTEEN_BITS:
        encoding = _SIXTEEN_BITS[encoding]
        high_byte = 0 if message.is_bigendian else 1
        rows = rows[:, high_byte::2]
    rows = np.array(rows, order='C')
    if encoding in _MOSAICS:
        return _converted(rows, _MOSAICS[encoding])
    if encoding in _YUV:
        return _converted(rows.reshape(height, width, 2), _YUV[encoding])
    known = _VIEWED[encoding]
    shape = (height, width) if CHANNELS[known] == 1 else (height, width, CHANNELS[known])
    return to_rgb(rows.reshape(shape), known)


def _converted(pixels: NDArray[np.uint8], code: int) -> NDArray[np.uint8]:
    try:
        return np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    except cv2.error as error:
        raise ValueError(f'OpenCV cannot convert {pixels.shape[1]}x{pixels.shape[0]} pixels: '
                         f'{error.err}') from error
