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
"""How sure a difference is: the bootstrap over segments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from frm_perception.evaluation.drive.bootstrap import RESAMPLES
from frm_perception.evaluation.drive.bootstrap import compare_statistic
from frm_perception.evaluation.drive.bootstrap import of_quantile
from frm_perception.evaluation.drive.bootstrap import of_sums
from frm_perception.evaluation.drive.bootstrap import resamples

COUNTS = arrays.arrays(np.int64, st.tuples(st.integers(1, 12), st.just(2)),
                       elements=st.integers(0, 10**9))


def mean(sums: np.ndarray) -> np.ndarray:
    """Return (R,) quotients of (R, 2) sums."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan),
                     where=sums[:, 1] > 0)


def of_means(values: np.ndarray) -> np.ndarray:
    """Return (S, 2) sums of segments whose frames have these (S, F) values."""
    return np.stack([values.sum(axis=1), np.full(len(values), values.shape[1])], axis=1)


@given(COUNTS)
def test_a_run_does_not_differ_from_itself(counts: np.ndarray) -> None:
    found = compare_statistic(of_sums(counts, mean), of_sums(counts.copy(), mean), len(counts))
    assert found.difference in (0.0, None)
    assert (found.low, found.high) in ((0.0, 0.0), (None, None))
    assert not found.excludes_zero


@given(COUNTS)
def test_the_figure_itself_is_of_all_segments_once(counts: np.ndarray) -> None:
    found = compare_statistic(of_sums(counts, mean), of_sums(counts, mean), len(counts))
    total = counts.sum(axis=0)
    assert found.a == (total[0] / total[1] if total[1] else None)


def test_every_resample_draws_as_many_segments_as_there_are() -> None:
    drawn = np.concatenate(list(resamples(7)))
    assert drawn.shape == (RESAMPLES, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.1)


def test_the_same_segments_are_drawn_every_time() -> None:
    for first, second in zip(resamples(9), resamples(9), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        # Segments differ from each other, and both runs see the same ones.
        place = random.normal(0, 1, (40, 1))
        a, b = (of_means(place + shift + random.normal(0, 1, (40, 5))) for shift in (0.0, 0.3))
        found = compare_statistic(of_sums(a, mean), of_sums(b, mean), 40)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.3 <= found.high
    assert covered >= 51  # a right method falls below that once in thousands of such tests


def test_segments_that_differ_a_lot_make_the_interval_wide() -> None:
    random = np.random.default_rng(1)
    same = random.normal(0, 1, (30, 20))
    widths = []
    for spread in (0.0, 5.0):
        other = same + 0.1 + spread * random.normal(0, 1, (30, 1))
        found = compare_statistic(of_sums(of_means(same), mean),
                                  of_sums(of_means(other), mean), 30)
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] < 1e-9 < widths[1]


@pytest.mark.parametrize(('segments', 'silent', 'known'), [
    (1, 0, False), (9, 0, False), (10, 0, True), (10, 1, False), (300, 291, False),
    (300, 290, True)])
def test_few_segments_that_have_the_figure_tell_nothing_of_chance(
        segments: int, silent: int, known: bool) -> None:
    counts = np.array([[0, 0]] * silent + [[3, 4]] * (segments - silent))
    found = compare_statistic(
        of_sums(counts, mean), of_sums(counts * [[1, 2]], mean), segments)
    assert found.difference == -0.375
    assert (found.low is not None, found.excludes_zero) == (known, known)


def test_what_was_never_seen_has_no_difference() -> None:
    seen, unseen = np.array([[3, 4], [1, 2]]), np.zeros((2, 2), np.int64)
    found = compare_statistic(of_sums(unseen, mean), of_sums(seen, mean), 2)
    assert (found.a, found.b, found.difference, found.low) == (None, 4 / 6, None, None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_the_least_value_that_so_many_frames_do_not_exceed(
        values: list[float], share: float) -> None:
    found, = of_quantile(np.array(values), np.zeros(len(values), np.int64), share)(
        np.ones((1, 1)))
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_a_quantile_counts_a_segment_as_often_as_it_is_drawn() -> None:
    of_two = of_quantile(np.array([1.0, 2.0, 10.0]), np.array([0, 0, 1]), 0.5)
    np.testing.assert_array_equal(
        of_two(np.array([[1.0, 1.0], [0.0, 2.0], [1.0, 3.0], [0.0, 0.0]])),
        [2.0, 10.0, 10.0, np.nan])
