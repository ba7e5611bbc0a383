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
"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.columns import Integers
from frm_perception.evaluation.report.wording import NOTHING
from frm_perception.evaluation.report.wording import clock

MOST_ROWS = 60
"""Of a table; those that are left out are in report.json."""

MOST_CLASSES = 40
"""Rows and columns of a confusion matrix that people can still read."""

SHADES = 10

FIGURE_HEADS = {
    'mean_iou': 'mean IoU', 'drivable_iou': 'drivable IoU', 'stability': 'stability',
    'agreement': 'agreement', 'confidence': 'confidence', 'drivable_share': 'drivable area'}
"""Figures of cameras and segments, all of them shares."""


@dataclass(frozen=True)
class Table:
    """
    Rows of texts.

    :param names: how many columns from the left are names; the others are numbers.
    :param left_out: how many rows are not shown.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1
    left_out: int = 0


@dataclass(frozen=True)
class ClassRow:
    """A class: its colour as #rrggbb, and its figures, 0..1 or None."""

    name: str
    color: str
    iou: float | None
    precision: float | None
    recall: float | None
    truth: float | None
    predicted: float | None


@dataclass(frozen=True)
class MatrixCell:
    """A share of a true class's pixels: as text, and how dark it is, 0 to :data:`SHADES`."""

    text: str
    shade: int


@dataclass(frozen=True)
class MatrixRow:
    """A true class of a confusion matrix; ``pixels`` are how many there are of it."""

    name: str
    pixels: int
    cells: Sequence[MatrixCell]


def class_rows(report: Mapping[str, Any], class_pixels: Integers) -> list[ClassRow]:
    """
    Return what is known of every class: of those compared with labels, else of the model's.

    :param class_pixels: (C,) int64 predicted pixels of each of the model's classes.
    """
    colors = dict(zip(report['classes'], map(hex_color, report['colors'])))
    confusion = report['figures']['confusion']
    if not any_counted(confusion):
        shares = _shares(class_pixels)
        return [ClassRow(name, colors[name], None, None, None, None, shares[index])
                for index, name in enumerate(report['classes'])]
    matrix = _matrix(confusion)
    truth, found = matrix.counts.sum(axis=1), matrix.counts.sum(axis=0)[:-1]
    return [ClassRow(name, colors.get(name, '#808080'), *map(_known, figures)) for name, *figures
            in zip(matrix.classes, matrix.iou(), matrix.precision(), matrix.recall(),
                   _shares(truth), _shares(found))]


def confusion_rows(confusion: Mapping[str, Any]) -> tuple[list[str], list[MatrixRow]]:
    """
    Return heads and rows of a confusion matrix, each row in percent of its true class.

    The last column is for pixels without a class, and is left out where there are none. Of more
    classes than :data:`MOST_CLASSES` those with the most pixels are shown.
    """
    matrix = _matrix(confusion)
    truth = matrix.counts.sum(axis=1)
    shown = np.sort(np.argsort(-truth, kind='stable')[:MOST_CLASSES])
    heads = [matrix.classes[index] for index in shown]
    columns = [*shown]
    if matrix.counts[:, -1].any():
        heads.append('no class')
        columns.append(len(matrix.classes))
    rows = []
    for index in shown:
        shares = matrix.counts[index] / max(int(truth[index]), 1)
        rows.append(MatrixRow(matrix.classes[index], int(truth[index]),
                              [_cell(float(shares[column])) for column in columns]))
    return heads, rows


def camera_table(report: Mapping[str, Any]) -> Table:
    """Return the figures of every camera, over all bags."""
    cameras = report['cameras']
    names = _occurring(cameras.values())
    rows = [[topic, f'{figures["frames"]:,}', f'{figures["labelled"]:,}',
             *(percent(figures[name]) for name in names), _alarm_count(figures)]
            for topic, figures in cameras.items()]
    return Table(['camera', 'frames', 'labelled', *(f'{FIGURE_HEADS[name]} %' for name in names),
                  'alarms'], rows[:MOST_ROWS], 1, max(len(rows) - MOST_ROWS, 0))


