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
What the evaluation of a bag costs beyond the network itself, side by side in one run.

- ``bare``: the engine alone, one inference after the other, on tensors that are ready.
- ``evaluate``: every frame of the bag read, decoded, labelled, scored and recorded.

They take turns, so that a computer that grows slower or faster favours neither. A turn of either
is as many frames as the bag has. The pictures and the report are left out: what they cost does not
depend on the length of the drive.
"""

from __future__ import annotations

import tempfile
from itertools import islice
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
from frm_perception.evaluation.drive.evaluate_bags import Options
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.labeller import ModelLabeller
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.media.frames import read_frames
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.segmenter import Segmenter

_PACKAGES = ('onnxruntime', 'openvino', 'numpy', 'opencv-python-headless', 'numba', 'rosbags')
_TENSORS = 20


def measure(bag: Path, segmenter: Segmenter, rounds: int) -> dict[str, Any]:
    """
    Time both in turn.

    :param bag: its cameras are all evaluated.
    :return: what :func:`table` prints and ``--json`` writes.
    :raises ValueError: the bag cannot be read.
    :raises EngineError: the network failed.
    """
    origin = provenance(_PACKAGES)
    engine = _bare(segmenter)
    tensors = [_tensor(frame.image, segmenter.info.resolution)
               for frame in islice(read_frames(bag), _TENSORS)]
    bare, evaluate, inferences, intervals = [], [], [], []
    stages: dict[str, list[float]] = {}
    frames = 0
    for _ in tqdm(range(rounds), 'timing', unit='round', disable=None):
        with tempfile.TemporaryDirectory(prefix='frm_perception-') as scratch:
            folder = _TimedFolder(Path(scratch))
            begin = perf_counter()
            run = EvaluateBags([bag], ModelLabeller(segmenter), Options())
            run.run(folder)
            seconds = perf_counter() - begin
            records = [record for camera in run.bags[0].cameras
                       for record in folder.records(run.bags[0].name, camera.topic)]
        frames = len(records)
        evaluate.append(seconds * 1e3 / frames)
        intervals += [(after - before) * 1e3 for before, after in pairwise(folder.times)]
        for record in records:
            for stage, value in record.milliseconds.items():
                stages.setdefault(stage, []).append(value)
        inferences += _infer(engine, tensors, frames)
        bare.append(sum(inferences[-frames:]) / frames)
    engine.close()
    return {
        'benchmark': 'bag', 'model': segmenter.info.bundle,
        'resolution': list(segmenter.info.resolution),
        'precision': segmenter.info.precision_run, 'provider': segmenter.info.provider,
        'threads': segmenter.info.threads, 'image': [records[0].height, records[0].width],
        'cameras': [camera.topic for camera in run.bags[0].cameras], 'frames': frames,
        'rounds': rounds, **origin,
        'bare_ms_per_frame': bare, 'evaluate_ms_per_frame': evaluate,
        'overhead': median(both / alone - 1 for both, alone in zip(evaluate, bare, strict=True)),
        'bare_ms': percentiles(inferences), 'interval_ms': percentiles(intervals),
        'stages_ms': {stage: percentiles(values) for stage, values in stages.items()}}


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown tables that are also readable on a terminal."""
    turns = zip(results['bare_ms_per_frame'], results['evaluate_ms_per_frame'], strict=True)
    latencies = {'bare engine': results['bare_ms'],
                 'evaluate, from record to record': results['interval_ms'],
                 **results['stages_ms']}
    return '\n\n'.join([
        markdown_table([('round', 'bare, ms a frame', 'evaluate, ms a frame', 'overhead, %'), *(
            (str(number), f'{bare:.1f}', f'{evaluate:.1f}', f'{100 * (evaluate / bare - 1):.1f}')
            for number, (bare, evaluate) in enumerate(turns, start=1)),
            ('median', f'{median(results["bare_ms_per_frame"]):.1f}',
             f'{median(results["evaluate_ms_per_frame"]):.1f}',
             f'{100 * results["overhead"]:.1f}')]),
        markdown_table([('latency, ms', 'p50', 'p95', 'p99'), *(
            (stage, *(f'{values[name]:.1f}' for name in ('p50', 'p95', 'p99')))
            for stage, values in latencies.items() if values)])])


def description(results: dict[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    return (f'{results["model"]} {results["precision"]} at {results["resolution"][0]}x'
            f'{results["resolution"][1]} (height x width) on {results["provider"]}, '
            f'{results["frames"]} camera images of {results["image"][0]}x{results["image"][1]} on '
            f'{", ".join(results["cameras"])}, {results["threads"]} threads, {results["rounds"]} '
            f'rounds {origin_text(results)}')


class _TimedFolder(RunFolder):
    """A folder that notes when each record came."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.times: list[float] = []

    def append(self, record: FrameRecord) -> None:
        """See :meth:`RunFolder.append`."""
        super().append(record)
        self.times.append(perf_counter())


def _bare(segmenter: Segmenter) -> Engine:
    """Open an engine as that of the segmenter."""
    info, bundle = segmenter.info, segmenter.bundle
    return open_engine(
        bundle.verified_model(info.precision),
        str(bundle.folder / bundle.entry(info.precision).file),
        EngineOptions(info.provider, info.precision, True, info.threads, info.resolution,
                      bundle.network, None))


def _tensor(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)[None]


def _infer(engine: Engine, tensors: list[NDArray[np.uint8]], count: int) -> list[float]:
    """Return the milliseconds of so many inferences, one after the other."""
    times = []
    for number in range(count):
        begin = perf_counter()
        engine.infer(tensors[number % len(tensors)])
        times.append((perf_counter() - begin) * 1e3)
    return times
