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
"""`sensor_msgs/CompressedImage`: what can be known before it is decoded, and labels as PNG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.image_messages import as_bytes
from frm_perception.runtime.pictures import PictureError
from frm_perception.runtime.pictures import read_header

LABEL_FORMAT = 'mono8; png compressed '
"""What image_transport calls a `mono8` image as PNG, its last blank included."""


def check_compressed_image(message: CompressedImage) -> None:
    """
    Refuse a message that cannot hold a whole JPEG or PNG picture, without decoding it.

    :raises MalformedImage: what is wrong, with the values found.
    """
    if message.format.startswith('bayer') and 'bgr8' not in message.format:
        raise MalformedImage(
            f'its format {message.format[:60]!r} is an undeveloped Bayer mosaic; publish colour')
    try:
        read_header(memoryview(message.data))
    except PictureError as error:
        raise MalformedImage(f'{error} (format {message.format[:60]!r})') from error


def png_message(header: Header, labels: NDArray[np.uint8]) -> CompressedImage:
    """
    Return (H,W) uint8 labels as a PNG under the given header.

    Never a JPEG: it would change class ids along every border.
    """
    done, png = cv2.imencode('.png', labels)
    if not done:
        raise RuntimeError(f'OpenCV made no PNG of labels {labels.shape}')
    message = CompressedImage(header=header, format=LABEL_FORMAT)
    message.data = as_bytes(png)
    return message
