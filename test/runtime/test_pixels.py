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
"""Views of image messages and their conversion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.runtime.pixels import CHANNELS
from frm_perception.runtime.pixels import check_image
from frm_perception.runtime.pixels import image_view
from frm_perception.runtime.pixels import to_rgb


@given(st.sampled_from(sorted(CHANNELS)), st.integers(1, 20), st.integers(1, 20),
       st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_a_view_shows_every_pixel_whatever_the_row_padding(
        encoding: str, height: int, width: int, padding: int, surplus: int, seed: int) -> None:
    channels = CHANNELS[encoding]
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    rows = np.pad(image.reshape(height, -1), ((0, 0), (0, padding)), constant_values=9)
    data = rows.tobytes() + bytes(surplus)
    view = image_view(data, height, width, width * channels + padding, encoding)
    check_image(view, encoding)
    assert np.array_equal(view, image)


def test_a_view_copies_nothing() -> None:
    data = np.zeros(60, np.uint8)
    view = image_view(data, 2, 8, 30, 'rgb8')
    assert np.shares_memory(view, data)


@pytest.mark.parametrize(('height', 'width', 'step', 'encoding', 'complaint'), [
    (0, 5, 15, 'rgb8', 'nothing to show'),
    (5, 0, 15, 'rgb8', 'nothing to show'),
    (5, 5, 14, 'rgb8', 'step is 14.*has 15 bytes'),
    (5, 5, 16, 'rgb8', '75 bytes of data; 5 rows of 16 are 80'),
    (5, 5, 15, 'yuv422', "unknown encoding 'yuv422'; known are rgb8, bgr8"),
])
def test_contradicting_numbers_are_refused(
        height: int, width: int, step: int, encoding: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        image_view(bytes(75), height, width, step, encoding)


@pytest.mark.parametrize(('encoding', 'pixel', 'rgb'), [
    ('rgb8', [1, 2, 3], [1, 2, 3]), ('bgr8', [3, 2, 1], [1, 2, 3]),
    ('rgba8', [1, 2, 3, 9], [1, 2, 3]), ('bgra8', [3, 2, 1, 9], [1, 2, 3]), ('mono8', 7, [7] * 3)])
def test_conversion_finds_the_channels(encoding: str, pixel: object, rgb: list[int]) -> None:
    image = np.array([[pixel] * 4] * 3, np.uint8)
    check_image(image, encoding)
    assert (to_rgb(image, encoding) == rgb).all()
    out = np.zeros((3, 4, 3), np.uint8)
    assert to_rgb(image, encoding, out) is not None
    assert (out == rgb).all()


@pytest.mark.parametrize(('image', 'encoding'), [
    (np.zeros((4, 4, 3), np.float32), 'rgb8'), (np.zeros((4, 4), np.uint8), 'rgb8'),
    (np.zeros((4, 4, 4), np.uint8), 'bgr8'), (np.zeros((4, 4, 3), np.uint8), 'bgra8'),
    (np.zeros((4, 4, 1), np.uint8), 'mono8'), (np.zeros((0, 4, 3), np.uint8), 'rgb8'),
    (np.zeros((4, 0), np.uint8), 'mono8')])
def test_an_array_that_is_no_such_image_is_refused(image: np.ndarray, encoding: str) -> None:
    with pytest.raises(ValueError, match=f'in {encoding} must be a uint8 array of shape'):
        check_image(image, encoding)
