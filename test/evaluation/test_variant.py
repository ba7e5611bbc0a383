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
"""What is timed and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frm_perception.evaluation.variant import agreement
from frm_perception.evaluation.variant import variants
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError

SHIPPED = Path(__file__).resolve().parents[2] / 'models' / 'frm-light-mobilenetv2'
SIZE = (64, 96)


@pytest.fixture(scope='module')
def bundle() -> Bundle:
    return Bundle.load(SHIPPED)


def test_every_combination_that_can_be_is_a_variant(bundle: Bundle) -> None:
    chosen = variants(bundle, ['cpu', 'openvino'], ['fp32'], [SIZE, (128, 128)], 1)
    assert [(variant.provider, variant.size) for variant in chosen] == [
        ('cpu', SIZE), ('openvino', SIZE), ('cpu', (128, 128)), ('openvino', (128, 128))]


def test_a_combination_that_no_engine_computes_is_none(bundle: Bundle) -> None:
    assert [(variant.provider, variant.precision)
            for variant in variants(bundle, ['cpu', 'openvino'], ['int8', 'bf16'], [SIZE], 1)
            ] == [('cpu', 'int8'), ('openvino', 'bf16')]
    with pytest.raises(ValueError, match='none of the engines computes'):
        variants(bundle, ['openvino'], ['int8'], [SIZE], 1)


def test_a_precision_that_the_bundle_lacks_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no precision 'fp8'"):
        variants(bundle, ['cpu'], ['fp8'], [SIZE], 1)


def test_agreement_is_the_share_of_equal_labels() -> None:
    expected = [np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)]
    got = [np.array([[0, 0], [0, 1]], np.uint8), np.ones((2, 2), np.uint8)]
    assert agreement(got, expected) == 0.875
