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
"""What the report of a run shows, made ready for its templates."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.report.camera_frames import CameraFrames
from frm_perception.evaluation.report.columns import Floats
from frm_perception.evaluation.report.comparison_text import difference_rows
from frm_perception.evaluation.report.comparison_text import method_text
from frm_perception.evaluation.report.findings import findings
from frm_perception.evaluation.report.latency import histogram
from frm_perception.evaluation.report.panels import Panel
from frm_perception.evaluation.report.panels import figure_ranges
from frm_perception.evaluation.report.panels import panel
from frm_perception.evaluation.report.pictures import PICTURES_BYTES
from frm_perception.evaluation.report.pictures import Pictures
from frm_perception.evaluation.report.tables import any_counted
from frm_perception.evaluation.report.tables import bag_table
from frm_perception.evaluation.report.tables import camera_table
from frm_perception.evaluation.report.tables import class_rows
from frm_perception.evaluation.report.tables import confusion_rows
from frm_perception.evaluation.report.tables import latency_table
from frm_perception.evaluation.report.tables import live_table
from frm_perception.evaluation.report.tables import segment_table
from frm_perception.evaluation.report.wording import NOTHING
from frm_perception.evaluation.report.wording import count
from frm_perception.evaluation.report.wording import duration
from frm_perception.evaluation.report.wording import milliseconds
from frm_perception.evaluation.report.wording import some_of

MOST_PANELS = 24
"""Cameras whose drive is drawn; of more, those with most frames with alarms are."""

MOST_WORST = 20
_WORST_WIDTH = 960

_DEFINITIONS = (
    'IoU: intersection over union of the true and the predicted pixels, counts summed over all '
    'frames first; its mean is over the classes that occur or are predicted. Stability: share of '
    'the pixels whose label stays when the labels of the frame before are moved along the optical '
    'flow. Agreement: share of the pixels with the label of the second model. Confidence: mean '
    'softmax probability of the labels. Drivable area: its share of the image. docs/bags.md '
    'defines each figure.')


@dataclass(frozen=True)
class Headline:
    """A figure that matters, as text."""

    title: str
    value: str
    unit: str
    note: str


def content(run: RunFolder, comparison: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Return what the templates name.

    :param comparison: with a baseline, which is its ``a``; None without one.
    :raises RunFolderError: the folder is not that of a run, or is damaged.
    """
    report = run.read_report()
    figures = report['figures']
    cameras = list(_cameras(run, report))
    pictures = Pictures(run.path)
    # Before the strips: what is worst must not be what there is no room for.
    worst = [_worst(run, frame, cameras, pictures) for frame in report['worst'][:MOST_WORST]]
    panels = _panels(run, report, cameras, pictures)
    labelled = any_counted(figures['confusion'])
    pixels = sum((camera.class_pixels for camera in cameras),
                 np.zeros(len(report['classes']), np.int64))
    timed = _known([camera.figures['milliseconds'] for camera in cameras])
    return {
        'title': _title(report['bags']), 'subject': _subject(report), 'model': report['model'],
        'findings': findings(report, comparison),
        'headline': list(_headline(report, comparison)),
        'panels': panels, 'panels_left_out': len(cameras) - len(panels),
        'gathered': max((item.gathered for item in panels), default=1),
        'classes': class_rows(report, pixels), 'labelled': labelled,
        'mean_iou': figures['mean_iou'],
        'confusion': _confusion(figures['confusion']) if labelled else None,
        'worst': worst, 'latency': _latency(report, timed) if timed.size else None,
        'cameras': camera_table(report), 'segments': segment_table(report),
        'bags': bag_table(report), 'configuration': list(_configuration(report)),
        'live': live_table(report['live']) if report.get('live') else None,
        'differences': None if comparison is None else {
            'text': method_text(comparison), 'rows': difference_rows(comparison)},
        'definitions': _DEFINITIONS, 'pictures_left_out': (
            count(pictures.left_out, 'picture') if pictures.left_out else ''),
        'picture_room': f'{PICTURES_BYTES / 2**20:.0f} MiB'}


def _cameras(run: RunFolder, report: Mapping[str, Any]) -> Iterator[CameraFrames]:
    for bag in report['bags']:
        for camera in bag['cameras']:
            frames = CameraFrames.of(
                bag['name'], camera, bag['begin_ns'], run.each_record(bag['name'], camera),
                len(report['classes']))
            if frames.index.size:
                yield frames


def _panels(run: RunFolder, report: Mapping[str, Any], cameras: Sequence[CameraFrames],
            pictures: Pictures) -> list[Panel]:
    alarms: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for alarm in report['alarms']:
        alarms.setdefault((alarm['bag'], alarm['camera']), []).append(alarm)

    def alarmed(camera: CameraFrames) -> int:
        return sum(alarm['frames'] for alarm in alarms.get((camera.bag, camera.camera), ()))

    chosen = sorted(cameras, key=alarmed, reverse=True)[:MOST_PANELS]
    ranges = figure_ranges(cameras)
    durations = {bag['name']: bag['duration_s'] for bag in report['bags']}
    return [panel(run, camera, durations[camera.bag], ranges,
                  alarms.get((camera.bag, camera.camera), ()), pictures)
            for camera in cameras if any(camera is item for item in chosen)]


