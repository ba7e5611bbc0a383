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
Labels and confidence of every pixel, compiled; :mod:`.arrays` says why the labels are exact.

numba sees when this file changes and compiles again, but not when one that it imports does:
kernels that call each other lie together, and numbers that may change are arguments.
"""

from __future__ import annotations

import numpy as np

from frm_perception.labels import IGNORE
from frm_perception.runtime.kernels.compile import AXIS
from frm_perception.runtime.kernels.compile import LOGITS
from frm_perception.runtime.kernels.compile import compiled
from frm_perception.runtime.kernels.contract import U8
from frm_perception.runtime.kernels.sampling import Float
from frm_perception.runtime.kernels.sampling import Int

_OPEN = 1
"""Neither of a mask's values: the pixels of a quad have to be looked at."""


@compiled(f'float32({LOGITS}, float32, uint8[:, ::1])')
def find_winners(logits: Float, ambiguity: float, winners: U8) -> float:
    """
    Write the class with the largest logit of every cell, or IGNORE where the second is too close.

    :param ambiguity: :data:`.contract.AMBIGUITY`.
    :param winners: (rows + 2, columns + 2) of the cells that belong to the image; the outermost
        cells are repeated beyond the border.
    :return: how close rounding can bring two classes between cells.
    """
    height, width = winners.shape[0] - 2, winners.shape[1] - 2
    best = np.empty(width, np.float32)
    index = np.empty(width, np.int32)
    peak = np.zeros(width, np.float32)
    gap = np.empty((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            best[j] = logits[0, i, j]
            gap[i, j] = -np.inf
            index[j] = 0
            peak[j] = max(peak[j], abs(best[j]))
        second = gap[i]
        for c in range(1, logits.shape[0]):
            for j in range(width):
                value, before, size = logits[c, i, j], best[j], abs(logits[c, i, j])
                lesser = value if value < before else before
                second[j] = lesser if lesser > second[j] else second[j]
                best[j] = value if value > before else before
                index[j] = c if value > before else index[j]
                peak[j] = size if size > peak[j] else peak[j]
        for j in range(width):
            second[j] = best[j] - second[j]
            winners[i + 1, j + 1] = index[j]
    close = float(peak.max() * ambiguity)
    for i in range(height):
        for j in range(width):
            if gap[i, j] <= close:
                winners[i + 1, j + 1] = IGNORE
        winners[i + 1, 0], winners[i + 1, -1] = winners[i + 1, 1], winners[i + 1, -2]
    winners[0], winners[-1] = winners[1], winners[-2]
    return close


@compiled('void(uint8[:, ::1], intp, uint8[::1])')
def _find_agreed(winners: U8, row: int, agreed: U8) -> None:
    """Write the class that wins at all four corners of every quad of a row, or IGNORE."""
    for column in range(agreed.size):
        first = winners[row, column]
        same = ((first == winners[row, column + 1]) & (first == winners[row + 1, column])
                & (first == winners[row + 1, column + 1]))
        agreed[column] = first if same else np.uint8(IGNORE)


@compiled(f'intp({LOGITS}, float32, intp, intp, intp, intp, intp[::1])')
def _find_rivals(logits: Float, behind: float, top: int, bottom: int, left: int, right: int,
                 rivals: Int) -> int:
    """
    Write, in ascending order, the classes that come near the largest one between four corners.

    :param behind: a class that stays farther behind is left out.
    :return: how many.
    """
    floor = -np.float32(np.inf)
    for c in range(logits.shape[0]):
        floor = max(floor, min(logits[c, top, left], logits[c, top, right],
                               logits[c, bottom, left], logits[c, bottom, right]))
    floor -= behind
    count = 0
    for c in range(logits.shape[0]):
        if max(logits[c, top, left], logits[c, top, right],
               logits[c, bottom, left], logits[c, bottom, right]) >= floor:
            rivals[count] = c
            count += 1
    return count


@compiled(f'void({LOGITS}, intp, intp, intp, intp, intp, intp, intp, float32[::1], float32[::1], '
          'float32[::1], float32[::1])')
def _interpolate(logits: Float, c: int, top: int, bottom: int, left: int, right: int, start: int,
                 end: int, low: Float, high: Float, above: Float, below: Float) -> None:
    """Write a class's logits between the upper two corners of a quad and between the lower two."""
    for x in range(start, end):
        above[x - start] = logits[c, top, left] * low[x] + logits[c, top, right] * high[x]
        below[x - start] = logits[c, bottom, left] * low[x] + logits[c, bottom, right] * high[x]


@compiled(f'void({LOGITS}, uint8[:, ::1], float32, {AXIS}, {AXIS}, uint8[:, ::1])')
def label(logits: Float, winners: U8, close: float, y_interval: Int, y_start: Int, y_end: Int,
           y_low: Float, y_high: Float, x_interval: Int, x_start: Int, x_end: Int, x_low: Float,
           x_high: Float, labels: U8) -> None:
    height, width = winners.shape[0] - 2, winners.shape[1] - 2
    reach = (x_end - x_start).max()
    rivals = np.empty(logits.shape[0], np.intp)
    agreed = np.empty(width + 1, np.uint8)
    line = np.empty(x_low.size, np.uint8)
    above = np.empty(reach, np.float32)
    below = np.empty(reach, np.float32)
    best = np.empty((y_low.size, reach), np.float32)
    for row in range(height + 1):
        y0, y1 = y_start[row], y_end[row]
        if y0 == y1:
            continue
        top, bottom = max(row - 1, 0), min(row, height - 1)
        _find_agreed(winners, row, agreed)
        for x in range(x_low.size):
            line[x] = agreed[x_interval[x]]
        for y in range(y0, y1):
            for x in range(x_low.size):
                labels[y, x] = line[x]
        for column in range(width + 1):
            x0, x1 = x_start[column], x_end[column]
            if agreed[column] != IGNORE or x0 == x1:
                continue
            left, right = max(column - 1, 0), min(column, width - 1)
            best[y0:y1] = -np.inf
            for k in range(_find_rivals(logits, close, top, bottom, left, right, rivals)):
                _interpolate(logits, rivals[k], top, bottom, left, right, x0, x1, x_low, x_high,
                             above, below)
                for y in range(y0, y1):
                    for x in range(x1 - x0):
                        value = above[x] * y_low[y] + below[x] * y_high[y]
                        wins = value > best[y, x]
                        best[y, x] = value if wins else best[y, x]
                        labels[y, x0 + x] = rivals[k] if wins else labels[y, x0 + x]


@compiled('void(float32[:, ::1], intp, intp, float32[::1], float32[::1], uint8[::1])')
def _to_confidence(values: Float, classes: int, size: int, peak: Float, total: Float,
                   confidence: U8) -> None:
    """
    Write the confidence of so many pixels.

    :param values: (at least ``classes``, at least ``size``) logits.
    :param peak: memory for ``size`` values; so is ``total``.
    """
    for x in range(size):
        peak[x] = -np.inf
        total[x] = 0
    for c in range(classes):
        for x in range(size):
            peak[x] = values[c, x] if values[c, x] > peak[x] else peak[x]
    for c in range(classes):
        for x in range(size):
            # e^v as 2^n e^r with |r| <= ln 2 / 2, and e^r as the first terms of its series: the
            # library's function is called for one number at a time.
            value = max(values[c, x] - peak[x], np.float32(-87))
            power = np.floor(value * np.float32(1.44269504) + np.float32(0.5))
            rest = value - power * np.float32(0.693359375) + power * np.float32(2.12194440e-4)
            series = np.float32(1 / 720)
            series = series * rest + np.float32(1 / 120)
            series = series * rest + np.float32(1 / 24)
            series = series * rest + np.float32(1 / 6)
            series = series * rest + np.float32(1 / 2)
            series = series * rest + np.float32(1)
            series = series * rest + np.float32(1)
            total[x] += series * np.int32((np.int32(power) + 127) << 23).view(np.float32)
    for x in range(size):
        confidence[x] = np.uint8(np.float32(255) / total[x] + np.float32(0.5))


@compiled(f'void({LOGITS}, {AXIS}, {AXIS}, uint8[:, ::1])')
def find_confidence(logits: Float, y_interval: Int, y_start: Int, y_end: Int, y_low: Float,
                    y_high: Float, x_interval: Int, x_start: Int, x_end: Int, x_low: Float,
                    x_high: Float, confidence: U8) -> None:
    """Write the (H, W) confidence."""
    classes, size = logits.shape[0], x_low.size
    above = np.empty((classes, size), np.float32)
    below = np.empty((classes, size), np.float32)
    values = np.empty((classes, size), np.float32)
    peak, total = np.empty(size, np.float32), np.empty(size, np.float32)
    for row in range(y_start.size):
        if y_start[row] == y_end[row]:
            continue
        top, bottom = max(row - 1, 0), min(row, y_start.size - 2)
        for c in range(classes):
            for x in range(size):
                left, right = max(x_interval[x] - 1, 0), min(x_interval[x], x_start.size - 2)
                above[c, x] = (logits[c, top, left] * x_low[x]
                               + logits[c, top, right] * x_high[x])
                below[c, x] = (logits[c, bottom, left] * x_low[x]
                               + logits[c, bottom, right] * x_high[x])
        for y in range(y_start[row], y_end[row]):
            for c in range(classes):
                for x in range(size):
                    values[c, x] = above[c, x] * y_low[y] + below[c, x] * y_high[y]
            _to_confidence(values, classes, size, peak, total, confidence[y])


@compiled(f'void({LOGITS}, uint8[:, ::1], uint8[::1], intp, uint8[:, ::1])')
def _find_sure(logits: Float, winners: U8, classes: U8, least: int, sure: U8) -> None:
    """Write 1 for the cells of the classes that are more confident than need be, else 0."""
    height, width = sure.shape
    values = np.empty((logits.shape[0], width), np.float32)
    peak, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(height):
        for c in range(logits.shape[0]):
            for j in range(width):
                values[c, j] = logits[c, i, j]
        _to_confidence(values, logits.shape[0], width, peak, total, sure[i])
        for j in range(width):
            sure[i, j] = sure[i, j] > least and classes[winners[i + 1, j + 1]] != 0


@compiled(f'void({LOGITS}, uint8[:, ::1], float32, {AXIS}, {AXIS}, uint8[:, ::1], uint8[::1], '
          'intp, uint8[:, ::1])')
def find_confident(logits: Float, winners: U8, behind: float, y_interval: Int, y_start: Int,
                   y_end: Int, y_low: Float, y_high: Float, x_interval: Int, x_start: Int,
                   x_end: Int, x_low: Float, x_high: Float, labels: U8, classes: U8, least: int,
                   mask: U8) -> None:
    """
    Write the (H, W) mask of :meth:`.contract.Kernels.confident`.

    The negative logarithm of a class's probability is a convex function of the logits, so that
    between cells where the same class is confident it is nowhere less so.

    :param winners: as :func:`find_winners` writes it.
    :param behind: a class whose logit is so far behind another one's can be neglected.
    """
    height, width = y_start.size - 1, x_start.size - 1
    number, reach = logits.shape[0], (x_end - x_start).max()
    sure = np.empty((height, width), np.uint8)
    _find_sure(logits, winners, classes, least, sure)
    quads, line = np.empty(width + 1, np.uint8), np.empty(x_low.size, np.uint8)
    rivals = np.empty(number, np.intp)
    above, below = np.empty(reach, np.float32), np.empty(reach, np.float32)
    most = reach * (y_end - y_start).max()
    values = np.empty((number, most), np.float32)
    peak, total = np.empty(most, np.float32), np.empty(most, np.float32)
    found = np.empty(most, np.uint8)
    for row in range(height + 1):
        y0, y1 = y_start[row], y_end[row]
        if y0 == y1:
            continue
        top, bottom = max(row - 1, 0), min(row, height - 1)
        _find_agreed(winners, row, quads)
        for column in range(width + 1):
            left, right = max(column - 1, 0), min(column, width - 1)
            if quads[column] != IGNORE and not classes[quads[column]]:
                quads[column] = 0
            elif (quads[column] != IGNORE and sure[top, left] and sure[top, right]
                    and sure[bottom, left] and sure[bottom, right]):
                quads[column] = 255
            else:
                quads[column] = _OPEN
        for x in range(x_low.size):
            line[x] = quads[x_interval[x]]
        for y in range(y0, y1):
            for x in range(x_low.size):
                mask[y, x] = line[x]
        for column in range(width + 1):
            x0, x1 = x_start[column], x_end[column]
            if quads[column] != _OPEN or x0 == x1:
                continue
            wanted = np.uint8(0)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    mask[y, x] = classes[labels[y, x]]
                    wanted |= mask[y, x]
            if not wanted:
                continue
            left, right = max(column - 1, 0), min(column, width - 1)
            count = _find_rivals(logits, behind, top, bottom, left, right, rivals)
            for k in range(count):
                _interpolate(logits, rivals[k], top, bottom, left, right, x0, x1, x_low, x_high,
                             above, below)
                for y in range(y0, y1):
                    for x in range(x1 - x0):
                        values[k, (y - y0) * (x1 - x0) + x] = (
                            above[x] * y_low[y] + below[x] * y_high[y])
            _to_confidence(values, count, (y1 - y0) * (x1 - x0), peak, total, found)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    if found[(y - y0) * (x1 - x0) + x - x0] < least:
                        mask[y, x] = 0
