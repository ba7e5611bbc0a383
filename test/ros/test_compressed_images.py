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
from __future__ import annotations

import array
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from frm_perception.ros.compressed_images import check_compressed_image
from frm_perception.ros.compressed_images import read_compressed_image
from frm_perception.ros.image_messages import MalformedImage

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
JPEG = cv2.imencode('.jpg', IMAGE)[1].tobytes()
PNG = cv2.imencode('.png', IMAGE)[1].tobytes()


def message_of(data: bytes, form: str = 'jpeg') -> CompressedImage:
    return CompressedImage(format=form, data=array.array('B', data))


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_png_comes_back_exactly_colour_and_grey(height: int, width: int, grey: bool) -> None:
    image = np.random.default_rng(height * width).integers(
        0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    message = message_of(cv2.imencode('.png', image)[1].tobytes(), 'bgr8; png compressed bgr8')
    check_compressed_image(message)
    expected = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image
    np.testing.assert_array_equal(read_compressed_image(message), expected)


@pytest.mark.parametrize('parameters', [
    [], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
def test_jpeg_has_the_size_and_order_of_the_image(parameters: list[int]) -> None:
    image = np.zeros((37, 51, 3), np.uint8)
    image[:, :25] = (250, 0, 0)
    message = message_of(cv2.imencode('.jpg', image, parameters)[1].tobytes())
    check_compressed_image(message)
    decoded = read_compressed_image(message)
    assert decoded.shape == image.shape
    assert decoded[18, 5, 0] > 200 > decoded[18, 5, 2]


def test_exif_orientation_does_not_turn_the_image() -> None:
    exif = (b'Exif\0\0' + b'II*\0' + struct.pack('<IH', 8, 1)
            + struct.pack('<HHIHH', 0x112, 3, 1, 6, 0) + struct.pack('<I', 0))
    turned = JPEG[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + JPEG[2:]
    message = message_of(turned)
    check_compressed_image(message)
    assert read_compressed_image(message).shape == IMAGE.shape


@pytest.mark.parametrize(('data', 'reason'), [
    (b'', 'its 0 bytes'),
    (b'hello, this is not a picture', 'neither JPEG nor PNG'),
    (JPEG[:2], 'no frame header'),
    (JPEG[:len(JPEG) // 2], 'cut off'),
    (PNG[:20], 'no header'),
    (PNG[:-30], 'cut off'),
    (b'\xff\xd8\xff\xc0\x00\x11\x08' + struct.pack('>HH', 60_000, 60_000) + b'\xff\xd9',
     '60000x60000'),
    (PNG[:16] + struct.pack('>II', 100_000, 100_000) + PNG[24:], '100000x100000'),
    (PNG[:16] + struct.pack('>II', 0, 37) + PNG[24:], '0x37'),
])
def test_what_is_no_whole_picture_is_refused_before_decoding(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedImage, match=reason):
        check_compressed_image(message_of(data))


def test_a_bayer_mosaic_in_a_jpeg_is_refused() -> None:
    with pytest.raises(MalformedImage, match='Bayer'):
        check_compressed_image(message_of(JPEG, 'bayer_rggb8; jpeg compressed '))


def test_a_picture_with_a_broken_inside_is_malformed() -> None:
    broken = bytearray(PNG)
    broken[60:90] = bytes(30)
    message = message_of(bytes(broken), 'png')
    check_compressed_image(message)
    with pytest.raises(MalformedImage, match='cannot decode'):
        read_compressed_image(message)


@given(st.sampled_from([JPEG, PNG]), st.data())
def test_damaged_bytes_are_either_refused_or_decoded_at_their_size(
        good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(0, 20))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    message = message_of(bytes(damaged[:data.draw(st.integers(0, len(good)))]))
    try:
        check_compressed_image(message)
        image = read_compressed_image(message)
    except MalformedImage:
        return
    assert image.ndim == 3 and image.dtype == np.uint8
