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
Speed of a camera frame from its pixels to labels and mask, side by side with two other ways.

Every variant (a bundle at a precision, in an engine, at a network size) is timed in four ways:

- ``bare``: the runtime alone, on a tensor that is ready. What nothing can be faster than.
- ``segment``: :meth:`frm_perception.runtime.segmenter.Segmenter.segment`, labels and mask at the
  camera's size.
- ``rules``: the same with every rule of the drivable area, each on.
- ``naive``: what one writes first: the image resized and normalised in NumPy, the runtime, the
  logits enlarged to the camera's size, the largest of them. In fp32 only, whose model can be had
  without the normalisation inside.

They take turns, several times over, so that a computer that grows slower or faster favours none;
only one is loaded at a time. How many labels a variant shares with ONNX Runtime's fp32 is counted
beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from itertools import count
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.deploy.float_model import float_model
from frm_perception.deploy.peers import peers
from frm_perception.deploy.runtimes import PACKAGES
from frm_perception.deploy.runtimes import Infer
from frm_perception.deploy.runtimes import Load
from frm_perception.deploy.runtimes import onnx_runtime
from frm_perception.deploy.runtimes import openvino
from frm_perception.deploy.speed import take_turns
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.evaluation.variant import Image
from frm_perception.evaluation.variant import Variant
from frm_perception.evaluation.variant import agreement
from frm_perception.evaluation.variant import labels_of
from frm_perception.evaluation.variant import size_text
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.engines.onnx_profile import EXECUTION_PROVIDERS
from frm_perception.runtime.segmenter import SegmenterInfo

BARE, SEGMENT, RULES, NAIVE = 'bare', 'segment', 'rules', 'naive'
EVERY_RULE = DrivableRules(min_confidence=0.5, appear_frames=2, vanish_frames=2, max_gap_s=100.0,
                           min_area=0.01, foot=0.1)
_PACKAGES = (*PACKAGES, 'numpy', 'opencv-python-headless', 'numba')
_AGREEMENT_IMAGES = 10
_FRAME_NS = 50_000_000


