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
From logits at a fraction of the network's size to labels at any output size, exactly.

The result is that of sampling the logits bilinearly at every output pixel (half-pixel centres,
clamped at the border of the image's own cells) and taking the class with the largest value.
Only a fraction of that is computed: where the four cells around a pixel have the same winner,
that class wins at every mixture of the four; elsewhere a class that stays below another one's
smallest corner cannot win, which leaves two or three classes to interpolate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.runtime.geometry import Letterbox

Int = NDArray[np.intp]
Float = NDArray[np.float32]

_CHUNK_PIXELS = 1 << 16
"""Pixels interpolated at a time: a few arrays of so many floats stay in the processor's cache."""


@dataclass(frozen=True)
class _Axis:
    """
    How one axis of the output samples the cells, as intervals between neighbouring cells.

    Interval ``k`` lies between cells ``k - 1`` and ``k``, the outermost cells repeated.

    :param cells: how many cells of this axis belong to the image.
    :param interval: (size,) the interval each output pixel lies in.
    :param weight: (size,) float32 weight of the higher cell at each output pixel.
    :param pixels: (cells + 1, reach) output pixels of every interval; a shorter interval repeats
        its last pixel, so that all have the same length.
    :param weights: (cells + 1, reach) float32 weight of the higher cell at those pixels.
    :param used: (cells + 1,) whether the interval has any pixel.
    """

    cells: int
    interval: Int
    weight: Float
    pixels: Int
    weights: Float
    used: NDArray[np.bool_]

    @classmethod
    def build(cls, content: int, stride: int, size: int) -> _Axis:
        cells = content // stride
        position = (np.arange(size) + 0.5) * (content / size) / stride - 0.5
        interval = np.floor(position).astype(np.intp) + 1
        weight = (position - np.floor(position)).astype(np.float32)
        first = np.searchsorted(interval, np.arange(cells + 1), 'left')
        end = np.searchsorted(interval, np.arange(cells + 1), 'right')
        reach = int((end - first).max())
        pixels = np.minimum(first[:, None] + np.arange(reach), np.maximum(end - 1, 0)[:, None])
        return cls(cells, interval, weight, pixels, weight[pixels], end > first)

    def corners(self, interval: Int) -> tuple[Int, Int]:
        """Return the lower and the higher cell of each of those intervals."""
        return np.maximum(interval - 1, 0), np.minimum(interval, self.cells - 1)


@dataclass(frozen=True)
class Upsampling:
    """Where each output pixel lies among the logits' cells; made once for a geometry."""

    rows: _Axis
    columns: _Axis

    def labels(self, logits: Float) -> NDArray[np.uint8]:
        """
        Return the (H, W) uint8 labels of one image.

        :param logits: (C, h, w) finite float32 of the whole network input; cells of the border
            are not looked at.
        """
        rows, columns = self.rows, self.columns
        logits = logits[:, :rows.cells, :columns.cells]
        winners = np.pad(_argmax(logits), 1, 'edge')
        agreed = winners[:-1, :-1].copy()
        for corner in (winners[:-1, 1:], winners[1:, :-1], winners[1:, 1:]):
            agreed[agreed != corner] = IGNORE
        labels = agreed.take(columns.interval, axis=1).take(rows.interval, axis=0)
        undecided = (agreed == IGNORE) & rows.used[:, None] & columns.used
        y, x = np.nonzero(undecided)
        if y.size:
            self._decide(logits, y, x, labels)
        return labels

    def confidence(self, logits: Float) -> NDArray[np.uint8]:
        """
        Return (H, W) uint8, 255 times the softmax probability of each pixel's label, rounded.

        The logits are interpolated first, then come their probabilities. Nothing is spared: every
        class is computed at every pixel, a few rows at a time.

        :param logits: as for :meth:`labels`.
        """
        rows, columns = self.rows, self.columns
        logits = logits[:, :rows.cells, :columns.cells]
        (top, bottom), (left, right) = (
            axis.corners(axis.interval) for axis in (rows, columns))
        confidence = np.empty((rows.interval.size, columns.interval.size), np.uint8)
        step = max(_CHUNK_PIXELS // confidence.shape[1], 1)
        for start in range(0, confidence.shape[0], step):
            part = slice(start, start + step)
            above, below = logits[:, top[part]], logits[:, bottom[part]]
            narrow = above + (below - above) * rows.weight[part, None]
            lower = narrow[:, :, left]
            values = lower + (narrow[:, :, right] - lower) * columns.weight
            values -= values.max(axis=0)
            # The largest of the exponentials is e^0 = 1.
            confidence[part] = np.rint(255 / np.exp(values, out=values).sum(axis=0))
        return confidence

    def _decide(self, logits: Float, y: Int, x: Int, labels: NDArray[np.uint8]) -> None:
        """Write the labels of the pixels within the quads of cells (y, x)."""
        values = self._corner_values(logits, y, x)
        possible = values.max(axis=0) >= values.min(axis=0).max(axis=0)
        counts = np.count_nonzero(possible, axis=0)
        # Most candidates first: those who have a k-th candidate are then the first so many.
        order = np.argsort(-counts, kind='stable')
        values, possible, counts = values[:, :, order], possible[:, order], counts[order]
        y, x = y[order], x[order]
        # Ascending within a quad: of equal values the lowest class wins, as np.argmax has it.
        candidates = np.nonzero(possible.T)[1]
        offsets = np.cumsum(counts) - counts
        step = max(_CHUNK_PIXELS // (self.rows.pixels.shape[1] * self.columns.pixels.shape[1]), 1)
        for start in range(0, y.size, step):
            part = slice(start, start + step)
            self._decide_chunk(values[:, :, part], candidates, offsets[part], counts[part],
                               y[part], x[part], labels)

    def _corner_values(self, logits: Float, y: Int, x: Int) -> Float:
        """Return (4, C, n) logits at the corners: top left, top right, bottom left and right."""
        flat = logits.reshape(logits.shape[0], -1)
        width = logits.shape[2]
        (top, bottom), (left, right) = self.rows.corners(y), self.columns.corners(x)
        return np.stack([flat.take(row * width + column, axis=1)
                         for row in (top, bottom) for column in (left, right)])

    def _decide_chunk(self, values: Float, candidates: Int, offsets: Int, counts: Int, y: Int,
                      x: Int, labels: NDArray[np.uint8]) -> None:
        down = self.rows.weights[y][:, :, None]
        right = self.columns.weights[x][:, None, :]
        quads = np.arange(y.size)
        first = candidates[offsets]
        base = values[:, first, quads]
        best = np.zeros((y.size, down.shape[1], right.shape[2]), np.float32)
        winner = np.broadcast_to(first.astype(np.uint8)[:, None, None], best.shape).copy()
        # Differences to the first candidate: it needs no interpolation, its own are zero.
        for rank in range(1, int(counts[0])):
            some = int(np.searchsorted(-counts, -rank, 'left'))
            rival = candidates[offsets[:some] + rank]
            corner = (values[:, rival, quads[:some]] - base[:, :some])[:, :, None, None]
            top = corner[0] + (corner[1] - corner[0]) * right[:some]
            bottom = corner[2] + (corner[3] - corner[2]) * right[:some]
            value = top + (bottom - top) * down[:some]
            np.copyto(winner[:some], rival.astype(np.uint8)[:, None, None],
                      where=value > best[:some])
            np.maximum(best[:some], value, out=best[:some])
        labels[self.rows.pixels[y][:, :, None], self.columns.pixels[x][:, None, :]] = winner


@lru_cache(maxsize=32)
def upsampling(letterbox: Letterbox, stride: int, size: tuple[int, int]) -> Upsampling:
    """
    Return how to get labels of ``size`` (height, width) that show the whole camera image.

    :param stride: network pixels per logits cell, the letterbox's cell.
    """
    return Upsampling(_Axis.build(letterbox.content[0], stride, size[0]),
                      _Axis.build(letterbox.content[1], stride, size[1]))


def _argmax(logits: Float) -> NDArray[np.uint8]:
    """Return the (h, w) uint8 class with the largest of (C, h, w) logits; the lowest of equals."""
    best = logits[0].copy()
    winner = np.zeros(best.shape, np.uint8)
    for index in range(1, logits.shape[0]):
        winner[logits[index] > best] = index
        np.maximum(best, logits[index], out=best)
    return winner
