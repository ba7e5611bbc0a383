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
"""Where things lie in the pictures of a report."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.report.columns import Columns
from frm_perception.evaluation.report.columns import Summary
from frm_perception.evaluation.report.drawing import Scale
from frm_perception.evaluation.report.drawing import band_path
from frm_perception.evaluation.report.drawing import line_path
from frm_perception.evaluation.report.drawing import marks
from frm_perception.evaluation.report.drawing import nice_step
from frm_perception.evaluation.report.drawing import share_range
from frm_perception.evaluation.report.drawing import time_step
from frm_perception.evaluation.report.drawing import up_to

SPANS = st.floats(1e-6, 1e8)
X, Y = Scale(0, 10, 0, 100), Scale(0, 1, 50, 0)


def test_a_line_goes_through_its_columns_and_breaks_where_nothing_is_known() -> None:
    columns = Columns.of(np.arange(5.0), 10)
    path = line_path(columns, np.array([0.0, 1.0, np.nan, 0.5, np.nan]), X, Y)
    assert path == 'M0 50L10 0M30 25h0'


def test_a_band_goes_there_above_and_back_below() -> None:
    columns = Columns.of(np.arange(2.0), 10)
    summary = Summary(np.array([0.0, 0.2]), np.array([0.5, 0.5]), np.array([1.0, 0.8]))
    assert band_path(columns, summary, X, Y) == 'M0 0L10 10L10 40L0 50Z'
    assert band_path(columns, Summary(*3 * [summary.mean]), X, Y) == ''


@given(st.lists(st.floats(0, 1) | st.just(float('nan')), min_size=1, max_size=50))
def test_no_path_names_anything_but_places(values: list[float]) -> None:
    columns = Columns.of(np.arange(len(values), dtype=float), 20)
    summary = columns.summary(np.array(values))
    for path in (line_path(columns, summary.mean, X, Y), band_path(columns, summary, X, Y)):
        assert re.fullmatch(r'[MLZh0-9. -]*', path)


def test_what_has_no_extent_lies_in_the_middle() -> None:
    assert Scale(3, 3, 0, 10)(3) == 5


@given(SPANS, st.integers(2, 12))
def test_steps_are_round_and_not_too_many(span: float, most: int) -> None:
    for step in (nice_step(span, most), time_step(span, most)):
        assert 0 < step
        assert span / step <= most * (1 + 1e-9)
        assert len(marks(0, span, step)) <= most + 1


def test_marks_of_time_are_whole_minutes_where_they_can_be() -> None:
    assert [time_step(span, 10) for span in (0.5, 8, 40, 400, 4000, 40_000)] == [
        0.05, 1, 5, 60, 600, 7200]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted), min_size=1))
def test_the_scale_of_shares_holds_all_of_them(pairs: list[list[float]]) -> None:
    low, high = share_range([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    assert 0 <= low <= min(pair[0] for pair in pairs) + 1e-9
    assert max(pair[1] for pair in pairs) - 1e-9 <= high <= 1
    assert high - low >= 0.2 - 1e-9


@given(st.floats(0, 1e9))
def test_a_scale_from_nothing_ends_at_a_round_number_above(high: float) -> None:
    end = up_to(high)
    assert end >= high * (1 - 1e-8) and end > 0
    assert high <= 1e-9 or end <= 2 * high


@pytest.mark.parametrize(('span', 'expected'), [(0.0, [0.0]), (2.0, [0.0, 0.5, 1.0, 1.5, 2.0])])
def test_marks_include_both_ends(span: float, expected: list[float]) -> None:
    assert marks(0.0, span, 0.5) == expected
