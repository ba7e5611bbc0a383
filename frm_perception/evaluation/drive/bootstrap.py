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
"""
How sure a difference of two runs is: the bootstrap over the segments of a drive.

Frames that follow each other resemble each other, so that frames drawn one by one would claim far
too much. Whole segments are drawn instead, with replacement and for both runs alike, and every
figure is computed again from what was counted in the segments drawn (Efron and Tibshirani, *An
Introduction to the Bootstrap*, 1993, chapter 13: percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""How many drives are made up of segments drawn."""

SEED = 0
LEVEL = 0.95
"""The share of the resamples that lies within an interval."""

LEAST_SEGMENTS = 10
"""With fewer of them an interval would be far too narrow, so there is none."""

_BLOCK = 100

Floats = NDArray[np.float64]

Statistic = Callable[[Floats], Floats]
"""
A figure of a run: from (R, S) float64, how often each of S segments counts, to (R,) float64; NaN
where nothing of what it measures was counted.
"""


@dataclass(frozen=True)
class Difference:
    """
    A figure of two runs.

    :param a: of the first run, None where nothing of it was seen; ``b`` of the second.
    :param difference: ``b - a``; None where either is.
    :param low: where the 95 % interval of the difference begins, and ``high`` where it ends; None
        where fewer than :data:`LEAST_SEGMENTS` segments have the figure, or no difference.
    """

    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval tells that the runs differ."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def compare_statistic(a: Statistic, b: Statistic, segments: int) -> Difference:
    """
    Compare a figure of two runs over the same segments.

    :param segments: how many there are, in the same order in both.
    """
    once = np.ones((1, segments))
    first, second = float(a(once)[0]), float(b(once)[0])
    difference = _known(second - first)
    low = high = None
    if difference is not None and _telling(a, b, segments) >= LEAST_SEGMENTS:
        differences = np.concatenate([b(drawn) - a(drawn) for drawn in resamples(segments)])
        # A resample may lack what the figure is about, such as a rare class: it says nothing.
        tail = 50 * (1 - LEVEL)
        bounds = np.nanpercentile(differences, (tail, 100 - tail))
        low, high = float(bounds[0]), float(bounds[1])
    return Difference(_known(first), _known(second), difference, low, high)


def _telling(a: Statistic, b: Statistic, segments: int) -> int:
    """Return how many segments have the figure, in both runs."""
    count = 0
    for start in range(0, segments, _BLOCK):
        alone = np.eye(min(_BLOCK, segments - start), segments, start)
        count += np.count_nonzero(~np.isnan(b(alone) - a(alone)))
    return count


def resamples(segments: int) -> Iterator[Floats]:
    """Yield (R, S) float64 arrays, :data:`RESAMPLES` rows in all: how often each is drawn."""
    generator = np.random.default_rng(SEED)
    for start in range(0, RESAMPLES, _BLOCK):
        rows = min(_BLOCK, RESAMPLES - start)
        drawn = generator.integers(segments, size=(rows, segments))
        cells = drawn + segments * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * segments)
        yield counts.reshape(rows, segments).astype(np.float64)


def of_sums(sums: NDArray[np.int64] | Floats, figure: Callable[[Floats], Floats]) -> Statistic:
    """
    Return a figure of what was summed over the frames of each segment.

    :param sums: (S, ...) what was counted.
    :param figure: from (R, ...) sums over a whole drive to (R,) values.
    """
    flat = sums.reshape(len(sums), -1).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        return figure((weights @ flat).reshape(len(weights), *sums.shape[1:]))

    return statistic


def of_quantile(values: Floats, segment: NDArray[np.int64], share: float) -> Statistic:
    """
    Return a quantile over frames: the least value that so many of them do not exceed.

    :param values: (N,) float64, one a frame.
    :param segment: (N,) the number of the segment that each frame belongs to.
    :param share: of the frames, 0..1.
    """
    order = np.argsort(values, kind='stable')
    ascending, owner = values[order], segment[order]

    def statistic(weights: Floats) -> Floats:
        result = np.full(len(weights), np.nan)
        for row, weight in enumerate(weights):
            reached = np.cumsum(weight[owner])
            if len(reached) and reached[-1] > 0:
                result[row] = ascending[np.searchsorted(reached, share * reached[-1])]
        return result

    return statistic


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