def segment_table(report: Mapping[str, Any]) -> Table:
    """Return the figures of the segments; of too many, those that are worst, in their order."""
    segments = report['segments']
    names = _occurring(segment['figures'] for segment in segments)
    chosen = sorted(sorted(range(len(segments)), key=lambda index: _badness(
        segments[index]['figures'], names))[:MOST_ROWS])
    rows = []
    for index in chosen:
        segment, figures = segments[index], segments[index]['figures']
        rows.append([
            segment['bag'], segment['camera'],
            f'{clock(segment["begin_s"])} – {clock(segment["end_s"])}', f'{figures["frames"]:,}',
            *(percent(figures[name]) for name in names), _alarm_count(figures)])
    return Table(['bag', 'camera', 'time', 'frames', *(
        f'{FIGURE_HEADS[name]} %' for name in names), 'alarms'], rows, 3,
        len(segments) - len(chosen))


def bag_table(report: Mapping[str, Any]) -> Table:
    """Return what was read of every bag."""
    rows = [[bag['name'], bag['path'], clock(bag['duration_s']), ', '.join(bag['cameras']),
             f'{bag["frames"]:,}', f'{bag["labelled"]:,}', f'{bag["unread"]:,}']
            for bag in report['bags']]
    return Table(['bag', 'path', 'duration', 'cameras', 'frames', 'labelled', 'unread'],
                 rows[:MOST_ROWS], 4, max(len(rows) - MOST_ROWS, 0))


def latency_table(milliseconds: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the percentiles of every stage."""
    names = ('p50', 'p95', 'p99', 'max')
    return Table(['stage', *(f'{name} ms' for name in names)], [
        [stage, *(f'{figures[name]:.1f}' for name in names)]
        for stage, figures in milliseconds.items() if figures])


def any_counted(confusion: Mapping[str, Any]) -> bool:
    """Return whether labels told classes, so that there is a confusion matrix to show."""
    return bool(_matrix(confusion).counts.any())


def live_table(live: Mapping[str, Any]) -> Table:
    """Return what became of the images that were played to a running node, by camera."""
    names = ('p50', 'p95', 'p99')
    rows = [[topic, f'{camera["published"]:,}', f'{camera["answered"]:,}',
             NOTHING if camera['late'] is None else f'{camera["late"]:,}',
             *(f'{camera["latency_ms"][name]:.1f}' if camera['latency_ms'] else NOTHING
               for name in names), fates(camera) or NOTHING]
            for topic, camera in live['cameras'].items()]
    return Table(['camera', 'played', 'answered', 'late', *(f'{name} ms' for name in names),
                  'without an answer'], rows[:MOST_ROWS], 1, max(len(rows) - MOST_ROWS, 0))


def fates(live: Mapping[str, Any]) -> str:
    """Return why images have no answer, as far as that is known, with counts."""
    known = {**live['unanswered'], 'lost on the way': live['lost']}
    rest = live['published'] - live['answered'] - sum(known.values())
    return ', '.join(f'{number:,} {reason.replace("_", " ")}' for reason, number in (
        *known.items(), ('of unknown fate', max(rest, 0))) if number)


def hex_color(rgb: Sequence[int]) -> str:
    """Return a colour, three times 0..255, as #rrggbb."""
    return '#' + ''.join(f'{min(max(int(value), 0), 255):02x}' for value in rgb[:3])


def _matrix(confusion: Mapping[str, Any]) -> ConfusionMatrix:
    matrix = ConfusionMatrix(confusion['classes'])
    if matrix.classes:
        matrix.counts[:, :-1] = confusion['counts']
        matrix.counts[:, -1] = confusion['no_class']
    return matrix


def _cell(share: float) -> MatrixCell:
    # Half a percent is the least that a whole number shows; a dot tells less from nothing.
    text = f'{100 * share:.0f}' if share >= 0.005 else '·' if share > 0 else ''
    return MatrixCell(text, round(SHADES * share ** 0.5))


def _shares(pixels: Integers) -> list[float | None]:
    total = int(pixels.sum())
    return [int(value) / total if total else None for value in pixels]


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _occurring(all_figures: Iterable[Mapping[str, Any]]) -> list[str]:
    known = list(all_figures)
    return [name for name in FIGURE_HEADS
            if any(figures[name] is not None for figures in known)]


def _alarm_count(figures: Mapping[str, Any]) -> str:
    return ', '.join(f'{number:,} {kind.replace("_", " ")}'
                     for kind, number in figures['alarms'].items() if number)


def _badness(figures: Mapping[str, Any], names: Sequence[str]) -> tuple[float, ...]:
    """Return what sorts segments from bad to good: frames with alarms, then the figures."""
    return (-sum(figures['alarms'].values()),
            *(1.0 if figures[name] is None else figures[name]
              for name in ('drivable_iou', 'mean_iou', 'stability') if name in names))
