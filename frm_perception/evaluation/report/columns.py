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
"""Time lines of a drive: figures of frames, gathered into as many columns as a picture shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_GAP = 5.0
"""So many times the usual distance between two columns, nothing is drawn between them."""


@dataclass(frozen=True)
class Columns:
    """
    The frames of a camera by columns of a picture, C of them, none empty.

    Where there are no more frames than columns, each frame has one of its own. Else the time is
    cut into columns of equal width.

    :param owner: (N,) the column of each frame.
    :param seconds: (C,) the mean time of a column's frames.
    :param first: (C,) the position of the first frame of a column among all; ``count``: (C,) how
        many there are in it.
    :param breaks: (C,) bool, whether so much time lies before a column that no line leads to it.
    """

    owner: Integers
    seconds: Floats
    first: Integers
    count: Integers
    breaks: NDArray[np.bool_]

    @classmethod
    def of(cls, seconds: Floats, most: int) -> Columns:
        """
        Gather frames.

        :param seconds: (N,) float64 times of the frames, ascending; N at least 1.
        :param most: of columns.
        """
        if len(seconds) <= most:
            cells = np.arange(len(seconds))
        else:
            span = float(seconds[-1] - seconds[0]) or 1.0
            cells = np.minimum((seconds - seconds[0]) / span * most, most - 1).astype(np.int64)
        _, first, owner, count = np.unique(
            cells, return_index=True, return_inverse=True, return_counts=True)
        middle = np.bincount(owner, seconds) / count
        steps = np.diff(middle)
        usual = float(np.median(steps)) if len(steps) else 0.0
        breaks = np.concatenate([[True], steps > _GAP * usual]) if usual else (
            np.arange(len(middle)) == 0)
        return cls(owner, middle, first, count, breaks)

    def summary(self, values: Floats) -> Summary:
        """
        Return least, mean and most of a figure by columns.

        :param values: (N,) float64, NaN for frames without the figure.
        """
        known = ~np.isnan(values)
        owner, number = self.owner[known], len(self.seconds)
        counts = np.bincount(owner, minlength=number)
        total = np.bincount(owner, values[known], minlength=number)
        mean = np.divide(total, counts, out=np.full(number, np.nan), where=counts > 0)
        low, high = np.full(number, np.inf), np.full(number, -np.inf)
        np.minimum.at(low, owner, values[known])
        np.maximum.at(high, owner, values[known])
        empty = counts == 0
        low[empty] = high[empty] = np.nan
        # A mean may be rounded past values that are all alike.
        return Summary(low, np.clip(mean, low, high), high)


@dataclass(frozen=True)
class Summary:
    """A figure by columns; all (C,) float64, NaN where no frame of a column has it."""

    low: Floats
    mean: Floats
    high: Floats
