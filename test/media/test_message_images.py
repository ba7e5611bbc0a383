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
"""Pictures of bags in every encoding that cameras use."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from frm_perception.media.message_images import raw_image

COLORS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))
PICTURE = np.repeat(np.array(COLORS, np.uint8)[None, :], 24, axis=0).repeat(16, axis=1)


def _message(encoding: str, pixels: NDArray[Any], big_endian: bool = False,
             padding: int = 0) -> Any:
    """Return a message of (H, W) or (H, W, channels) pixels of 8 or 16 bits."""
    if pixels.dtype == np.uint16:
        pixels = pixels.astype('>u2' if big_endian else '<u2')
    height, width = pixels.shape[:2]
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(encoding=encoding, height=height, width=width, step=rows.shape[1],
                           is_bigendian=int(big_endian), data=rows.ravel())


def _mosaic(pattern: str) -> NDArray[np.uint8]:
    mosaic = np.empty(PICTURE.shape[:2], np.uint8)
    for place, letter in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = PICTURE[row::2, column::2, 'rgb'.index(letter)]
    return mosaic


def _sixteen(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 256 + 255


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_bayer_mosaic_gets_its_colours(pattern: str, big_endian: bool) -> None:
    mosaic = _mosaic(pattern)
    for message in (_message(f'bayer_{pattern}8', mosaic, padding=3),
                    _message(f'bayer_{pattern}16', _sixteen(mosaic), big_endian, padding=2)):
        image = raw_image(message)
        assert image.shape == PICTURE.shape
        for column in (8, 24, 40):
            np.testing.assert_array_equal(image[12, column], PICTURE[12, column])


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_yuv_becomes_rgb(encoding: str) -> None:
    # Red, by ITU-R BT.601 in 16 to 235.
    luma, blue, red = 82, 90, 240
    pair = [luma, blue, luma, red] if 'yuy' in encoding else [blue, luma, red, luma]
    pixels = np.tile(np.array(pair, np.uint8).reshape(1, 2, 2), (6, 4, 1))
    image = raw_image(_message(encoding, pixels, padding=5))
    assert image.shape == (6, 8, 3)
    np.testing.assert_allclose(image, np.broadcast_to((255, 0, 0), image.shape), atol=4)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize(('encoding', 'channels'), [
    ('rgb16', [0, 1, 2]), ('bgr16', [2, 1, 0]), ('rgba16', [0, 1, 2, 0]),
    ('bgra16', [2, 1, 0, 0]), ('8UC3', [2, 1, 0]), ('8UC4', [2, 1, 0, 0])])
def test_of_16_bits_the_upper_8_are_taken_and_bare_types_are_in_opencvs_order(
        encoding: str, channels: list[int], big_endian: bool) -> None:
    pixels = PICTURE[:, :, channels]
    wide = _sixteen(pixels) if encoding.endswith('16') else pixels
    np.testing.assert_array_equal(raw_image(_message(encoding, wide, big_endian, 6)), PICTURE)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1', 'mono16'])
def test_grey_becomes_rgb(encoding: str) -> None:
    grey = PICTURE[:, :, 0]
    wide = _sixteen(grey) if encoding == 'mono16' else grey
    np.testing.assert_array_equal(
        raw_image(_message(encoding, wide)), grey[:, :, None].repeat(3, axis=2))


def test_the_picture_is_no_view_of_the_message() -> None:
    message = _message('rgb8', PICTURE)
    assert not np.shares_memory(raw_image(message), message.data)


@pytest.mark.parametrize(('change', 'complaint'), [
    ({'encoding': '32FC1'}, "unknown encoding '32FC1'"),
    ({'step': 143}, 'step is 143, but a row of 48 rgb8 pixels has 144 bytes'),
    ({'height': 25}, 'bytes of data'),
    ({'height': 0}, 'nothing to show'),
    ({'encoding': 'yuyv', 'width': 47}, 'OpenCV cannot convert 47x24 pixels'),
])
def test_a_message_that_makes_no_picture_is_refused(
        change: dict[str, Any], complaint: str) -> None:
    message = _message('rgb8', PICTURE)
    vars(message).update(change)
    with pytest.raises(ValueError, match=complaint):
        raw_image(message)
