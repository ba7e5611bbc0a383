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
"""What both forms of the kernels are held to: the straight computation of every pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from frm_perception.runtime.geometry import Geometry
from frm_perception.runtime.kernels.arrays import ArrayKernels
from frm_perception.runtime.kernels.compiled import CompiledKernels
from frm_perception.runtime.kernels.sampling import Sampling
from frm_perception.runtime.kernels.sampling import sampling

STRIDE = 4
KERNELS = [ArrayKernels(), CompiledKernels()]

Float = NDArray[np.float32]
Size = tuple[int, int]


def name_of(kernels: object) -> str:
    """Return a name for pytest's ids."""
    return type(kernels).__name__


def samples(image: Size, network: Size, output: str) -> Sampling:
    """Return how an image's labels at 'camera' or 'network' size sample the cells."""
    content = Geometry.fit(image, network, STRIDE).content
    return sampling(content, STRIDE, image if output == 'camera' else content)


def dense(logits: Float, where: Sampling) -> Float:
    """
    Return (C, H, W) logits at every pixel, as :class:`.contract.Kernels` defines them.

    Positions and weights are computed anew, in double precision, and rounded once.
    """
    (top, bottom, a, b), (left, right, low, high) = (
        _axis(axis.cells, axis.size, axis.interval) for axis in (where.rows, where.columns))
    above = logits[:, top][:, :, left] * low + logits[:, top][:, :, right] * high
    below = logits[:, bottom][:, :, left] * low + logits[:, bottom][:, :, right] * high
    return above * a[:, None] + below * b[:, None]


def _axis(cells: int, size: int, interval: NDArray[np.intp]) -> tuple[
        NDArray[np.intp], NDArray[np.intp], Float, Float]:
    position = (np.arange(size) + 0.5) * (cells * STRIDE / size) / STRIDE - 0.5
    lower = np.floor(position)
    assert np.array_equal(interval, lower + 1)
    high = (position - lower).astype(np.float32)
    index = lower.astype(np.intp)
    return (np.clip(index, 0, cells - 1), np.clip(index + 1, 0, cells - 1),
            np.float32(1) - high, high)


sizes = st.tuples(st.integers(1, 150), st.integers(1, 150))
networks = st.tuples(st.integers(2, 5), st.integers(2, 5)).map(
    lambda steps: (steps[0] * 32, steps[1] * 32))
outputs = st.sampled_from(['camera', 'network'])
kinds = st.sampled_from(['noise', 'smooth', 'few values', 'one bit apart', 'constant'])


def make_logits(kind: str, classes: int, network: Size, seed: int) -> Float:
    """Return (C, h, w) logits of a kind, among them those that leave everything undecided."""
    random = np.random.default_rng(seed)
    shape = (classes, network[0] // STRIDE, network[1] // STRIDE)
    logits = random.normal(0, 10 ** random.uniform(-3, 3), shape).astype(np.float32)
    if kind == 'smooth':
        logits = logits.cumsum(axis=1).cumsum(axis=2).astype(np.float32)
    elif kind == 'few values':
        logits = random.integers(-1, 2, shape).astype(np.float32)
    elif kind == 'one bit apart':
        # All classes are the same but for the last bits, which rounding may take or give.
        base = np.broadcast_to(logits[:1], shape).copy()
        logits = (base.view(np.int32) + random.integers(-2, 3, shape, np.int32)).view(np.float32)
    elif kind == 'constant':
        logits[:] = logits[:, :1, :1]
    return logits
