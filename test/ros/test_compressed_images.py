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
"""Compressed images that cannot be answered are refused before they are decoded."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from frm_perception.ros.compressed_images import check_compressed_image
from frm_perception.ros.image_messages import MalformedImage

JPEG = cv2.imencode('.jpg', np.zeros((37, 51, 3), np.uint8))[1].tobytes()


def message_of(data: bytes, form: str = 'jpeg') -> CompressedImage:
    return CompressedImage(format=form, data=array.array('B', data))


@pytest.mark.parametrize('form', ['', 'jpeg', 'png', 'bgr8; jpeg compressed bgr8'])
def test_a_whole_picture_is_accepted_whatever_the_format_says(form: str) -> None:
    check_compressed_image(message_of(JPEG, form))


@pytest.mark.parametrize(('data', 'reason'), [
    (b'', r'its 0 bytes are neither JPEG nor PNG \(format .jpeg.\)'),
    (JPEG[:len(JPEG) // 2], 'cut off'),
])
def test_what_is_no_whole_picture_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        check_compressed_image(message_of(data))


def test_a_bayer_mosaic_in_a_jpeg_is_refused() -> None:
    with pytest.raises(MalformedImage, match='Bayer'):
        check_compressed_image(message_of(JPEG, 'bayer_rggb8; jpeg compressed '))
