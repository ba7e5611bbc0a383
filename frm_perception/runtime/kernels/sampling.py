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
Where every output pixel lies among the network's cells.

Cells have one vector of logits each. Output pixels are sampled bilinearly with half-pixel centres
and clamped at the border of the cells that show the image, as an image resize does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.intp]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Axis:
    """
    How one axis of the output samples the cells, as intervals between neighbouring cells.

    Interval ``k`` lies between cells ``k - 1`` and ``k``, the outermost cells repeated.

    :param cells: how many cells of this axis belong to the image.
    :param start: (cells + 1,) the first output pixel of every interval.
    :param end: (cells + 1,) one past its last pixel; an interval may have none.
    :param interval: (size,) the interval each output pixel lies in.
    :param low: (size,) float32 weight of the lower cell at each output pixel.
    :param high: (size,) float32 weight of the higher cell.
    """

    cells: int
    start: Int
    end: Int
    interval: Int
    low: Float
    high: Float

    @classmethod
    def build(cls, content: int, stride: int, size: int) -> Axis:
        """
        Return how ``size`` output pixels sample ``content`` network pixels.

        :param stride: network pixels per cell.
        """
        cells = content // stride
        position = (np.arange(size) + 0.5) * (content / size) / stride - 0.5
        interval = np.floor(position).astype(np.intp) + 1
        high = (position - np.floor(position)).astype(np.float32)
        numbers = np.arange(cells + 1)
        return cls(cells, np.searchsorted(interval, numbers, 'left'),
                   np.searchsorted(interval, numbers, 'right'), interval,
                   np.float32(1) - high, high)

    @property
    def size(self) -> int:
        """Output pixels."""
        return int(self.interval.size)

    @property
    def reach(self) -> int:
        """Pixels of the longest interval."""
        return int((self.end - self.start).max())

    def corners(self, interval: Int) -> tuple[Int, Int]:
        """Return the lower and the higher cell of each of those intervals."""
        return np.maximum(interval - 1, 0), np.minimum(interval, self.cells - 1)


@dataclass(frozen=True)
class Sampling:
    """Both axes; made once for a geometry."""

    rows: Axis
    columns: Axis


@lru_cache(maxsize=32)
def sampling(content: tuple[int, int], stride: int, size: tuple[int, int]) -> Sampling:
    """
    Return how an output of ``size`` samples the cells; sizes are (height, width).

    :param content: network pixels that show what the output shows, from the top left; whole
        cells.
    :param stride: network pixels per cell.
    """
    return Sampling(Axis.build(content[0], stride, size[0]),
                    Axis.build(content[1], stride, size[1]))
