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
"""JPEG and PNG pictures are checked by their headers and decoded as small as asked for."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.runtime.pictures import MOST_SCANS
from frm_perception.runtime.pictures import REDUCTIONS
from frm_perception.runtime.pictures import PictureError
from frm_perception.runtime.pictures import PictureHeader
from frm_perception.runtime.pictures import decode_picture
from frm_perception.runtime.pictures import read_header

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
JPEG = cv2.imencode('.jpg', IMAGE)[1].tobytes()
SIZE_AT = JPEG.index(b'\xff\xc0') + 5
PNG = cv2.imencode('.png', IMAGE)[1].tobytes()


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_png_comes_back_exactly_colour_and_grey(height: int, width: int, grey: bool) -> None:
    image = np.random.default_rng(height * width).integers(
        0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    data = cv2.imencode('.png', image)[1].tobytes()
    assert read_header(data) == PictureHeader(height, width, reducible=False)
    expected = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image
    np.testing.assert_array_equal(decode_picture(data), expected)


@pytest.mark.parametrize('parameters', [
    [], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
@pytest.mark.parametrize('after', [b'', b'\0' * 300, JPEG], ids=['end', 'zeros', 'old picture'])
def test_what_lies_after_the_end_of_a_jpeg_does_not_count(
        parameters: list[int], after: bytes) -> None:
    data = cv2.imencode('.jpg', IMAGE[:20], parameters)[1].tobytes()
    assert read_header(data + after) == PictureHeader(20, 51, reducible=True)
    np.testing.assert_array_equal(decode_picture(data + after), decode_picture(data))


@pytest.mark.parametrize(('scans', 'refused'), [(MOST_SCANS, False), (MOST_SCANS + 1, True)])
def test_a_jpeg_that_would_keep_the_decoder_busy_with_its_scans_is_refused(
        scans: int, refused: bool) -> None:
    data = cv2.imencode('.jpg', IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b'\xff\xda')
    again = data[:-2] + data[last:-2] * (scans - data.count(b'\xff\xda')) + data[-2:]
    if refused:
        with pytest.raises(PictureError, match='scans'):
            read_header(again)
    else:
        assert read_header(again) == PictureHeader(37, 51, reducible=True)


@pytest.mark.parametrize('parameters', [
    [], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
def test_jpeg_has_the_size_and_order_of_the_image(parameters: list[int]) -> None:
    image = np.zeros((37, 51, 3), np.uint8)
    image[:, :25] = (250, 0, 0)
    data = cv2.imencode('.jpg', image, parameters)[1].tobytes()
    assert read_header(data) == PictureHeader(37, 51, reducible=True)
    decoded = decode_picture(data)
    assert decoded.shape == image.shape
    assert decoded[18, 5, 0] > 200 > decoded[18, 5, 2]


@pytest.mark.parametrize('sampling', [
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])
@pytest.mark.parametrize('progressive', [0, 1])
@pytest.mark.parametrize('reduction', REDUCTIONS)
def test_a_reduced_jpeg_has_its_pixels_where_the_picture_has_them(
        reduction: int, progressive: int, sampling: int) -> None:
    smooth = cv2.resize(np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8), (320, 240),
                        interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode('.jpg', smooth, [
        cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])[1].tobytes()
    size = (320 // reduction, 240 // reduction)
    small = decode_picture(data, reduction).astype(int)
    averaged = cv2.resize(decode_picture(data), size, interpolation=cv2.INTER_AREA)
    assert small.shape == averaged.shape
    assert np.abs(small - averaged).max() <= 6
    # A shift by a quarter of a pixel would show.
    shifted = cv2.warpAffine(averaged, np.array([[1, 0, 0.25], [0, 1, 0]]), size)
    inner = np.s_[2:-2, 2:-2]
    assert (np.abs(small - averaged)[inner].mean()
            < np.abs(small - shifted.astype(int))[inner].mean() / 2)


@pytest.mark.parametrize('reduction', [1, 2])
def test_exif_orientation_does_not_turn_the_image(reduction: int) -> None:
    jpeg = cv2.imencode('.jpg', np.zeros((38, 52, 3), np.uint8))[1].tobytes()
    exif = (b'Exif\0\0' + b'II*\0' + struct.pack('<IH', 8, 1)
            + struct.pack('<HHIHH', 0x112, 3, 1, 6, 0) + struct.pack('<I', 0))
    turned = jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + jpeg[2:]
    assert read_header(turned) == PictureHeader(38, 52, reducible=True)
    assert decode_picture(turned, reduction).shape == (38 // reduction, 52 // reduction, 3)


@pytest.mark.parametrize(('data', 'reason'), [
    (b'', 'its 0 bytes'),
    (b'hello, this is not a picture', 'neither JPEG nor PNG'),
    (JPEG[:2], 'no frame header'),
    (JPEG[:len(JPEG) // 2], 'cut off'),
    (JPEG[:len(JPEG) // 2] + JPEG, 'cut off'),
    (PNG[:20], 'no header'),
    (PNG[:-30], 'cut off'),
    (JPEG[:SIZE_AT] + struct.pack('>HH', 60_000, 60_000) + JPEG[SIZE_AT + 4:], '60000x60000'),
    (PNG[:16] + struct.pack('>II', 100_000, 100_000) + PNG[24:], '100000x100000'),
    (PNG[:16] + struct.pack('>II', 0, 37) + PNG[24:], '0x37'),
])
def test_what_is_no_whole_picture_is_refused_before_decoding(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        read_header(data)
    with pytest.raises(PictureError, match=reason):
        decode_picture(data)


def test_a_picture_with_a_broken_inside_is_refused() -> None:
    broken = bytearray(PNG)
    broken[60:90] = bytes(30)
    read_header(bytes(broken))
    with pytest.raises(PictureError, match='cannot decode'):
        decode_picture(bytes(broken))


@given(st.sampled_from([JPEG, PNG]), st.data())
def test_damaged_bytes_are_either_refused_or_decoded_at_their_size(
        good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(0, 20))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    picture = bytes(damaged[:data.draw(st.integers(0, len(good)))])
    try:
        header = read_header(picture)
        image = decode_picture(picture)
    except PictureError:
        return
    assert image.shape == (header.height, header.width, 3)
