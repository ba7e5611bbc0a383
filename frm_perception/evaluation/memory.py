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
Whether the segmenter keeps memory: over loading and freeing it again and again, and over frames.

Memory is what the process holds of the machine's (resident set, Linux), read after every cycle and
every hundredth part of the frames. The first fifth, in which allocators find their size, is left
out of the growth; what is left is the slope of a line through it, times the length.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import provenance
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.resident_memory import resident_mib
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.scenes import RenderedDrive

_PACKAGES = ('onnxruntime', 'openvino', 'numpy', 'opencv-python-headless')
_CAMERA = (360, 640)
_IMAGES = 10
_SETTLING = 0.2
_SAMPLES = 100


def measure(bundle: Bundle, precision: str, provider: str, resolution: str, threads: int,
            cycles: int, frames: int) -> dict[str, Any]:
    """
    Load, use and free a segmenter so many times; then segment so many frames with one.

    :return: what :func:`table` prints and ``--json`` writes.
    :raises EngineError: the model cannot be loaded or run.
    """
    drive = RenderedDrive(0, *_CAMERA, _IMAGES)
    images = [drive[index].image for index in range(_IMAGES)]

    def load() -> Segmenter:
        return Segmenter.load(bundle, resolution=resolution, precision=precision,
                              provider=provider, threads=threads)

    of_cycles = []
    for _ in tqdm(range(cycles), 'loading and freeing', unit='cycle'):
        with load() as segmenter:
            segmenter.segment(images[0])
        del segmenter
        gc.collect()
        of_cycles.append(resident_mib())
    of_frames = []
    with load() as segmenter:
        info = segmenter.info
        every = max(frames // _SAMPLES, 1)
        for index in tqdm(range(frames), 'segmenting', unit='frame'):
            segmenter.segment(images[index % _IMAGES], confidence=True)
            if index % every == every - 1:
                of_frames.append(resident_mib())
    return {
        'benchmark': 'memory', 'model': bundle.name, 'precision': info.precision_run,
        'provider': info.provider, 'resolution': list(info.resolution), 'threads': info.threads,
        **provenance(_PACKAGES),
        'parts': [_part('load and free', cycles, of_cycles), _part('frame', frames, of_frames)]}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table that is also readable on a terminal."""
    return markdown_table([
        ['what', 'times', 'resident MiB: at first', 'at last', 'most', 'growth after settling'],
        *([part['what'], str(part['times']), f'{part["mib"][0]:.1f}', f'{part["mib"][-1]:.1f}',
           f'{max(part["mib"]):.1f}', f'{part["growth_mib"]:+.1f}']
          for part in results['parts'])])


def description(results: dict[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    return (f'{results["model"]} {results["precision"]} at {results["resolution"][0]}x'
            f'{results["resolution"][1]} (height x width) on {results["provider"]}, camera images '
            f'of {_CAMERA[0]}x{_CAMERA[1]}, {results["threads"]} threads {origin_text(results)}')


def growth(samples: Sequence[float]) -> float:
    """Return what a line through the samples grows by, but for the first fifth of them."""
    settled = np.asarray(samples[int(len(samples) * _SETTLING):], np.float64)
    if settled.size < 2:
        return 0.0
    slope = np.polyfit(np.arange(settled.size), settled, 1)[0]
    return float(slope * (settled.size - 1))


def _part(what: str, times: int, mib: Sequence[float]) -> dict[str, Any]:
    return {'what': what, 'times': times, 'growth_mib': growth(mib), 'mib': list(mib)}
