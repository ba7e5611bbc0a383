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
"""Labels at any size equal those of interpolating every class at every pixel, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from kernel_cases import KERNELS
from kernel_cases import STRIDE
from kernel_cases import Float
from kernel_cases import Size
from kernel_cases import dense
from kernel_cases import kinds
from kernel_cases import make_logits
from kernel_cases import name_of
from kernel_cases import networks
from kernel_cases import outputs
from kernel_cases import samples
from kernel_cases import sizes

from frm_perception.runtime.kernels.contract import Kernels
from frm_perception.runtime.kernels.sampling import Sampling

all_kernels = pytest.mark.parametrize('kernels', KERNELS, ids=name_of)


def assert_equal_to_dense(kernels: Kernels, logits: Float, where: Sampling) -> None:
    labels = kernels.labels(logits, where)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, dense(logits, where).argmax(axis=0))


@all_kernels
@settings(max_examples=200)
@given(sizes, networks, st.integers(1, 12), st.integers(0, 2**32 - 1), kinds, outputs)
def test_labels_equal_the_dense_computation(
        kernels: Kernels, image: Size, network: Size, classes: int, seed: int, kind: str,
        output: str) -> None:
    assert_equal_to_dense(
        kernels, make_logits(kind, classes, network, seed), samples(image, network, output))


@all_kernels
@pytest.mark.parametrize('image', [(540, 960), (1080, 1920), (1200, 1920), (97, 1021), (1, 4000)])
def test_labels_equal_the_dense_computation_at_camera_sizes(
        kernels: Kernels, image: Size) -> None:
    coarse = np.random.default_rng(3).normal(0, 4, (5, 12, 20)).astype(np.float32)
    logits = coarse.repeat(8, axis=1).repeat(8, axis=2)
    logits += np.random.default_rng(4).normal(0, 1, logits.shape).astype(np.float32)
    assert_equal_to_dense(kernels, logits, samples(image, (384, 640), 'camera'))


@all_kernels
def test_a_class_that_wins_no_corner_can_win_between_them(kernels: Kernels) -> None:
    logits = np.zeros((3, 16, 16), np.float32)
    logits[0, :, :8] = logits[1, :, 8:] = 10
    logits[2] = 6
    labels = kernels.labels(logits, samples((640, 640), (64, 64), 'camera'))
    assert labels[320, 0] == 0 and labels[320, 639] == 1
    # Half way both have 5, and the third class 6.
    assert labels[320, 320] == 2


@all_kernels
def test_of_equal_classes_the_first_wins(kernels: Kernels) -> None:
    logits = np.ones((7, 16, 16), np.float32)
    assert not kernels.labels(logits, samples((50, 50), (64, 64), 'camera')).any()


@all_kernels
def test_the_border_is_not_looked_at(kernels: Kernels) -> None:
    logits = np.zeros((2, 16, 16), np.float32)
    logits[0, :8] = 1
    logits[1, 8:] = 1e6
    assert not kernels.labels(logits, samples((32, 64), (64, 64), 'camera')).any()


@all_kernels
def test_all_class_ids_are_possible(kernels: Kernels) -> None:
    logits = np.full((255, 16, 16), -1, np.float32)
    ids = np.arange(256) % 255
    logits[ids, np.arange(256) // 16, np.arange(256) % 16] = 1
    labels = kernels.labels(logits, samples((64, 64), (64, 64), 'camera'))
    assert np.array_equal(labels[1::STRIDE, 1::STRIDE].ravel(), ids)


@all_kernels
def test_logits_may_be_read_only_and_part_of_something_larger(kernels: Kernels) -> None:
    logits = make_logits('noise', 6, (64, 64), 0)
    part = logits[::2]
    part.flags.writeable = False
    assert_equal_to_dense(kernels, part, samples((50, 70), (64, 64), 'camera'))
