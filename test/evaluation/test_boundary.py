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
"""Boundary IoU is what the paper's authors compute, mask by mask."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from frm_perception.evaluation.boundary import BoundaryIoU
from frm_perception.labels import IGNORE


def along_contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of a mask along its contour, by distances to what is not in the mask."""
    height, width = mask.shape
    reach = max(round(0.02 * (height ** 2 + width ** 2) ** 0.5), 1)
    padded = np.pad(mask, 1)
    near = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        window = padded[max(y + 1 - reach, 0):y + 2 + reach, max(x + 1 - reach, 0):x + 2 + reach]
        near[y, x] = not window.all()
    return near


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 130), st.integers(1, 4), st.integers(1, 9),
       st.integers(0, 2**32 - 1))
def test_every_class_is_that_of_its_mask(height: int, width: int, classes: int, side: int,
                                         seed: int) -> None:
    random = np.random.default_rng(seed)

    def labels(void: float) -> NDArray[np.uint8]:
        ids = random.integers(0, classes, (height // side + 1, width // side + 1))
        ids[random.random(ids.shape) < void] = IGNORE
        return ids.astype(np.uint8).repeat(side, 0).repeat(side, 1)[:height, :width]

    score = BoundaryIoU([str(index) for index in range(classes)])
    common = np.zeros(classes)
    either = np.zeros(classes)
    for _ in range(2):
        target, prediction = labels(0.1), labels(0.05)
        score.update(target, prediction)
        for index in range(classes):
            truth = along_contour(target == index)
            found = along_contour((prediction == index) & (target != IGNORE))
            common[index] += np.count_nonzero(truth & found)
            either[index] += np.count_nonzero(truth | found)
    expected = np.divide(common, either, out=np.full(classes, np.nan), where=either > 0)
    np.testing.assert_array_equal(score.iou(), expected)
    np.testing.assert_equal(score.mean_iou(), np.nanmean(expected) if either.any() else np.nan)


def test_one_mask_is_that_of_the_authors_steps() -> None:
    # Their recipe: pad by one pixel of background, erode by 3x3 as often as the band is wide.
    random = np.random.default_rng(0)
    masks = [cv2.resize(random.integers(0, 2, (9, 12)).astype(np.uint8), (480, 360),
                        interpolation=cv2.INTER_NEAREST) for _ in range(2)]
    bands = []
    for mask in masks:
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=12)
        bands.append(mask - eroded[1:-1, 1:-1])
    score = BoundaryIoU(['background', 'object'])
    score.update(*masks)
    assert score.iou()[1] == (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()


def test_what_is_predicted_where_the_truth_is_unknown_changes_nothing() -> None:
    random = np.random.default_rng(1)
    target = random.integers(0, 3, (40, 60)).astype(np.uint8)
    target[10:20, 10:50] = IGNORE
    prediction = random.integers(0, 3, (40, 60)).astype(np.uint8)
    scores = [BoundaryIoU('abc'), BoundaryIoU('abc')]
    scores[0].update(target, prediction)
    prediction[10:20, 10:50] = 1
    scores[1].update(target, prediction)
    np.testing.assert_array_equal(scores[0].iou(), scores[1].iou())


def test_a_shifted_contour_costs_more_here_than_in_the_whole_mask() -> None:
    target, prediction = np.zeros((2, 300, 400), np.uint8)
    target[:, 200:] = prediction[:, 205:] = 1
    score = BoundaryIoU(['left', 'right'])
    score.update(target, prediction)
    assert score.iou()[1] < 0.9 < 195 / 200


@pytest.mark.parametrize(('target', 'prediction'), [([[2]], [[0]]), ([[0]], [[2]])])
def test_an_id_beyond_the_classes_is_refused(
        target: list[list[int]], prediction: list[list[int]]) -> None:
    with pytest.raises(ValueError, match='beyond the 2 classes: 2'):
        BoundaryIoU(['sky', 'road']).update(
            np.array(target, np.uint8), np.array(prediction, np.uint8))


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match='cannot be compared'):
        BoundaryIoU(['sky']).update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
