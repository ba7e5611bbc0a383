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
"""Augmented images and labels stay together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.labels import IGNORE
from frm_perception.training.augmentation import PADDING
from frm_perception.training.augmentation import Augmentation
from frm_perception.training.augmentation import distort
from frm_perception.training.augmentation import paste
from frm_perception.training.config import AugmentationConfig


@given(height=st.integers(8, 400), width=st.integers(8, 400), seed=st.integers(0, 2 ** 32))
@settings(max_examples=40, deadline=None)
def test_any_image_becomes_a_crop_of_the_size_asked_for(height, width, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    labels = random.integers(0, 11, (height, width), np.uint8)
    crop, crop_labels = Augmentation(AugmentationConfig(64, 96, 0.5, 2.0))(image, labels, random)
    assert (crop.shape, crop.dtype) == ((64, 96, 3), np.uint8)
    assert (crop_labels.shape, crop_labels.dtype) == ((64, 96), np.uint8)
    assert set(np.unique(crop_labels)) <= set(range(11)) | {IGNORE}


@given(seed=st.integers(0, 2 ** 32))
@settings(max_examples=40, deadline=None)
def test_labels_move_with_their_pixels_and_the_border_is_unlabelled(seed):
    random = np.random.default_rng(seed)
    labels = np.zeros((120, 160), np.uint8)
    labels[40:90, 30:100] = 1
    image = np.where(labels[..., None] == 1, 250, 5).astype(np.uint8).repeat(3, 2)
    augmentation = Augmentation(AugmentationConfig(96, 96, 0.6, 1.8))
    scaled, scaled_labels = augmentation._scale(image, labels, random)
    crop, crop_labels = augmentation._crop(scaled, scaled_labels, random)
    border = crop_labels == IGNORE
    assert (crop[border] == PADDING).all()
    agree = (crop[..., 0] > 127) == (crop_labels == 1)
    # Interpolation blurs one pixel along the edge of the square.
    assert agree[~border].mean() > 0.95


def test_distortion_is_decided_by_the_seed():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    first = distort(image, np.random.default_rng(3))
    assert np.array_equal(first, distort(image, np.random.default_rng(3)))
    assert not np.array_equal(first, distort(image, np.random.default_rng(4)))


@pytest.mark.parametrize('value', [0, 255])
def test_distortion_survives_black_and_white(value):
    image = np.full((64, 64, 3), value, np.uint8)
    for seed in range(30):
        assert distort(image, np.random.default_rng(seed)).shape == image.shape


def test_only_the_pixels_of_the_named_classes_are_pasted():
    image, labels = np.full((2, 3, 3), 7, np.uint8), np.zeros((2, 3), np.uint8)
    other = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    paste(image, labels, other, np.array([[1, 2, 3], [IGNORE, 3, 0]], np.uint8), (1, 3))
    assert labels.tolist() == [[1, 0, 3], [0, 3, 0]]
    taken = labels > 0
    assert np.array_equal(image[taken], other[taken])
    assert (image[~taken] == 7).all()
