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
"""A model on labelled images: how good its labels are, and how long they take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.evaluation.segmentation_score import SegmentationScore
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

WARM_UP = 1
"""How often the first image is labelled before anything counts: caches are cold, buffers new."""

PACKAGES = ('frm-perception', 'numpy', 'onnxruntime', 'onnxruntime-gpu', 'opencv-python-headless')

_WORST = 10


def evaluate(segmenter: Segmenter, images: Sequence[LabelledImage],
             comparison: Comparison) -> dict[str, Any]:
    """
    Label every image, and return all figures, ready for JSON.

    :raises DataError: a file can no longer be read.
    :raises EngineError: the network failed.
    """
    score = SegmentationScore(comparison)
    timings: dict[str, list[float]] = {}
    drivable = []
    for index, item in enumerate(tqdm(images, 'evaluating', unit='image', disable=None)):
        image, target = item.read()
        for _ in range(0 if index else WARM_UP):
            segmenter.segment(image)
        found = segmenter.segment(image, confidence=True)
        drivable.append((score.update(target, found), item.image.name))
        # The confidence is for the figures; a vehicle does not wait for it.
        stages = {name: value for name, value in found.timings.items() if name != 'confidence'}
        for stage, value in (*stages.items(), ('total', sum(stages.values()))):
            timings.setdefault(stage, []).append(value)
    worst = sorted(pair for pair in drivable if not math.isnan(pair[0]))[:_WORST]
    return {
        **score.result(),
        'worst_drivable': [{'image': name, 'drivable_iou': iou} for iou, name in worst],
        'milliseconds': {stage: percentiles(values) for stage, values in timings.items()},
        'warm_up_images': WARM_UP}


def origin(bundle: Bundle, segmenter: Segmenter, comparison: Comparison) -> dict[str, Any]:
    """Return which model the figures are of, on what, and what was compared, ready for JSON."""
    entry = bundle.entry(segmenter.info.precision)
    return {
        'model': {**asdict(segmenter.info), 'file': str(bundle.folder / entry.file),
                  'sha256': entry.sha256, 'label_space': bundle.label_space.name},
        'compared': {'classes': list(comparison.classes),
                     'only_in_model': list(comparison.only_in_model),
                     'only_in_data': list(comparison.only_in_data)},
        **provenance(PACKAGES)}


def report(results: Mapping[str, Any]) -> str:
    """Return the results as text for a terminal."""
    model = results['model']
    height, width = model['resolution']
    lines = [f'{model["bundle"]} at {height}x{width} ({model["precision"]}, {model["provider"]}) '
             f'on {results["images"]} images', '']
    if 'iou' in results:
        lines += [_class_table(results), '']
    lines += [markdown_table([('drivable area', '%'), *(
        (name, percent(results[f'drivable_{key}'])) for name, key in (
            ('IoU', 'iou'), ('precision', 'precision'), ('recall', 'recall'),
            ('boundary IoU', 'boundary_iou')))]), '']
    lines += [_latency_table(results['milliseconds']), '']
    lines.append(f'Calibration error (ECE) {percent(results["calibration"]["ece"])} %.')
    if results['worst_drivable']:
        worst = results['worst_drivable'][0]
        lines.append(f'Least drivable IoU: {percent(worst["drivable_iou"])} % in '
                     f'{worst["image"]}.')
    return '\n'.join([*lines, *left_out(results['compared'])])


def left_out(compared: Mapping[str, Sequence[str]]) -> list[str]:
    """
    Return in words which classes could not be compared.

    :param compared: as in :func:`origin`.
    """
    return [f'Left out, as the {other} {verb} not have them: {", ".join(names)}.'
            for other, verb, names in (('data', 'do', compared['only_in_model']),
                                       ('model', 'does', compared['only_in_data'])) if names]


def _class_table(results: Mapping[str, Any]) -> str:
    rows = [('class', 'IoU, %', 'boundary IoU, %')]
    rows += [(name, percent(iou), percent(results['boundary_iou'][name]))
             for name, iou in results['iou'].items()]
    rows += [('mean', percent(results['mean_iou']), percent(results['mean_boundary_iou'])),
             ('pixel accuracy', percent(results['pixel_accuracy']), '')]
    return markdown_table(rows)


def _latency_table(milliseconds: Mapping[str, Mapping[str, float]]) -> str:
    names = ('p50', 'p95', 'p99')
    return markdown_table([('latency, ms', *names), *(
        (stage, *(f'{figures[name]:.1f}' for name in names))
        for stage, figures in milliseconds.items())])
