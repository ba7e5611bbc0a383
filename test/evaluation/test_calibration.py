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
"""The expected calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.calibration import Calibration


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_the_error_is_that_of_its_definition(pixels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    confidence = random.integers(1, 256, pixels).astype(np.uint8)
    right = random.random(pixels) < 0.7
    calibration = Calibration()
    half = pixels // 2
    calibration.update(right[:half], confidence[:half])
    calibration.update(right[half:], confidence[half:])
    expected = 0.0
    for index, row in enumerate(calibration.bins()):
        # Whole numbers: whether 51 / 255 is more than 3 / 15 must not hang on rounding.
        members = (confidence > index * 17) & (confidence <= (index + 1) * 17)
        assert row['pixels'] == members.sum() and row['up_to'] == (index + 1) / 15
        if members.any():
            claimed, share = confidence[members].mean() / 255, right[members].mean()
            assert row['confidence'] == pytest.approx(claimed)
            assert row['accuracy'] == pytest.approx(share)
            expected += members.sum() / pixels * abs(claimed - share)
    assert calibration.error() == pytest.approx(expected)


def test_a_confidence_of_nothing_is_in_the_first_bin() -> None:
    calibration = Calibration()
    calibration.update(np.array([True]), np.zeros(1, np.uint8))
    assert calibration.bins()[0]['pixels'] == 1 and calibration.error() == 1


def test_without_pixels_there_is_no_error() -> None:
    calibration = Calibration()
    assert np.isnan(calibration.error())
    assert all(row['pixels'] == 0 and np.isnan(row['accuracy']) for row in calibration.bins())


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match='cannot be compared'):
        Calibration().update(np.zeros(2, bool), np.zeros(3, np.uint8))