def _worst(run: RunFolder, frame: Mapping[str, Any], cameras: Sequence[CameraFrames],
           pictures: Pictures) -> dict[str, Any]:
    where = next((camera.when(int(position)) for camera in cameras
                  if (camera.bag, camera.camera) == (frame['bag'], frame['camera'])
                  for position in np.flatnonzero(camera.index == frame['index'])),
                 f'frame {frame["index"]}')
    return {**frame, 'where': where, 'picture': pictures.embed(
        run.path / frame['overlay'], _WORST_WIDTH) if frame['overlay'] else None}


def _confusion(confusion: Mapping[str, Any]) -> dict[str, Any]:
    heads, rows = confusion_rows(confusion)
    return {'heads': heads, 'rows': rows, 'left_out': len(confusion['classes']) - len(rows)}


def _known(values: Sequence[Floats]) -> Floats:
    together = np.concatenate([np.empty(0), *values])
    return together[~np.isnan(together)]


def _latency(report: Mapping[str, Any], timed: Floats) -> dict[str, Any]:
    lines = percentiles(timed.tolist())
    del lines['max']
    return {'frames': timed.size, 'picture': histogram(timed, lines),
            'table': latency_table(report['timings']['milliseconds'])}


def _title(bags: Sequence[Mapping[str, Any]]) -> str:
    names = [bag['name'] for bag in bags]
    return some_of(names, 3) or 'No bag'


def _subject(report: Mapping[str, Any]) -> str:
    model, bags = report['model'], report['bags']
    height, width = model['resolution']
    seconds = sum(bag['duration_s'] for bag in bags)
    return (f'{model["bundle"]} at {height}x{width}, {model["precision"]}, {model["provider"]}. '
            f'{duration(seconds)} of {count(len(bags), "drive")}, '
            f'{count(len(report["cameras"]), "camera")}, '
            f'{count(report["figures"]["frames"], "frame")}.')


def _headline(report: Mapping[str, Any], comparison: Mapping[str, Any] | None
              ) -> Iterator[Headline]:
    compared = {} if comparison is None else comparison['figures']
    figures = report['figures']
    labelled = f'{count(figures["labelled"], "labelled frame")}'
    occurring = sum(value is not None for value in figures['iou'].values())
    for key, title, note in (
            ('drivable_iou', 'drivable IoU', labelled),
            ('mean_iou', 'mean IoU', f'of {count(occurring, "class", "classes")}'),
            ('stability', 'stability', 'labels that stay'),
            ('agreement', 'agreement', 'with the second model'),
            ('confidence', 'confidence', 'mean of the pixels'),
            ('drivable_share', 'drivable area', 'of the image')):
        if figures[key] is not None:
            yield Headline(title, percent(figures[key]), '%',
                           _with_difference(note, compared.get(key)))
    total = report['timings']['milliseconds'].get('total')
    if total:
        yield Headline('latency, p95', milliseconds(total['p95']), 'ms',
                       f'half within {milliseconds(total["p50"])} ms')


def _with_difference(note: str, figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure['difference'] is None:
        return note
    return f'{note}; {100 * figure["difference"]:+.2f} to the baseline'


def _configuration(report: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield 'Model', _model(report['model'])
    if report.get('second'):
        yield 'Second model', _model(report['second'])
    yield 'Options', _entries(report['options'])
    live = report.get('live')
    if live:
        yield 'Running node', _entries({'name': live['node'], 'rate': live['rate'],
                                        'late_ms': live['late_ms'], **live['parameters']})
    origin = report['origin']
    machine = origin['machine']
    yield 'Machine', [*_entries(machine), *_entries(
        {key: value for key, value in report['timings'].items()
         if key not in ('milliseconds', 'cameras')})]
    yield 'Origin', _entries({**{key: value for key, value in origin.items()
                                 if key not in ('machine', 'versions')}, **origin['versions']})


def _model(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    return _entries({**model, 'resolution': '{}x{}'.format(*model['resolution'])})


def _entries(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_title_of(name), _text(value)) for name, value in values.items()]


def _title_of(name: str) -> str:
    for end, unit in (('_ms', ' (ms)'), ('_s', ' (s)')):
        if name.endswith(end):
            return name.removesuffix(end).replace('_', ' ') + unit
    return name.replace('_', ' ')


def _text(value: object) -> str:
    if value is None or value == [] or value == '':
        return NOTHING
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.4g}'
    if isinstance(value, list | tuple):
        return ', '.join(map(_text, value))
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {_text(item)}' for key, item in value.items())
    return str(value)
