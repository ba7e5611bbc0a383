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
"""A run's figures as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from frm_perception.evaluation.evaluate import left_out
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percent

_FIGURES = {
    'mean_iou': 'mean IoU', 'pixel_accuracy': 'pixel accuracy', 'drivable_iou': 'drivable IoU',
    'drivable_precision': 'drivable precision', 'drivable_recall': 'drivable recall',
    'drivable_share': 'drivable area', 'confidence': 'confidence', 'stability': 'stability',
    'agreement': 'agreement'}
"""Figures that are shares -> what people call them."""

_PERCENTILES = ('p50', 'p95', 'p99')


def summary(report: Mapping[str, Any]) -> str:
    """
    Return a report as text.

    :param report: what :func:`.drive_report.drive_report` returns.
    """
    model = report['model']
    height, width = model['resolution']
    frames = report['figures']['frames']
    lines = [f'{model["bundle"]} at {height}x{width} ({model["precision"]}, {model["provider"]}) '
             f'on {frames} frames of {_names(report["bags"])}', '', _camera_table(report), '']
    known = {name: value for name, value in report['figures']['iou'].items() if value is not None}
    if known:
        lines += [markdown_table([('class', 'IoU, %'), *(
            (name, percent(value)) for name, value in known.items())]), '']
    lines += [markdown_table([('latency, ms', *_PERCENTILES), *(
        (stage, *(f'{values[name]:.1f}' for name in _PERCENTILES))
        for stage, values in report['timings']['milliseconds'].items())]), '']
    lines += _notes(report)
    return '\n'.join(lines).rstrip('\n')


def _camera_table(report: Mapping[str, Any]) -> str:
    columns = {'all': report['figures']}
    if len(report['cameras']) > 1:
        columns |= report['cameras']
    rows = [('figure, %', *columns)]
    rows += [(text, *(percent(figures[name]) for figures in columns.values()))
             for name, text in _FIGURES.items()
             if any(figures[name] is not None for figures in columns.values())]
    return markdown_table(rows)


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    for bag in report['bags']:
        if bag['labels']:
            missing = bag['unmatched']
            yield (f'{bag["name"]}: {bag["labelled"]} of {bag["frames"]} frames have labels; '
                   f'{missing["images"]} images and {missing["labels"]} labels have no partner '
                   f'within {report["options"]["tolerance_ms"]:g} ms.')
    if report['compared']:
        yield from left_out(report['compared'])
    for kind, count in report['figures']['alarms'].items():
        if count:
            spans = sum(alarm['kind'] == kind for alarm in report['alarms'])
            yield f'Alarm {kind}: {count} frames in {spans} places.'
    if report['worst']:
        worst = report['worst'][0]
        yield f'Worst: frame {worst["index"]} of {worst["bag"]} {worst["camera"]}, {worst["why"]}.'


def _names(bags: list[dict[str, Any]]) -> str:
    names = [bag['name'] for bag in bags]
    return ', '.join(names) if len(names) <= 3 else f'{len(names)} bags'
