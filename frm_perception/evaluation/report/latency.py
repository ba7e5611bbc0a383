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
"""How long frames took: a histogram with its percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frm_perception.evaluation.report.columns import Floats
from frm_perception.evaluation.report.drawing import Scale
from frm_perception.evaluation.report.drawing import marks
from frm_perception.evaluation.report.drawing import nice_step
from frm_perception.evaluation.report.wording import milliseconds

_WIDTH, _HEIGHT = 1000, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 12, 64, 186
_BARS = 80
_BEYOND = 1.5
"""What takes longer than so many times the 99th percentile goes into the last bar."""


@dataclass(frozen=True)
class Histogram:
    """
    A picture of a distribution; places are units of its ``viewBox``.

    :param bars: path of all bars.
    :param lines: (name with value, place, row of its text) of the percentiles.
    :param marks: (place, text) of the scale of milliseconds.
    :param base: where the bars stand.
    :param beyond: how many frames are in the last bar because they took longer than it says.
    """

    bars: str
    lines: Sequence[tuple[str, float, int]]
    marks: Sequence[tuple[float, str]]
    beyond: int
    base: float = _BOTTOM
    width: float = _WIDTH
    height: float = _HEIGHT


def histogram(values: Floats, percentiles: Mapping[str, float]) -> Histogram:
    """
    Lay out a histogram.

    :param values: (N,) float64 milliseconds, N at least 1.
    :param percentiles: by name, such as p50, in milliseconds.
    """
    least = float(values.min())
    end = min(float(values.max()), _BEYOND * float(np.percentile(values, 99)))
    if end <= least:
        least, end = max(least - 1.0, 0.0), least + 1.0
    x = Scale(least, end, _LEFT, _WIDTH - _RIGHT)
    counts, edges = np.histogram(np.minimum(values, end), _BARS, (least, end))
    y = Scale(0.0, float(counts.max()), _BOTTOM, _TOP)
    bars = ''.join(
        f'M{x(left):g} {_BOTTOM}V{y(number):g}H{x(right):g}V{_BOTTOM}Z'
        for number, left, right in zip(counts, edges, edges[1:]) if number)
    lines = [(f'{name} {milliseconds(value)} ms', x(min(value, end)), row)
             for row, (name, value) in enumerate(percentiles.items())]
    step = nice_step(end - least, 10)
    return Histogram(bars, lines, [(x(value), f'{value:g}') for value in marks(
        least, end, step)], int(np.count_nonzero(values > end)))