@dataclass
class Timed:
    """
    A variant, and what is known of it so far.

    :param info: what a segmenter of it says of itself.
    :param agreement: share of labels that are those of ONNX Runtime's fp32.
    :param stages: milliseconds of each stage of each frame that was timed, by the way.
    """

    variant: Variant
    info: SegmenterInfo
    agreement: float
    stages: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def measure(chosen: Sequence[Variant], images: Sequence[Image], rounds: int, seconds: float,
            peer_folder: Path | None) -> dict[str, Any]:
    """
    Time variants, and the public peers if their folder is given.

    :param images: (H, W, 3) uint8 RGB, all of one size: the camera's.
    :param rounds: turns of each variant in each way.
    :param seconds: least length of a turn.
    :return: what :func:`table` prints and ``--json`` writes.
    :raises ProviderError: a variant cannot be run as what it says.
    :raises FileNotFoundError: a peer's file is missing.
    """
    origin = provenance(_PACKAGES)
    size, threads = chosen[0].size, chosen[0].threads
    subjects = peers(peer_folder, size, threads) if peer_folder else []
    all_timed = _with_agreement(chosen, images[:_AGREEMENT_IMAGES])
    loads: dict[tuple[str, str], Load] = {}
    for timed in all_timed:
        for way, load in _ways(timed, images).items():
            loads[timed.variant.name, way] = load
    for subject in subjects:
        for runtime, load in subject.runtimes.items():
            loads[subject.name, runtime] = load
    times = {key: [value for turn in turns for value in turn]
             for key, turns in take_turns(loads, rounds, seconds).items()}
    return {
        'benchmark': 'frame', 'camera': list(images[0].shape[:2]), 'images': len(images),
        'threads': threads, 'rounds': rounds, 'seconds': seconds, **origin,
        'variants': [_result(timed, times) for timed in all_timed],
        'peers': [{'name': subject.name, 'input': list(subject.size), 'runtime': runtime,
                   'precision': subject.precision,
                   'latency_ms': percentiles(times[subject.name, runtime])}
                  for subject in subjects for runtime in subject.runtimes]}


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown tables that are also readable on a terminal."""
    rows = [['model', 'network input', 'precision', 'engine', 'labels as fp32',
             'bare p50 / p95 / p99 ms', 'segment p50 / p95 / p99 ms', 'naive p50 ms',
             'segment / bare', 'naive / segment', 'bare fp32 on cpu / bare',
             'stages of segment, p50 ms', 'drivable with every rule, p50 ms']]
    for variant in results['variants']:
        rows.append([
            variant['model'], size_text(variant['input']), variant['precision'],
            variant['provider'], f'{variant["label_agreement"]:.2%}',
            *(_latency_text(variant['latency_ms'].get(way, {})) for way in (BARE, SEGMENT)),
            f'{variant["latency_ms"][NAIVE]["p50"]:.1f}'
            if NAIVE in variant['latency_ms'] else '-',
            *(f'{ratio:.2f}' if ratio else '-' for ratio in (
                variant['segment_over_bare'], variant['naive_over_segment'],
                _gain(variant, results['variants']))),
            ', '.join(f'{stage} {latency["p50"]:.1f}'
                      for stage, latency in variant['stages_ms'][SEGMENT].items()),
            f'{variant["stages_ms"][RULES]["drivable"]["p50"]:.1f}'])
    text = markdown_table(rows)
    if results['peers']:
        text += '\n\n' + markdown_table(
            [['peer', 'input', 'precision', 'runtime', 'bare p50 / p95 / p99 ms'],
             *([peer['name'], size_text(peer['input']), peer['precision'], peer['runtime'],
                _latency_text(peer['latency_ms'])] for peer in results['peers'])])
    return text


def description(results: dict[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    return (f'{results["images"]} camera images of {size_text(results["camera"])} (height x '
            f'width), labels and mask at that size, {results["threads"]} threads, '
            f'{results["rounds"]} rounds in turn of at least {results["seconds"]:g} s '
            f'{origin_text(results)}')


def _with_agreement(chosen: Sequence[Variant], images: Sequence[Image]) -> list[Timed]:
    """Return each variant with what it says of itself, and its share of the labels of fp32."""
    expected: dict[tuple[int, int], list[Image]] = {}
    found = []
    for variant in chosen:
        if variant.size not in expected:
            with variant.reference.load() as segmenter:
                expected[variant.size] = labels_of(segmenter, images)
        with variant.load() as segmenter:
            found.append(Timed(variant, segmenter.info, agreement(
                labels_of(segmenter, images), expected[variant.size])))
    return found


def _ways(timed: Timed, images: Sequence[Image]) -> dict[str, Load]:
    variant = timed.variant
    file = variant.bundle.folder / variant.bundle.entry(variant.precision).file
    ways: dict[str, Load] = {
        SEGMENT: partial(_segment, timed, images, SEGMENT, DrivableRules()),
        RULES: partial(_segment, timed, images, RULES, EVERY_RULE)}
    # PyTorch has no way to run an ONNX file but the segmenter's own.
    if variant.provider != 'torch':
        ways[BARE] = partial(_bare, file, np.zeros((1, *variant.size, 3), np.uint8), variant)
        if variant.precision == 'fp32':
            ways[NAIVE] = partial(_naive, variant, images)
    return ways


def _bare(model: Path | bytes, tensor: NDArray[Any], variant: Variant) -> Infer:
    if variant.provider == 'openvino':
        hint = 'bf16' if variant.precision == 'bf16' else 'f32'
        return openvino(model, tensor, variant.threads, hint)
    return onnx_runtime(model, tensor, variant.threads, EXECUTION_PROVIDERS[variant.provider])


def _segment(timed: Timed, images: Sequence[Image], way: str, rules: DrivableRules) -> Infer:
    segmenter = timed.variant.load()
    drivable = DrivableFilter(rules)
    turn = cycle(images)
    stamp = count(step=_FRAME_NS)
    stages = timed.stages.setdefault(way, {})

    def infer() -> Image:
        result = segmenter.segment(next(turn), drivable=drivable, stamp_ns=next(stamp))
        for stage, milliseconds in result.timings.items():
            stages.setdefault(stage, []).append(milliseconds)
        return result.labels

    return infer


def _naive(variant: Variant, images: Sequence[Image]) -> Infer:
    model, mean, scale = float_model(variant.bundle.verified_model('fp32'), variant.size)
    tensor = np.zeros((1, 3, *variant.size), np.float32)
    run = _bare(model, tensor, variant)
    mean, scale = mean.ravel(), scale.ravel()
    height, width = images[0].shape[:2]
    drivable = variant.bundle.label_space.drivable_lut(())
    turn = cycle(images)

    def infer() -> Image:
        small = cv2.resize(next(turn), variant.size[::-1])
        normalised = (small.astype(np.float32) - mean) * scale
        tensor[0] = normalised.transpose(2, 0, 1)
        logits = run()[0].transpose(1, 2, 0)
        labels = cv2.resize(logits, (width, height)).argmax(axis=2).astype(np.uint8)
        return drivable[labels]

    return infer


def _result(timed: Timed, times: dict[tuple[str, str], list[float]]) -> dict[str, Any]:
    variant, info = timed.variant, timed.info
    latency = {way: percentiles(times[variant.name, way]) for way in (BARE, SEGMENT, RULES, NAIVE)
               if (variant.name, way) in times}
    segment = latency[SEGMENT]['p50']
    return {
        'model': variant.bundle.name, 'input': list(variant.size),
        'provider': variant.provider, 'provider_run': info.provider,
        'precision': variant.precision, 'precision_run': info.precision_run,
        'label_agreement': timed.agreement, 'latency_ms': latency,
        'stages_ms': {way: {stage: percentiles(values) for stage, values in stages.items()}
                      for way, stages in timed.stages.items()},
        'segment_over_bare': segment / latency[BARE]['p50'] if BARE in latency else None,
        'naive_over_segment': latency[NAIVE]['p50'] / segment if NAIVE in latency else None}


def _gain(variant: dict[str, Any], others: Sequence[dict[str, Any]]) -> float | None:
    """Return how many times faster than fp32 in ONNX Runtime the bare network is."""
    for other in others if BARE in variant['latency_ms'] else ():
        if (other['input'], other['provider'], other['precision']) == (
                variant['input'], 'cpu', 'fp32'):
            return float(other['latency_ms'][BARE]['p50'] / variant['latency_ms'][BARE]['p50'])
    return None


def _latency_text(latency: dict[str, float]) -> str:
    return ' / '.join(f'{latency[key]:.1f}' for key in ('p50', 'p95', 'p99')) if latency else '-'
