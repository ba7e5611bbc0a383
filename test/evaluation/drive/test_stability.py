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
"""Stability of labels along the motion of the picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from frm_perception.evaluation.drive.stability import FLOW_SIDE
from frm_perception.evaluation.drive.stability import LONGEST_GAP_NS
from frm_perception.evaluation.drive.stability import Stability
from frm_perception.evaluation.drive.stability import small_grey

STEP = 10**8


def texture(seed: int = 0, shape: tuple[int, int] = (200, 400)) -> NDArray[np.uint8]:
    """Return a smooth pattern that flow can follow."""
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def test_labels_that_move_with_the_picture_are_stable() -> None:
    picture = texture()
    stability = Stability()
    for number in range(4):
        left = 6 * number
        grey = picture[:180, left:left + 320]
        labels = (grey > 128).astype(np.uint8)
        found = stability.update(grey, labels, number * STEP)
        assert (found is None) == (number == 0)
    assert found is not None and found > 0.98


def test_labels_that_stay_where_they_are_while_the_picture_moves_are_not() -> None:
    picture = texture()
    labels = (picture[:180, :320] > 128).astype(np.uint8)
    stability = Stability()
    stability.update(picture[:180, :320], labels, 0)
    found = stability.update(picture[:180, 20:340], labels, STEP)
    assert found is not None and found < 0.9


def test_labels_that_flicker_in_a_tenth_of_the_picture_lose_that_tenth() -> None:
    picture = texture()[:180, :320]
    labels = np.zeros(picture.shape, np.uint8)
    flickering = labels.copy()
    flickering[:, 144:176] = 1
    stability = Stability()
    stability.update(picture, labels, 0)
    assert stability.update(picture, flickering, STEP) == pytest.approx(0.9, abs=0.002)


def test_pixels_without_a_label_do_not_count() -> None:
    picture = texture()[:180, :320]
    labels = np.zeros(picture.shape, np.uint8)
    part = labels.copy()
    part[:90] = 255
    stability = Stability()
    stability.update(picture, labels, 0)
    assert stability.update(picture, part, STEP) == 1
    part[:170] = 255
    assert stability.update(picture, part, 2 * STEP) is None  # too few are left


def test_labels_may_be_larger_than_the_picture_that_is_followed() -> None:
    picture = texture()[:180, :320]
    labels = np.zeros((1080, 1920), np.uint8)
    labels[:, 960:] = 1
    stability = Stability()
    stability.update(picture, labels, 0)
    assert stability.update(picture, labels, STEP) == 1


@pytest.mark.parametrize('later', [0, -STEP, LONGEST_GAP_NS + 1])
def test_frames_that_do_not_follow_each_other_have_no_figure(later: int) -> None:
    picture = texture()[:180, :320]
    labels = np.zeros(picture.shape, np.uint8)
    stability = Stability()
    stability.update(picture, labels, STEP)
    assert stability.update(picture, labels, STEP + later) is None
    assert stability.update(picture, labels, 2 * STEP + later) == 1


def test_a_picture_of_another_size_or_without_anything_in_common_has_no_figure() -> None:
    labels = np.zeros((10, 20), np.uint8)
    stability = Stability()
    stability.update(texture()[:180, :320], labels, 0)
    assert stability.update(texture()[:160, :320], labels, STEP) is None


@settings(max_examples=20)
@given(height=st.integers(1, 400), width=st.integers(1, 400), threads=st.integers(1, 4))
def test_any_size_works_and_the_number_of_threads_changes_nothing(
        height: int, width: int, threads: int) -> None:
    random = np.random.default_rng(height * width)
    images = random.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    labels = random.integers(0, 3, (2, height, width), dtype=np.uint8)
    before = cv2.getNumThreads()
    found = []
    try:
        for count in (1, threads):
            cv2.setNumThreads(count)
            stability = Stability()
            found.append([stability.update(small_grey(images[number], 'rgb8'), labels[number],
                                           number * STEP) for number in range(2)])
    finally:
        cv2.setNumThreads(before)
    assert found[0] == found[1]
    assert found[0][1] is None or 0 <= found[0][1] <= 1


def test_a_small_image_is_grey_whatever_the_order_of_its_colours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (540, 960, 3), dtype=np.uint8)
    grey = small_grey(image, 'rgb8')
    assert grey.shape == (180, FLOW_SIDE)
    assert np.array_equal(grey, small_grey(np.ascontiguousarray(image[:, :, ::-1]), 'bgr8'))
