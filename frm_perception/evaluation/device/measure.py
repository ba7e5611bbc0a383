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
Measure what a computer makes of models: every variant that runs, then the best for longer.

A variant is timed in a process of its own. Its labels are compared with those of fp32 in ONNX
Runtime on the CPU of the same computer, so that an engine that is fast and wrong is seen. The
fastest of those that are right then works without a pause, as it would on a vehicle, which shows
whether the computer gets too hot for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.evaluation.device.facts import device_facts
from frm_perception.evaluation.device.facts import without_folders
from frm_perception.evaluation.device.trial import IMAGES
from frm_perception.evaluation.device.trial import Trial
from frm_perception.evaluation.device.trial import TrialError
from frm_perception.evaluation.device.trial import run_apart
from frm_perception.evaluation.device.watch import watching
from frm_perception.evaluation.record import provenance
from frm_perception.evaluation.variant import Variant
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.scenes import RenderedDrive

FORMAT = 1
LEAST_AGREEMENT = 0.98
"""What the accuracy gate asks of 8 bits, the coarsest precision: docs/precisions.md."""
_PACKAGES = ('frm_perception', 'onnxruntime', 'onnxruntime-gpu', 'openvino', 'torch', 'numpy',
             'opencv-python-headless', 'numba')
_IMAGES = 10
_BUSY = 0.25
"""Load for each core above which something else than this is at work."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """
    What is to be measured.

    :param variants: those of the first model at its first size are what a device's row is about.
    :param camera: (height, width) of the camera's images, which are rendered.
    :param seconds: least time that each variant is timed for.
    :param sustained: seconds that the best one works without a pause; 0: it does not.
    :param engine_cache: folder of built engines, '' for the user's own.
    """

    variants: Sequence[Variant]
    camera: tuple[int, int]
    seconds: float
    sustained: float
    engine_cache: str


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """
    Carry out a plan; Ctrl-C ends it, and what was measured until then is returned.

    :param tell: takes lines on how far it is.
    :return: what :mod:`frm_perception.evaluation.device.report` reads.
    :raises EngineError: ONNX Runtime is missing.
    """
    machine = Machine()
    results: dict[str, Any] = {
        'benchmark': 'device', 'format': FORMAT,
        'date': datetime.now(timezone.utc).date().isoformat(),
        'device': device_facts(machine), **provenance(_PACKAGES),
        'camera': list(plan.camera), 'images': _IMAGES, 'interrupted': False, 'variants': [],
        'failures': [], 'sustained': None}
    load, cores = results['machine']['load'], results['machine']['cores']
    if load > cores * _BUSY:
        tell(f'warning: the load is {load:.1f} on {cores} cores; what else runs makes the figures '
             f'too slow')
    with tempfile.TemporaryDirectory(prefix='frm_perception-') as folder, \
            watching(machine) as watch:
        try:
            tell(f'rendering {_IMAGES} images')
            np.save(Path(folder) / IMAGES, _render(plan.camera))
            _each(plan, Path(folder), results, tell)
            _sustain(plan, Path(folder), machine, results, tell)
        except KeyboardInterrupt:
            results['interrupted'] = True
    results['state'] = watch.summary()
    return results


def best(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fastest variant of the first model and size whose labels are right."""
    right = [variant for variant in own(results)
             if variant['label_agreement'] >= LEAST_AGREEMENT]
    return min(right, key=lambda variant: variant['latency_ms']['p50'], default=None)


def own(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the variants of the first model at its first size, as they were measured."""
    return [variant for variant in results['variants']
            if (variant['model'], variant['input']) == (
                results['variants'][0]['model'], results['variants'][0]['input'])]


def _each(plan: Plan, scratch: Path, results: dict[str, Any], tell: Tell) -> None:
    useless: set[str] = set()
    for number, variant in enumerate(plan.variants, start=1):
        if variant.provider in useless:
            continue
        at = f'{number} of {len(plan.variants)}: {variant.name}'
        tell(at)
        trial = Trial(variant, plan.seconds, scratch, plan.engine_cache)
        try:
            found = run_apart(trial, partial(_tell_of, at, tell))
        except TrialError as error:
            why = without_folders(str(error))
            results['failures'].append({
                'model': variant.bundle.name, 'input': list(variant.size),
                'provider': variant.provider, 'precision': variant.precision, 'why': why})
            tell(f'{at} does not run: {why}')
            # What cannot do the first thing that is asked of it does the others no better, and
            # for TensorRT it may take minutes to find that out again.
            if not any(done['provider'] == variant.provider for done in results['variants']):
                useless.add(variant.provider)
            continue
        results['variants'].append(found)
        tell(f'{at}: {found["latency_ms"]["p50"]:.1f} ms a frame, '
             f'{found["label_agreement"]:.2%} of labels as fp32')


def _sustain(plan: Plan, scratch: Path, machine: Machine, results: dict[str, Any], tell: Tell
             ) -> None:
    chosen = best(results) if results['variants'] else None
    if not plan.sustained or chosen is None:
        return
    variant = next(variant for variant in plan.variants if (
        variant.bundle.name, list(variant.size), variant.provider, variant.precision) == (
            chosen['model'], chosen['input'], chosen['provider'], chosen['precision']))
    at = f'{variant.name} without a pause'
    tell(f'{at} for {plan.sustained:g} s')
    trial = Trial(variant, plan.sustained, scratch, plan.engine_cache)
    try:
        with watching(machine) as watch:
            found = run_apart(trial, partial(_tell_of, at, tell))
    except TrialError as error:
        results['failures'].append({
            'model': variant.bundle.name, 'input': list(variant.size),
            'provider': variant.provider, 'precision': variant.precision,
            'why': f'it ran before, but not for {plan.sustained:g} s: '
                   f'{without_folders(str(error))}'})
        return
    results['sustained'] = {**found, 'state': watch.summary()}


def _tell_of(what: str, tell: Tell, line: str) -> None:
    tell(f'{what}: {line}')


def _render(size: tuple[int, int]) -> Any:
    drive = RenderedDrive(0, *size, _IMAGES)
    return np.stack([drive[index].image for index in range(_IMAGES)])
