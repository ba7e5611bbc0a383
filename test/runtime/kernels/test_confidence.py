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
"""Confidence is the softmax of the interpolated logits, and a mask may ask for some of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from kernel_cases import KERNELS
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
from numpy.typing import NDArray

from frm_perception.runtime.kernels.contract import Kernels
from frm_perception.runtime.kernels.sampling import Sampling

all_kernels = pytest.mark.parametrize('kernels', KERNELS, ids=name_of)

_PRECISION = 0.02
"""What single precision, and leaving out the negligible, may change of 255 steps."""


def exact_confidence(logits: Float, where: Sampling) -> NDArray[np.float64]:
    values = dense(logits, where).astype(np.float64)
    return np.asarray(255 / np.exp(values - values.max(axis=0)).sum(axis=0))


@all_kernels
@settings(max_examples=100)
@given(sizes, networks, st.integers(1, 12), st.integers(0, 2**32 - 1), kinds, outputs)
def test_confidence_is_the_softmax_of_the_dense_computation(
        kernels: Kernels, image: Size, network: Size, classes: int, seed: int, kind: str,
        output: str) -> None:
    where = samples(image, network, output)
    logits = make_logits(kind, classes, network, seed)
    confidence = kernels.confidence(logits, where)
    assert confidence.dtype == np.uint8
    assert np.abs(confidence - exact_confidence(logits, where)).max() <= 0.5 + _PRECISION


@all_kernels
@pytest.mark.parametrize('image', [(1080, 1920), (97, 1021), (1, 4000)])
def test_confidence_is_exact_at_camera_sizes(kernels: Kernels, image: Size) -> None:
    where = samples(image, (384, 640), 'camera')
    logits = np.random.default_rng(5).normal(0, 3, (3, 96, 160)).astype(np.float32)
    difference = kernels.confidence(logits, where) - exact_confidence(logits, where)
    assert np.abs(difference).max() <= 0.5 + _PRECISION


@all_kernels
def test_confidence_of_a_network_that_knows_nothing_is_one_in_so_many(kernels: Kernels) -> None:
    where = samples((50, 50), (64, 64), 'camera')
    assert (kernels.confidence(np.ones((5, 16, 16), np.float32), where) == 51).all()


@all_kernels
def test_logits_of_any_size_have_a_confidence(kernels: Kernels) -> None:
    where = samples((64, 64), (64, 64), 'camera')
    logits = np.zeros((3, 16, 16), np.float32)
    logits[1] = 3e37
    logits[2] = -3e37
    assert (kernels.confidence(logits, where) == 255).all()


@all_kernels
@settings(max_examples=100)
@given(sizes, networks, st.integers(1, 8), st.integers(0, 2**32 - 1), kinds, outputs,
       st.integers(1, 255), st.sets(st.integers(0, 7), min_size=1))
def test_confident_pixels_are_those_of_the_classes_that_are_not_below_the_least(
        kernels: Kernels, image: Size, network: Size, count: int, seed: int, kind: str,
        output: str, least: int, chosen: set[int]) -> None:
    where = samples(image, network, output)
    logits = make_logits(kind, count, network, seed)
    classes = np.zeros(256, np.uint8)
    classes[list(chosen)] = 255
    labels = kernels.labels(logits, where)
    mask = kernels.confident(logits, where, labels, classes, least)
    assert set(np.unique(mask)) <= {0, 255}
    exact = exact_confidence(logits, where)
    expected = (classes[labels] != 0) & (exact >= least - 0.5)
    undecided = np.abs(exact - (least - 0.5)) <= _PRECISION
    assert ((mask != 0) == expected)[~undecided].all()
    assert not mask[classes[labels] == 0].any()
