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
"""Figures of merit, against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.metrics import BinaryIoU
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.metrics import count_pairs
from frm_perception.evaluation.metrics import count_values

IGNORE = 255


def test_figures_of_a_small_example() -> None:
    matrix = ConfusionMatrix(['sky', 'road', 'car'])
    matrix.update(np.array([[0, 0, 1, 1, IGNORE]], np.uint8),
                  np.array([[0, 1, 1, 1, 0]], np.uint8))
    iou = matrix.iou()
    assert iou[:2].tolist() == [1 / 2, 2 / 3]
    assert np.isnan(iou[2])
    assert matrix.mean_iou() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert matrix.pixel_accuracy() == 3 / 4


def test_no_class_predicted_counts_as_wrong() -> None:
    matrix = ConfusionMatrix(['sky', 'road'])
    matrix.update(np.array([[1, 1]], np.uint8), np.array([[1, IGNORE]], np.uint8))
    assert matrix.iou()[1] == 1 / 2
    assert matrix.pixel_accuracy() == 1 / 2


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_iou_equals_that_of_masks(classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = ConfusionMatrix([str(index) for index in range(classes)])
    pairs = []
    for _ in range(3):
        target = random.integers(0, classes, (5, 7)).astype(np.uint8)
        target[random.random(target.shape) < 0.2] = IGNORE
        pairs.append((target, random.integers(0, classes, (5, 7)).astype(np.uint8)))
        matrix.update(*pairs[-1])
    for index in range(classes):
        mask = BinaryIoU()
        for target, found in pairs:
            mask.update(target == index, found == index, target != IGNORE)
        np.testing.assert_equal(matrix.iou()[index], mask.iou())


def test_nothing_seen_is_not_a_number() -> None:
    matrix = ConfusionMatrix(['sky', 'road'])
    matrix.update(np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), np.uint8))
    assert np.isnan(matrix.iou()).all()
    assert np.isnan(matrix.mean_iou()) and np.isnan(matrix.pixel_accuracy())
    assert np.isnan(BinaryIoU().iou())


@pytest.mark.parametrize(('target', 'prediction'), [([[2]], [[0]]), ([[0]], [[2]])])
def test_an_id_beyond_the_classes_is_refused(
        target: list[list[int]], prediction: list[list[int]]) -> None:
    with pytest.raises(ValueError, match='beyond the 2 classes: 2'):
        ConfusionMatrix(['sky', 'road']).update(
            np.array(target, np.uint8), np.array(prediction, np.uint8))


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match='cannot be compared'):
        ConfusionMatrix(['sky']).update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match='cannot be compared'):
        BinaryIoU().update(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_pairs_are_counted_of_images_of_any_size_and_layout(
        height: int, width: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (width, height, 2)).astype(np.uint8)
    first, second = images[..., 0].T, images[..., 1].T
    expected = np.zeros((256, 256), np.int64)
    np.add.at(expected, (first, second), 1)
    assert np.array_equal(count_pairs(first, second), expected)
    assert np.array_equal(count_values(first), expected.sum(axis=1))


def test_more_pixels_than_single_precision_can_count_are_counted() -> None:
    image = np.zeros((2**13, 2**12 + 1), np.uint8)
    assert count_pairs(image, image)[0, 0] == count_values(image)[0] == image.size
