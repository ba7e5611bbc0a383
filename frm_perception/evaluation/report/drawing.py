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
"""Where things lie in the pictures of a report: scales, their marks, and paths of SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.report.columns import Columns
from frm_perception.evaluation.report.columns import Floats
from frm_perception.evaluation.report.columns import Summary

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Seconds between two marks of time; fractions and hours are 1, 2 or 5 times a power of ten."""

_NOTHING = 1e-9
"""What is smaller is no extent."""


@dataclass(frozen=True)
class Scale:
    """
    Leads values from ``low`` to ``high`` to places from ``start`` to ``end``.

    Where ``low`` and ``high`` are the same, all lie in the middle.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, to a tenth of a unit."""
        return float(self.places(np.array([value]))[0])

    def places(self, values: Floats) -> Floats:
        """Return the places of values, to a tenth of a unit."""
        span = self.high - self.low
        shares = (values - self.low) / span if span > 0 else np.full(values.shape, 0.5)
        return np.round(self.start + shares * (self.end - self.start), 1)


def line_path(columns: Columns, values: Floats, x: Scale, y: Scale) -> str:
    """Return the path of a line through the columns; one that stands alone is a dot."""
    parts = []
    for run in _runs(columns, values):
        places = _places(columns, values, run, x, y)
        parts.append('M' + 'L'.join(places) + ('h0' if len(places) == 1 else ''))
    return ''.join(parts)


def band_path(columns: Columns, summary: Summary, x: Scale, y: Scale) -> str:
    """Return the path around all between least and most; empty where they are the same."""
    if np.array_equal(summary.low, summary.high, equal_nan=True):
        return ''
    parts = []
    for run in _runs(columns, summary.mean):
        above = _places(columns, summary.high, run, x, y)
        below = _places(columns, summary.low, run, x, y)
        parts.append('M' + 'L'.join([*above, *reversed(below)]) + 'Z')
    return ''.join(parts)


def nice_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that at most so many steps go into a span."""
    if span <= _NOTHING:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * power for factor in (1, 2, 5, 10, 20)
                if span / (factor * power) <= most)


def time_step(span: float, most: int) -> float:
    """Return how many seconds lie between two marks, so that at most so many steps fit."""
    step = nice_step(span, most)
    if step < 1:
        return step
    fitting = (seconds for seconds in _TIME_STEPS if span / seconds <= most)
    return next(fitting, 3600 * nice_step(span / 3600, most))


def marks(low: float, high: float, step: float) -> list[float]:
    """Return the multiples of a step from low to high, both included."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def share_range(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """Return ends for shares, 0..1, in tenths: a fifth at least, so that noise stays small."""
    low, high = math.floor(10 * min(lows) + 1e-9), math.ceil(10 * max(highs) - 1e-9)
    low, high = max(min(low, 8), 0), min(max(high, 2), 10)
    return (min(low, high - 2) / 10, max(high, low + 2) / 10)


def up_to(high: float) -> float:
    """Return a round number that is not less, as the end of a scale that begins at 0."""
    if high <= _NOTHING:
        return 1.0
    step = nice_step(high, 4)
    return math.ceil(high / step - 1e-9) * step


def _runs(columns: Columns, values: Floats) -> Iterator[NDArray[np.int64]]:
    """Yield positions of columns that a line connects."""
    known = np.flatnonzero(~np.isnan(values))
    if known.size:
        cuts = columns.breaks[known[1:]] | (np.diff(known) > 1)
        yield from np.split(known, np.flatnonzero(cuts) + 1)


def _places(columns: Columns, values: Floats, run: NDArray[np.int64], x: Scale, y: Scale
            ) -> list[str]:
    return [f'{across:g} {down:g}' for across, down in zip(
        x.places(columns.seconds[run]), y.places(values[run]))]
