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
"""The kernels compiled by numba, or read from its cache, when this module is imported."""

from __future__ import annotations

import math

import numba
import numpy as np

from frm_perception.runtime.kernels.compiled_masks import remove_areas
from frm_perception.runtime.kernels.compiled_masks import settle
from frm_perception.runtime.kernels.compiled_pixels import find_confidence
from frm_perception.runtime.kernels.compiled_pixels import find_confident
from frm_perception.runtime.kernels.compiled_pixels import find_winners
from frm_perception.runtime.kernels.compiled_pixels import label
from frm_perception.runtime.kernels.contract import AMBIGUITY
from frm_perception.runtime.kernels.contract import NEGLIGIBLE
from frm_perception.runtime.kernels.contract import U8
from frm_perception.runtime.kernels.contract import Foot
from frm_perception.runtime.kernels.sampling import Axis
from frm_perception.runtime.kernels.sampling import Float
from frm_perception.runtime.kernels.sampling import Int
from frm_perception.runtime.kernels.sampling import Sampling


class CompiledKernels:
    """See :class:`.contract.Kernels`."""

    name = f'numba {numba.__version__}'

    def labels(self, logits: Float, sampling: Sampling) -> U8:
        """See :meth:`.contract.Kernels.labels`."""
        logits = _as_declared(logits)
        winners, close = _winners(logits, sampling)
        labels = _output(sampling)
        label(logits, winners, close, *_axis(sampling.rows), *_axis(sampling.columns), labels)
        return labels

    def confidence(self, logits: Float, sampling: Sampling) -> U8:
        """See :meth:`.contract.Kernels.confidence`."""
        confidence = _output(sampling)
        find_confidence(_as_declared(logits), *_axis(sampling.rows), *_axis(sampling.columns),
                        confidence)
        return confidence

    def confident(self, logits: Float, sampling: Sampling, labels: U8, classes: U8,
                  least: int) -> U8:
        """See :meth:`.contract.Kernels.confident`."""
        logits = _as_declared(logits)
        winners, _ = _winners(logits, sampling)
        mask = _output(sampling)
        find_confident(logits, winners, math.log(logits.shape[0] / NEGLIGIBLE),
                       *_axis(sampling.rows), *_axis(sampling.columns), labels, classes, least,
                       mask)
        return mask

    def settle(self, mask: U8, state: U8, streak: U8, appear: int, vanish: int) -> None:
        """See :meth:`.contract.Kernels.settle`."""
        settle(mask, state, streak, appear, vanish)

    def remove_areas(self, mask: U8, least: int, foot: Foot | None) -> None:
        """See :meth:`.contract.Kernels.remove_areas`."""
        where = foot or Foot(0, 0, mask.shape[1])
        remove_areas(mask, least, where.top, where.left, where.right)


def _output(sampling: Sampling) -> U8:
    return np.empty((sampling.rows.size, sampling.columns.size), np.uint8)


def _winners(logits: Float, sampling: Sampling) -> tuple[U8, float]:
    """Return what :func:`find_winners` writes and returns."""
    winners = np.empty((sampling.rows.cells + 2, sampling.columns.cells + 2), np.uint8)
    return winners, find_winners(logits, AMBIGUITY, winners)


def _axis(axis: Axis) -> tuple[Int, Int, Int, Float, Float]:
    return axis.interval, axis.start, axis.end, axis.low, axis.high


def _as_declared(logits: Float) -> Float:
    """Return the logits as the kernels' signatures demand, copied only if they are not so."""
    return np.require(logits, np.float32, ['C', 'W'])
