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
"""Whether several images can, and had better, be computed in one inference: tried and timed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineError

MOST = 16
"""Images of one inference at most."""

_ROUNDS = 5
_LONGEST_S = 1.0

# Of the largest logit. Sums in another order differ by less, even in bf16; answers that depend on
# the other images of a batch, by far more.
_LARGEST_DISAGREEMENT = 0.05


@dataclass(frozen=True)
class BatchChoice:
    """
    How many images one inference may be of, and why.

    :param most: 1 where each image is computed by itself.
    :param note: what was measured, or why there was nothing to measure, in words; None where
        batches were not asked for.
    """

    most: int
    note: str | None


ONE_BY_ONE = BatchChoice(1, None)
"""Of those who do not ask for batches."""


def choose_batch(engine: Engine, asked: int, waiting: int) -> BatchChoice:
    """
    Return how many images an engine is to compute at once.

    Of ``n`` images that wait, the last is answered sooner in a batch than one by one if the batch
    takes less than ``n`` inferences, and they are all answered sooner on average if it takes less
    than ``(n + 1) / 2``. Only then does a batch pay: a throughput that most answers are later for
    is of no use to a vehicle.

    :param asked: 1 for no batches, 0 for batches where they pay, above that for so many at most,
        whether they pay or not.
    :param waiting: so many images may wait at the same time.
    """
    most = min(asked or MOST, waiting)
    if asked == 1 or most == 1:
        return ONE_BY_ONE
    if not engine.takes_batches:
        return BatchChoice(1, 'no batches: this engine takes one image at a time')
    images = np.random.default_rng(0).integers(0, 256, engine.buffer(most).shape, np.uint8)
    try:
        problem = _problem(engine, images)
        if problem is not None:
            return BatchChoice(1, f'no batches: {problem}')
        one, batch = _durations(engine, images)
    except EngineError as error:
        return BatchChoice(
            1, f'no batches: the engine failed on the random images that measure them: {error}')
    pays = batch <= one * (most + 1) / 2
    measured = (f'{most} images take {batch:.1f} ms in one inference, and one takes {one:.1f} ms: '
                f'a batch {"pays" if pays else "does not pay"}')
    if pays or asked:
        return BatchChoice(most, f'batches of up to {most}: {measured}')
    return BatchChoice(1, f'no batches: {measured}')


def _problem(engine: Engine, images: NDArray[np.uint8]) -> str | None:
    """Return why the model cannot take these images at once, though it says so; None: it can."""
    one_by_one = [engine.infer(images[index:index + 1]) for index in range(len(images))]
    try:
        together = engine.infer(images)
    except EngineError as error:
        return str(error)
    apart = np.abs(together.astype(np.float32) - np.concatenate(one_by_one)).max()
    if apart > _LARGEST_DISAGREEMENT * np.abs(together).max():
        return f'of {len(images)} images at once the model computes something else than one by one'
    return None


def _durations(engine: Engine, images: NDArray[np.uint8]) -> tuple[float, float]:
    """
    Return the medians of an inference of one image and of one of all, in ms.

    A slow engine is measured once: configure is not to take much longer for it.
    """
    batches = engine.buffer(), engine.buffer(len(images))
    for batch in batches:
        batch[:] = images[:len(batch)]
    found: tuple[list[float], list[float]] = [], []
    started = perf_counter()
    while len(found[0]) < _ROUNDS and (
            not found[0] or perf_counter() - started < _LONGEST_S):
        for batch, times in zip(batches, found, strict=True):
            begin = perf_counter()
            engine.infer(batch)
            times.append((perf_counter() - begin) * 1e3)
    return median(found[0]), median(found[1])
