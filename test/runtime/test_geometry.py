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
"""From a camera's image to a network's input, to the pixel."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.runtime.geometry import FITS
from frm_perception.runtime.geometry import Geometry
from frm_perception.runtime.geometry import View
from frm_perception.runtime.pixels import CHANNELS

PADDING = (124, 116, 104)
CELL = 4

sides = st.one_of(st.integers(1, 64), st.integers(1, 4096))
image_sizes = st.tuples(sides, sides)
network_sizes = st.tuples(st.integers(2, 34), st.integers(2, 64)).map(
    lambda steps: (steps[0] * 32, steps[1] * 32))
small_images = st.tuples(st.integers(1, 200), st.integers(1, 200))
small_networks = st.tuples(st.integers(2, 6), st.integers(2, 6)).map(
    lambda steps: (steps[0] * 32, steps[1] * 32))


@given(image_sizes, network_sizes)
def test_the_whole_image_fits_as_large_as_possible(
        image: tuple[int, int], network: tuple[int, int]) -> None:
    box = Geometry.fit(image, network, CELL)
    assert all(CELL <= part <= whole and part % CELL == 0
               for part, whole in zip(box.content, network, strict=True))
    assert box.content[0] == network[0] or box.content[1] == network[1]


@given(image_sizes, network_sizes)
def test_the_aspect_ratio_is_kept_to_half_a_cell(
        image: tuple[int, int], network: tuple[int, int]) -> None:
    box = Geometry.fit(image, network, CELL)
    scale = min(network[0] / image[0], network[1] / image[1])
    for side, part in zip(image, box.content, strict=True):
        assert abs(part - side * scale) <= CELL / 2 + 1e-6 or part == CELL


@given(image_sizes, network_sizes)
def test_a_letterbox_and_a_stretch_show_the_whole_image(
        image: tuple[int, int], network: tuple[int, int]) -> None:
    for how in ('letterbox', 'stretch'):
        assert Geometry.fit(image, network, CELL, how).view == View(0, 0, *image)
    assert Geometry.fit(image, network, CELL, 'stretch').content == network


@given(image_sizes, network_sizes)
def test_a_crop_fills_the_input_with_the_middle_of_the_lower_part(
        image: tuple[int, int], network: tuple[int, int]) -> None:
    box = Geometry.fit(image, network, CELL, 'crop')
    view = box.view
    assert box.content == network
    assert view.height == image[0] or view.width == image[1]
    assert view.height >= 1 and view.width >= 1 and view.top >= 0 and view.left >= 0
    assert view.top + view.height == image[0]
    assert 0 <= image[1] - view.width - 2 * view.left <= 1


@given(image_sizes, network_sizes)
def test_a_crop_keeps_the_aspect_ratio_to_half_a_pixel_of_the_image(
        image: tuple[int, int], network: tuple[int, int]) -> None:
    view = Geometry.fit(image, network, CELL, 'crop').view
    scale = max(network[0] / image[0], network[1] / image[1])
    for part, side in zip(view.size, network, strict=True):
        assert abs(part - side / scale) <= 0.5 + 1e-6 or part == 1


@pytest.mark.parametrize('how', FITS)
def test_nothing_is_cut_or_filled_where_the_shapes_are_alike(how: str) -> None:
    box = Geometry.fit((1080, 1920), (288, 512), CELL, how)
    assert (box.content, box.view) == ((288, 512), View(0, 0, 1080, 1920))


@given(small_images, small_networks, st.sampled_from(FITS), st.sampled_from([2, 4, 8]))
def test_a_reduced_image_is_seen_where_its_pixels_come_from(
        image: tuple[int, int], network: tuple[int, int], how: str, factor: int) -> None:
    small = Geometry.fit(image, network, CELL, how)
    large = small.enlarged(factor)
    assert large.image == (image[0] * factor, image[1] * factor)
    assert large.view == tuple(value * factor for value in small.view)
    assert (large.content, large.network) == (small.content, small.network)


@given(small_images, small_networks, st.sampled_from(FITS), st.integers(0, 1), st.data())
def test_an_edge_in_the_image_is_at_its_place_in_the_input(
        size: tuple[int, int], network: tuple[int, int], how: str, axis: int,
        data: st.DataObject) -> None:
    box = Geometry.fit(size, network, CELL, how)
    first, length = box.view[axis], box.view[2 + axis]
    edge = data.draw(st.integers(first, first + length))
    image = np.zeros((*size, 3), np.uint8)
    np.moveaxis(image, axis, 0)[edge:] = 255
    out = np.zeros((*network, 3), np.uint8)
    box.forward(image, 'rgb8', out, PADDING)
    line = np.moveaxis(out[:box.content[0], :box.content[1], 0], axis, 0)[:, 0]
    bright = float((line / 255).sum())
    expected = box.content[axis] * (first + length - edge) / length
    # Within one pixel of the image, or of the input, which has more.
    assert abs(bright - expected) <= max(box.content[axis] / length, 1)


@given(small_images, small_networks, st.integers(0, 2**32 - 1))
def test_a_crop_shows_what_the_view_alone_shows(
        size: tuple[int, int], network: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    box = Geometry.fit(size, network, CELL, 'crop')
    seen, alone = (np.zeros((*network, 3), np.uint8) for _ in range(2))
    box.forward(image, 'rgb8', seen, PADDING)
    cut = image[box.view.slices].copy()
    Geometry.fit(box.view.size, network, CELL, 'stretch').forward(cut, 'rgb8', alone, PADDING)
    np.testing.assert_array_equal(seen, alone)


@pytest.mark.parametrize('shape', [(1, 4096), (4096, 1), (1, 1), (3, 2160)])
def test_an_extreme_image_still_has_content(shape: tuple[int, int]) -> None:
    box = Geometry.fit(shape, (384, 640), CELL)
    out = np.zeros((384, 640, 3), np.uint8)
    box.forward(np.full((*shape, 3), 200, np.uint8), 'rgb8', out, PADDING)
    assert (out[:box.content[0], :box.content[1]] == 200).all()


@settings(deadline=None)
@given(small_images, small_networks, st.sampled_from(sorted(CHANNELS)),
       st.sampled_from(FITS))
def test_forward_writes_every_pixel_and_none_of_the_border_is_image(
        size: tuple[int, int], network: tuple[int, int], encoding: str, how: str) -> None:
    channels = CHANNELS[encoding]
    shape = size if channels == 1 else (*size, channels)
    image = np.full(shape, 77, np.uint8)
    out = np.full((*network, 3), 3, np.uint8)
    box = Geometry.fit(size, network, CELL, how)
    box.forward(image, encoding, out, PADDING)
    height, width = box.content
    assert (out[:height, :width] == 77).all()
    assert (out[height:] == PADDING).all()
    assert (out[:, width:] == PADDING).all()


@settings(deadline=None)
@given(small_images, small_networks, st.integers(0, 2**32 - 1))
def test_all_encodings_of_a_picture_look_the_same_to_the_network(
        size: tuple[int, int], network: tuple[int, int], seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    box = Geometry.fit(size, network, CELL)
    seen = {}
    for encoding, image in (
            ('rgb8', rgb), ('bgr8', rgb[:, :, ::-1].copy()),
            ('rgba8', cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)),
            ('bgra8', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA))):
        out = np.zeros((*network, 3), np.uint8)
        box.forward(image, encoding, out, PADDING)
        seen[encoding] = out
    for encoding, out in seen.items():
        # OpenCV's kernels for 3 and 4 channels may round differently.
        difference = np.abs(out.astype(int) - seen['rgb8'])
        assert difference.max() <= (1 if 'a' in encoding else 0), encoding


def test_rows_with_padding_give_the_same_as_rows_without() -> None:
    padded = np.random.default_rng(0).integers(0, 256, (90, 170, 3), np.uint8)
    image = padded[:, :160]
    outs = []
    for pixels in (image, image.copy()):
        out = np.zeros((64, 96, 3), np.uint8)
        Geometry.fit((90, 160), (64, 96), CELL).forward(pixels, 'rgb8', out, PADDING)
        outs.append(out)
    assert np.array_equal(*outs)


def test_shrinking_much_averages_instead_of_skipping_pixels() -> None:
    # Columns of black and white, one pixel wide: skipping would give stripes or one of the two.
    image = np.zeros((640, 960, 3), np.uint8)
    image[:, ::2] = 255
    out = np.zeros((64, 96, 3), np.uint8)
    Geometry.fit((640, 960), (64, 96), CELL).forward(image, 'rgb8', out, PADDING)
    assert np.abs(out.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(('image', 'network'), [
    ((0, 10), (64, 64)), ((10, 0), (64, 64)), ((10, 10), (0, 64)), ((10, 10), (64, 66))])
def test_impossible_sizes_are_refused(image: tuple[int, int], network: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match='cannot fit'):
        Geometry.fit(image, network, CELL)


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'squash'; choose from letterbox, stretch, crop"):
        Geometry.fit((10, 10), (64, 64), CELL, 'squash')


@pytest.mark.parametrize('image', [(96, 160), (100, 164), (97, 161), (400, 640)])
def test_shrinking_keeps_every_part_of_the_image_in_its_place(image: tuple[int, int]) -> None:
    """A plane comes back as that plane, whether squares of pixels divide the image or not."""
    rows, columns = np.mgrid[:image[0], :image[1]]
    slope = (rows + 0.5) / image[0] + (columns + 0.5) / image[1]
    plane = (20 + 100 * slope).astype(np.uint8)
    geometry = Geometry.fit(image, (32, 64), 4, 'stretch')
    out = np.zeros((32, 64, 3), np.uint8)
    geometry.forward(plane, 'mono8', out, (0, 0, 0))
    rows, columns = np.mgrid[:32, :64]
    expected = 20 + 100 * (rows + 0.5) / 32 + 100 * (columns + 0.5) / 64
    assert np.abs(out[..., 0] - expected).max() < 2.5
