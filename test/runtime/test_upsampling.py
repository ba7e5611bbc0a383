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
"""Labels at any size equal those of interpolating every class at every pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from frm_perception.runtime.geometry import Letterbox
from frm_perception.runtime.upsampling import upsampling

STRIDE = 4


def _samples(content: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp],
                                                NDArray[np.float64]]:
    position = (np.arange(size) + 0.5) * content / size / STRIDE - 0.5
    cells = content // STRIDE
    low = np.floor(position).astype(np.intp)
    return (np.clip(low, 0, cells - 1), np.clip(low + 1, 0, cells - 1),
            position - np.floor(position))


def dense(logits: NDArray[np.float32], box: Letterbox, size: tuple[int, int]
          ) -> NDArray[np.float64]:
    """Return (C, H, W) logits at every pixel, in double precision, straight by the definition."""
    top, bottom, down = _samples(box.content[0], size[0])
    left, right, across = _samples(box.content[1], size[1])
    values = logits.astype(np.float64)
    rows = values[:, top] * (1 - down)[:, None] + values[:, bottom] * down[:, None]
    return rows[:, :, left] * (1 - across) + rows[:, :, right] * across


def assert_equal_to_dense(logits: NDArray[np.float32], box: Letterbox,
                          size: tuple[int, int]) -> None:
    labels = upsampling(box, STRIDE, size).labels(logits)
    assert labels.shape == size and labels.dtype == np.uint8
    expected = dense(logits, box, size)
    chosen = np.take_along_axis(expected, labels[None].astype(np.intp), axis=0)[0]
    # Of classes that are equal to within single precision, either is right.
    tolerance = 1e-5 * max(float(np.abs(logits).max()), 1e-30)
    assert (expected.max(axis=0) - chosen <= tolerance).all()


cases = st.tuples(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.tuples(st.integers(2, 5), st.integers(2, 5)).map(
        lambda steps: (steps[0] * 32, steps[1] * 32)),
    st.integers(1, 12), st.integers(0, 2**32 - 1))


@settings(deadline=None, max_examples=200)
@given(cases, st.sampled_from(['noise', 'smooth', 'few values', 'constant']),
       st.sampled_from(['camera', 'network']))
def test_labels_equal_the_dense_computation(
        case: tuple[tuple[int, int], tuple[int, int], int, int], kind: str, output: str) -> None:
    image, network, classes, seed = case
    random = np.random.default_rng(seed)
    shape = (classes, network[0] // STRIDE, network[1] // STRIDE)
    logits = random.normal(0, 10 ** random.uniform(-3, 3), shape).astype(np.float32)
    if kind == 'smooth':
        logits = logits.cumsum(axis=1).cumsum(axis=2).astype(np.float32)
    elif kind == 'few values':
        logits = random.integers(-1, 2, shape).astype(np.float32)
    elif kind == 'constant':
        logits[:] = logits[:, :1, :1]
    box = Letterbox.fit(image, network, STRIDE)
    assert_equal_to_dense(logits, box, image if output == 'camera' else box.content)


@pytest.mark.parametrize('image', [(540, 960), (1080, 1920), (1200, 1920), (97, 1021), (1, 4000)])
def test_labels_equal_the_dense_computation_at_camera_sizes(image: tuple[int, int]) -> None:
    network = (384, 640)
    coarse = np.random.default_rng(3).normal(0, 4, (5, 12, 20)).astype(np.float32)
    logits = coarse.repeat(8, axis=1).repeat(8, axis=2)
    logits += np.random.default_rng(4).normal(0, 1, logits.shape).astype(np.float32)
    assert_equal_to_dense(logits, Letterbox.fit(image, network, STRIDE), image)


def test_a_class_that_wins_no_corner_can_win_between_them() -> None:
    logits = np.zeros((3, 16, 16), np.float32)
    logits[0, :, :8] = logits[1, :, 8:] = 10
    logits[2] = 6
    box = Letterbox.fit((640, 640), (64, 64), STRIDE)
    labels = upsampling(box, STRIDE, (640, 640)).labels(logits)
    assert labels[320, 0] == 0 and labels[320, 639] == 1
    # Half way both have 5, and the third class 6.
    assert labels[320, 320] == 2


def test_of_equal_classes_the_first_wins() -> None:
    box = Letterbox.fit((50, 50), (64, 64), STRIDE)
    assert not upsampling(box, STRIDE, (50, 50)).labels(np.ones((7, 16, 16), np.float32)).any()


def test_the_border_is_not_looked_at() -> None:
    box = Letterbox.fit((32, 64), (64, 64), STRIDE)
    logits = np.zeros((2, 16, 16), np.float32)
    logits[0, :8] = 1
    logits[1, 8:] = 1e6
    assert not upsampling(box, STRIDE, (32, 64)).labels(logits).any()


def test_all_class_ids_are_possible() -> None:
    logits = np.full((255, 16, 16), -1, np.float32)
    ids = np.arange(256) % 255
    logits[ids, np.arange(256) // 16, np.arange(256) % 16] = 1
    box = Letterbox.fit((64, 64), (64, 64), STRIDE)
    labels = upsampling(box, STRIDE, (64, 64)).labels(logits)
    assert np.array_equal(labels[1::4, 1::4].ravel(), ids)


@settings(deadline=None, max_examples=100)
@given(cases, st.sampled_from(['camera', 'network']))
def test_confidence_is_the_softmax_of_the_dense_computation(
        case: tuple[tuple[int, int], tuple[int, int], int, int], output: str) -> None:
    image, network, classes, seed = case
    random = np.random.default_rng(seed)
    shape = (classes, network[0] // STRIDE, network[1] // STRIDE)
    logits = random.normal(0, 10 ** random.uniform(-2, 2), shape).astype(np.float32)
    box = Letterbox.fit(image, network, STRIDE)
    size = image if output == 'camera' else box.content
    assert_confidence_equals_dense(logits, box, size)


@pytest.mark.parametrize('image', [(1080, 1920), (97, 1021), (1, 4000)])
def test_confidence_is_exact_at_camera_sizes(image: tuple[int, int]) -> None:
    logits = np.random.default_rng(5).normal(0, 3, (3, 96, 160)).astype(np.float32)
    assert_confidence_equals_dense(logits, Letterbox.fit(image, (384, 640), STRIDE), image)


def assert_confidence_equals_dense(logits: NDArray[np.float32], box: Letterbox,
                                   size: tuple[int, int]) -> None:
    confidence = upsampling(box, STRIDE, size).confidence(logits)
    assert confidence.shape == size and confidence.dtype == np.uint8
    values = dense(logits, box, size)
    expected = 255 / np.exp(values - values.max(axis=0)).sum(axis=0)
    # Rounded, but for what single precision cannot tell.
    assert np.abs(confidence - expected).max() <= 0.5 + 0.02


def test_confidence_of_a_network_that_knows_nothing_is_one_in_so_many() -> None:
    box = Letterbox.fit((50, 50), (64, 64), STRIDE)
    confidence = upsampling(box, STRIDE, (50, 50)).confidence(np.ones((5, 16, 16), np.float32))
    assert (confidence == 51).all()
