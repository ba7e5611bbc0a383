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
The kernels in NumPy and OpenCV, for computers without numba.

Only a fraction of the pixels is interpolated for labels: where the four cells around a pixel have
the same winner, that class wins at every mixture of the four; elsewhere a class that stays below
another one's smallest corner cannot win, which leaves two or three classes to interpolate. Both
hold in single precision as well: a product with a weight and a sum of two such products never
falls where one of the numbers rises.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.runtime.kernels.contract import AMBIGUITY
from frm_perception.runtime.kernels.contract import U8
from frm_perception.runtime.kernels.contract import Foot
from frm_perception.runtime.kernels.sampling import Axis
from frm_perception.runtime.kernels.sampling import Float
from frm_perception.runtime.kernels.sampling import Int
from frm_perception.runtime.kernels.sampling import Sampling

_CHUNK_PIXELS = 1 << 16
"""Pixels interpolated at a time: a few arrays of so many floats stay in the processor's cache."""


class ArrayKernels:
    """See :class:`.contract.Kernels`."""

    name = f'numpy {np.__version__}'

    def labels(self, logits: Float, sampling: Sampling) -> U8:
        """See :meth:`.contract.Kernels.labels`."""
        rows, columns = sampling.rows, sampling.columns
        logits = logits[:, :rows.cells, :columns.cells]
        cells, close = _winners(logits)
        winners = np.pad(cells, 1, 'edge')
        agreed = winners[:-1, :-1].copy()
        for corner in (winners[:-1, 1:], winners[1:, :-1], winners[1:, 1:]):
            agreed[agreed != corner] = IGNORE
        labels = agreed.take(columns.interval, axis=1).take(rows.interval, axis=0)
        undecided = ((agreed == IGNORE) & (rows.end > rows.start)[:, None]
                     & (columns.end > columns.start))
        y, x = np.nonzero(undecided)
        if y.size:
            _Undecided(sampling).decide(logits, close, y, x, labels)
        return labels

    def confidence(self, logits: Float, sampling: Sampling) -> U8:
        """See :meth:`.contract.Kernels.confidence`; every class is computed at every pixel."""
        rows, columns = sampling.rows, sampling.columns
        logits = logits[:, :rows.cells, :columns.cells]
        (top, bottom), (left, right) = (
            axis.corners(axis.interval) for axis in (rows, columns))
        confidence = np.empty((rows.size, columns.size), np.uint8)
        step = max(_CHUNK_PIXELS // columns.size, 1)
        for start in range(0, rows.size, step):
            part = slice(start, start + step)
            narrow = (logits[:, top[part]] * rows.low[part, None]
                      + logits[:, bottom[part]] * rows.high[part, None])
            values = narrow[:, :, left] * columns.low + narrow[:, :, right] * columns.high
            values -= values.max(axis=0)
            # The largest of the exponentials is e^0 = 1.
            confidence[part] = np.rint(255 / np.exp(values, out=values).sum(axis=0))
        return confidence

    def confident(self, logits: Float, sampling: Sampling, labels: U8, classes: U8,
                  least: int) -> U8:
        """See :meth:`.contract.Kernels.confident`."""
        enough = self.confidence(logits, sampling) >= least
        return np.where(enough & (classes[labels] != 0), np.uint8(255), np.uint8(0))

    def settle(self, mask: U8, state: U8, streak: U8, appear: int, vanish: int) -> None:
        """See :meth:`.contract.Kernels.settle`."""
        streak += 1
        streak[mask == state] = 0
        lasted = streak >= np.where(state, np.uint8(vanish), np.uint8(appear))
        np.copyto(state, mask, where=lasted)
        streak[lasted] = 0

    def remove_areas(self, mask: U8, least: int, foot: Foot | None) -> None:
        """See :meth:`.contract.Kernels.remove_areas`."""
        _, areas, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        stays = figures[:, cv2.CC_STAT_AREA] >= least
        if foot is not None:
            reaching = np.zeros_like(stays)
            reaching[areas[foot.top:, foot.left:foot.right]] = True
            stays &= reaching
        mask[~stays[areas]] = 0


def _winners(logits: Float) -> tuple[U8, np.float32]:
    """
    Return (h, w) uint8 of the largest class, IGNORE where the second is too close, and that bound.

    :param logits: (C, h, w).
    """
    best = logits[0].copy()
    second = np.full_like(best, -np.inf)
    winner = np.zeros(best.shape, np.uint8)
    for index in range(1, logits.shape[0]):
        value = logits[index]
        np.maximum(second, np.minimum(best, value), out=second)
        winner[value > best] = index
        np.maximum(best, value, out=best)
    close = max(logits.max(), -logits.min()) * np.float32(AMBIGUITY)
    winner[best - second <= close] = IGNORE
    return winner, close


class _Undecided:
    """Interpolates the pixels within quads of cells, most of the same kind at a time."""

    def __init__(self, sampling: Sampling) -> None:
        self._rows, self._columns = sampling.rows, sampling.columns
        self._pixels = tuple(_pixels(axis) for axis in (sampling.rows, sampling.columns))

    def decide(self, logits: Float, close: np.float32, y: Int, x: Int, labels: U8) -> None:
        """
        Write the labels of the pixels within the quads of cells (y, x).

        :param close: how close rounding can bring two classes between cells.
        """
        values = self._corner_values(logits, y, x)
        possible = values.max(axis=0) >= values.min(axis=0).max(axis=0) - close
        counts = np.count_nonzero(possible, axis=0)
        # Most candidates first: those who have a k-th candidate are then the first so many.
        order = np.argsort(-counts, kind='stable')
        values, possible, counts = values[:, :, order], possible[:, order], counts[order]
        y, x = y[order], x[order]
        # Ascending within a quad: of equal values the lowest class wins, as np.argmax has it.
        candidates = np.nonzero(possible.T)[1]
        offsets = np.cumsum(counts) - counts
        step = max(_CHUNK_PIXELS // (self._rows.reach * self._columns.reach), 1)
        for start in range(0, y.size, step):
            part = slice(start, start + step)
            self._decide_chunk(values[:, :, part], candidates, offsets[part], counts[part],
                               y[part], x[part], labels)

    def _corner_values(self, logits: Float, y: Int, x: Int) -> Float:
        """Return (4, C, n) logits at the corners: top left, top right, bottom left and right."""
        flat = logits.reshape(logits.shape[0], -1)
        width = logits.shape[2]
        (top, bottom), (left, right) = self._rows.corners(y), self._columns.corners(x)
        return np.stack([flat.take(row * width + column, axis=1)
                         for row in (top, bottom) for column in (left, right)])

    def _decide_chunk(self, values: Float, candidates: Int, offsets: Int, counts: Int, y: Int,
                      x: Int, labels: U8) -> None:
        rows, columns = self._pixels[0][y][:, :, None], self._pixels[1][x][:, None, :]
        up, down = self._rows.low[rows], self._rows.high[rows]
        left, right = self._columns.low[columns], self._columns.high[columns]
        quads = np.arange(y.size)
        best = np.full((y.size, rows.shape[1], columns.shape[2]), -np.inf, np.float32)
        winner = np.empty(best.shape, np.uint8)
        for rank in range(int(counts[0])):
            some = int(np.searchsorted(-counts, -rank, 'left'))
            rival = candidates[offsets[:some] + rank]
            corner = values[:, rival, quads[:some]][:, :, None, None]
            above = corner[0] * left[:some] + corner[1] * right[:some]
            below = corner[2] * left[:some] + corner[3] * right[:some]
            value = above * up[:some] + below * down[:some]
            np.copyto(winner[:some], rival.astype(np.uint8)[:, None, None],
                      where=value > best[:some])
            np.maximum(best[:some], value, out=best[:some])
        labels[rows, columns] = winner


def _pixels(axis: Axis) -> NDArray[np.intp]:
    """
    Return (cells + 1, reach) output pixels of every interval.

    A shorter interval repeats its last pixel, so that all have the same length.
    """
    last = np.maximum(axis.end - 1, 0)
    return np.minimum(axis.start[:, None] + np.arange(axis.reach), last[:, None])
