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
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from frm_perception.ros.image_messages import MAX_SIDE
from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.image_messages import check_image
from frm_perception.ros.image_messages import mono8_message
from frm_perception.ros.image_messages import read_image

CHANNELS = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1}
ALIASES = {'8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8'}


def message_of(
        pixels: np.ndarray, encoding: str, padding: int = 0, surplus: int = 0,
        is_bigendian: int = 0) -> Image:
    """Return a message whose padding and surplus bytes are 170."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=170)
    message = Image(
        height=height, width=width, encoding=encoding, step=padded.shape[1],
        is_bigendian=is_bigendian)
    message.data = array.array('B', padded.tobytes() + bytes([170]) * surplus)
    return message


@given(
    st.sampled_from([*CHANNELS, *ALIASES]), st.integers(1, 40), st.integers(1, 40),
    st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_pixels_come_back_whatever_the_padding(
        encoding: str, height: int, width: int, padding: int, surplus: int, seed: int) -> None:
    meaning = ALIASES.get(encoding, encoding)
    shape = (height, width, CHANNELS[meaning])[:2 if CHANNELS[meaning] == 1 else 3]
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    message = message_of(pixels, encoding, padding, surplus)
    check_image(message)
    image, read_as = read_image(message)
    assert read_as == meaning
    np.testing.assert_array_equal(image, pixels)


def test_reading_an_eight_bit_image_copies_nothing() -> None:
    message = message_of(np.zeros((4, 5, 3), np.uint8), 'bgr8', padding=3)
    image, _ = read_image(message)
    message.data[0] = 77
    assert image[0, 0, 0] == 77


@pytest.mark.parametrize(('change', 'reason'), [
    ({'height': 0}, '0'),
    ({'width': 0}, '0'),
    ({'height': MAX_SIDE + 1}, str(MAX_SIDE)),
    ({'width': 100_000, 'height': 100_000, 'step': 300_000}, '100000x100000'),
    ({'encoding': 'rgb9'}, "'rgb9' is not one of rgb8, bgr8"),
    ({'encoding': ''}, "'' is not one of"),
    ({'encoding': '32FC1'}, 'not one of'),
    ({'is_bigendian': 7}, 'is_bigendian is 7'),
    ({'step': 0}, 'takes 15 bytes'),
    ({'step': 14}, 'takes 15 bytes'),
    ({'step': 2**32 - 1}, f'it holds 60 bytes, but 4 rows of {2**32 - 1}'),
    ({'height': 5}, 'it holds 60 bytes, but 5 rows of 15 take 75'),
    ({'data': array.array('B')}, 'it holds 0 bytes'),
])
def test_contradictory_messages_are_refused_with_the_reason(
        change: dict[str, object], reason: str) -> None:
    message = message_of(np.zeros((4, 5, 3), np.uint8), 'rgb8')
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(MalformedImage, match=reason):
        check_image(message)


@given(
    st.integers(0, 20), st.integers(0, 20), st.sampled_from([*CHANNELS, *ALIASES, 'bayer_rggb8']),
    st.integers(0, 100), st.binary(max_size=600), st.integers(0, 255))
def test_whatever_passes_the_check_can_be_read(
        height: int, width: int, encoding: str, step: int, data: bytes, endian: int) -> None:
    message = Image(
        height=height, width=width, encoding=encoding, step=step, is_bigendian=endian)
    message.data = array.array('B', data)
    try:
        check_image(message)
    except MalformedImage:
        return
    try:
        image, _ = read_image(message)
    except MalformedImage as error:
        assert 'cv_bridge' in str(error)
    else:
        assert image.shape[:2] == (height, width)


def test_bayer_is_developed_by_cv_bridge_whatever_the_padding() -> None:
    mosaic = np.zeros((8, 10), np.uint8)
    mosaic[0::2, 0::2] = 250  # the red pixels of an RGGB pattern
    check_image(message := message_of(mosaic, 'bayer_rggb8', padding=5))
    image, encoding = read_image(message)
    assert encoding == 'bgr8'
    assert image.shape == (8, 10, 3)
    np.testing.assert_array_equal(image[3, 4], (0, 0, 250))


def test_an_encoding_that_cv_bridge_cannot_convert_is_malformed_and_says_so() -> None:
    message = message_of(np.zeros((4, 3), np.uint8), 'yuv422')  # no 3-pixel wide 4:2:2 image
    message.width, message.step = 1, 3
    check_image(message)
    with pytest.raises(MalformedImage, match='yuv422'):
        read_image(message)


def test_a_missing_cv_bridge_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    message = message_of(np.zeros((4, 4), np.uint8), 'bayer_rggb8')
    with pytest.raises(MalformedImage, match='needs cv_bridge'):
        read_image(message)


def test_sixteen_bit_images_reach_cv_bridge_packed_and_little_endian(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure-Python cv_bridge cannot convert them, so its input is what is looked at."""
    import cv_bridge
    seen = []

    def convert(_: object, message: Image, encoding: str) -> np.ndarray:
        seen.append(message)
        return np.zeros((message.height, message.width, 3), np.uint8)

    monkeypatch.setattr(cv_bridge.CvBridge, 'imgmsg_to_cv2', convert)
    pixels = np.arange(12, dtype='<u2').reshape(3, 4) * 1000
    read_image(message_of(pixels, 'mono16', padding=3))
    read_image(message_of(pixels.astype('>u2'), 'mono16', padding=4, is_bigendian=1))
    for message in seen:
        assert (message.step, message.is_bigendian) == (8, 0)
        np.testing.assert_array_equal(np.frombuffer(message.data, '<u2').reshape(3, 4), pixels)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_a_label_message_reads_back_as_the_labels(height: int, width: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    header = Header(frame_id='front_optical')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    message = mono8_message(header, labels)
    check_image(message)
    image, encoding = read_image(message)
    assert encoding == 'mono8'
    assert message.header == header
    np.testing.assert_array_equal(image, labels)


def test_strided_labels_become_a_dense_message() -> None:
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)[::2, ::2]
    message = mono8_message(Header(), labels)
    assert bytes(message.data) == labels.tobytes()
