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
One variant, loaded and timed in a process of its own.

A library that does not fit a computer may end its process, and the kernel ends one that takes too
much memory, as TensorRT may while it compiles. Neither is to take the report along.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.variant import Image
from frm_perception.evaluation.variant import Variant
from frm_perception.evaluation.variant import agreement
from frm_perception.evaluation.variant import labels_of
from frm_perception.evaluation.variant import size_text
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.meanwhile import meanwhile
from frm_perception.runtime.resident_memory import resident_mib

PARTS = 10
"""The times of a trial are also told part by part, so that one sees a computer grow slower."""
PERIOD_S = 10.0
IMAGES = 'images.npy'


class TrialError(RuntimeError):
    """A variant does not run here; the message says why."""


@dataclass(frozen=True)
class Trial:
    """
    What a process of its own is to do.

    :param seconds: least time that frames are timed for; it is :data:`PARTS` frames at least.
    :param scratch: folder with :data:`IMAGES`, (N, H, W, 3) uint8 RGB, where the labels of fp32
        are kept for the trials that follow.
    :param engine_cache: folder of built engines, '' for the user's own.
    """

    variant: Variant
    seconds: float
    scratch: Path
    engine_cache: str


def run_apart(trial: Trial, tell: Callable[[str], None]) -> dict[str, Any]:
    """
    Return what :func:`measure` does, of another process.

    :param tell: takes a line every :data:`PERIOD_S` seconds.
    :raises TrialError: the variant does not run; other processes of this computer are not touched.
    """
    context = get_context('spawn')
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(trial, send), daemon=True)
    process.start()
    send.close()  # so that the end of the process is the end of the pipe
    try:
        with meanwhile(PERIOD_S, lambda seconds: tell(f'for {seconds:.0f} s')):
            try:
                found, problem = receive.recv()
            except EOFError:
                process.join()
                found, problem = None, _end(process.exitcode)
    finally:
        process.kill()
        process.join()
        receive.close()
    if problem:
        raise TrialError(problem)
    return found


def measure(trial: Trial) -> dict[str, Any]:
    """
    Load a variant, compare its labels with those of the reference, and time whole frames.

    :raises EngineError: the variant, or its reference, does not run as what it says.
    :raises ValueError: the model is damaged.
    """
    variant = trial.variant
    images: list[Image] = list(np.load(trial.scratch / IMAGES, mmap_mode='r'))
    expected = _expected(trial, images)
    begin = perf_counter()
    cache = open_cache(trial.engine_cache, lambda line: None)
    with variant.load(cache) as segmenter:
        loaded = perf_counter()
        info = segmenter.info
        shared = agreement(labels_of(segmenter, images), expected)  # and the engine is warm
        whole: list[float] = []
        stages: dict[str, list[float]] = {}
        turn = cycle(images)
        started = perf_counter()
        while len(whole) < PARTS or perf_counter() - started < trial.seconds:
            image = next(turn)
            frame = perf_counter()
            timings = segmenter.segment(image).timings
            whole.append((perf_counter() - frame) * 1e3)
            for stage, milliseconds in timings.items():
                stages.setdefault(stage, []).append(milliseconds)
        ended = perf_counter()
    return {
        'model': info.bundle, 'sha256': variant.bundle.entry(variant.precision).sha256,
        'input': list(variant.size), 'threads': info.threads,
        'provider': variant.provider, 'provider_run': info.provider,
        'precision': variant.precision, 'precision_run': info.precision_run,
        'kernels': info.kernels, 'label_agreement': shared, 'load_s': loaded - begin,
        'engine': 'unused' if cache is None else cache.outcome,
        'resident_mib': resident_mib(), 'frames': len(whole), 'seconds': ended - started,
        'latency_ms': percentiles(whole),
        'stages_ms': {stage: percentiles(values) for stage, values in stages.items()},
        'p50_ms_of_parts': [median(part) for part in np.array_split(np.array(whole), PARTS)]}


def _expected(trial: Trial, images: list[Image]) -> list[Image]:
    variant = trial.variant
    file = trial.scratch / f'{variant.bundle.name}-{size_text(variant.size)}.npy'
    if not file.exists():
        with variant.reference.load() as segmenter:
            np.save(file, np.stack(labels_of(segmenter, images)))
    return list(np.load(file, mmap_mode='r'))


def _main(trial: Trial, send: Connection) -> None:
    # Ctrl-C is for the process that started this one, which ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        send.send((measure(trial), ''))
    except (EngineError, ValueError, OSError, ImportError) as error:
        send.send((None, str(error)))


def _end(status: int | None) -> str:
    if status == -signal.SIGKILL:
        return ('its process was ended by SIGKILL, which the kernel sends where memory runs out: '
                'end other programs, or add swap')
    if status is not None and status < 0:
        return f'its process was ended by {signal.Signals(-status).name}, inside of a library'
    return f'its process ended with status {status}'
