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
"""Frames gathered into the columns of a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.report.columns import Columns

TIMES = st.lists(st.floats(0, 1e5), min_size=1, max_size=200).map(sorted).map(np.array)


@given(TIMES, st.integers(1, 50))
def test_no_frame_is_lost_and_no_extreme(seconds: np.ndarray, most: int) -> None:
    values = np.random.default_rng(len(seconds)).normal(size=len(seconds))
    values[::7] = np.nan
    columns = Columns.of(seconds, most)
    found = columns.summary(values)
    assert len(columns.seconds) <= most
    assert columns.count.sum() == len(seconds)
    assert (np.diff(columns.seconds) >= 0).all()
    known = ~np.isnan(found.mean)
    assert known.any() == (~np.isnan(values)).any()
    assert (found.low[known] <= found.mean[known]).all()
    assert (found.mean[known] <= found.high[known]).all()
    if known.any():
        assert found.low[known].min() == np.nanmin(values)
        assert found.high[known].max() == np.nanmax(values)


@given(TIMES)
def test_few_frames_have_a_column_each(seconds: np.ndarray) -> None:
    columns = Columns.of(seconds, len(seconds))
    values = np.arange(len(seconds), dtype=float)
    np.testing.assert_array_equal(columns.summary(values).mean, values)
    np.testing.assert_array_equal(columns.count, 1)


def test_frames_are_in_the_column_of_their_time() -> None:
    columns = Columns.of(np.array([0.0, 0.1, 0.2, 5.0, 9.9, 10.0]), 5)
    np.testing.assert_array_equal(columns.first, [0, 3, 4])
    np.testing.assert_array_equal(columns.count, [3, 1, 2])
    np.testing.assert_allclose(columns.seconds, [0.1, 5.0, 9.95])


def test_a_gap_of_the_drive_breaks_the_line() -> None:
    columns = Columns.of(np.array([0.0, 0.1, 0.2, 0.3, 4.0, 4.1]), 10)
    assert columns.breaks.tolist() == [True, False, False, False, True, False]


@pytest.mark.parametrize('seconds', [[3.0], [3.0, 3.0, 3.0]])
def test_frames_of_one_moment_are_columns_too(seconds: list[float]) -> None:
    assert Columns.of(np.array(seconds), 2).count.sum() == len(seconds)
