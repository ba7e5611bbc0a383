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
"""A comparison of two runs in words and tables."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frm_perception.evaluation.drive.bootstrap import LEAST_SEGMENTS
from frm_perception.evaluation.drive.compare import less_is_better
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.wording import NOTHING
from frm_perception.evaluation.report.wording import clock
from frm_perception.evaluation.report.wording import count
from frm_perception.evaluation.report.wording import escaped
from frm_perception.evaluation.report.wording import milliseconds
from frm_perception.evaluation.report.wording import some_of

_TITLES = {
    'mean_iou': 'mean IoU', 'drivable_iou': 'drivable IoU',
    'drivable_precision': 'drivable precision', 'drivable_recall': 'drivable recall',
    'latency_p50': 'latency p50', 'latency_p95': 'latency p95'}


@dataclass(frozen=True)
class DifferenceRow:
    """
    A figure of two runs as texts.

    :param unit: % or ms; a difference of % is in points.
    """

    name: str
    unit: str
    a: str
    b: str
    difference: str
    interval: str
    verdict: str


def difference_rows(comparison: Mapping[str, Any]) -> list[DifferenceRow]:
    """Return the figures that either run has."""
    return [_row(name, figure) for name, figure in comparison['figures'].items()
            if figure['a'] is not None or figure['b'] is not None]


def method_text(comparison: Mapping[str, Any]) -> str:
    """Return a few sentences on what was compared and how sure it is."""
    frames, segments = comparison['frames'], comparison['segments']
    text = (f'{count(frames["compared"], "frame")} of the same bag, camera and stamp, '
            f'{frames["labelled"]:,} of them with labels, in '
            f'{count(segments["number"], "segment")} of {segments["seconds"]:g} s. ')
    if segments['number'] >= LEAST_SEGMENTS:
        text += (f'Intervals of {100 * comparison["bootstrap"]["level"]:.0f} % by '
                 f'{comparison["bootstrap"]["resamples"]:,} resamples of the segments, of figures '
                 f'that {LEAST_SEGMENTS} of them have; a verdict stands where they leave out 0.')
    return ' '.join([text.strip(), *_reservations(comparison)])


def figure_title(name: str) -> str:
    """Return what people call a figure of a comparison."""
    kind, dot, of_class = name.partition('.')
    return f'{of_class} IoU' if dot else _TITLES.get(kind, kind)


def run_text(run: Mapping[str, Any]) -> str:
    """Return which run it is, of which model."""
    model = run['model']
    height, width = model['resolution']
    return (f'{run["folder"]}: {model["bundle"]} at {height}x{width}, {model["precision"]}, '
            f'{model["provider"]}')


def comparison_markdown(comparison: Mapping[str, Any], failures: Mapping[str, str | None]) -> str:
    """
    Return a comparison for a terminal or a pull request.

    :param failures: of each demand, why it is not met; None where it is.
    """
    demands = '\n'.join(f'- **not met**: `{demand}`: {reason}' if reason else f'- met: `{demand}`'
                        for demand, reason in failures.items())
    runs = '\n'.join(f'- {side.upper()}: {escaped(run_text(comparison[side]))}' for side in 'ab')
    parts = ['## Comparison of two runs', runs, demands,
             escaped(method_text(comparison)), difference_table(comparison),
             *_places(comparison)]
    return '\n\n'.join(part for part in parts if part)


def difference_table(comparison: Mapping[str, Any], names: tuple[str, str] = ('A', 'B')) -> str:
    """Return the figures as a Markdown table."""
    return markdown_table([
        ('', *names, 'difference', '95 % interval', ''),
        *((f'{escaped(row.name)} {row.unit}', row.a, row.b, row.difference, row.interval,
           '' if row.verdict in ('undecided', 'unknown') else f'**{row.verdict}**')
          for row in difference_rows(comparison))])


def _row(name: str, figure: Mapping[str, Any]) -> DifferenceRow:
    text = milliseconds if less_is_better(name) else percent
    scale, digits = (1, 1) if less_is_better(name) else (100, 2)

    def signed(value: float | None) -> str:
        return NOTHING if value is None else f'{scale * value:+.{digits}f}'

    interval = NOTHING if figure['low'] is None else (
        f'{signed(figure["low"])} to {signed(figure["high"])}')
    unit = 'ms' if less_is_better(name) else '%'
    return DifferenceRow(figure_title(name), unit, text(figure['a']), text(figure['b']),
                         signed(figure['difference']), interval, figure['verdict'])


def _reservations(comparison: Mapping[str, Any]) -> Iterator[str]:
    frames, classes = comparison['frames'], comparison['classes']
    if comparison['segments']['number'] < LEAST_SEGMENTS:
        yield (f'Intervals take {LEAST_SEGMENTS} segments at least: with fewer they would claim '
               'too much.')
    for side, name in (('a', 'A'), ('b', 'B')):
        if frames[f'only_in_{side}']:
            yield f'{count(frames[f"only_in_{side}"], "frame")} are in {name} alone.'
        if classes[f'only_in_{side}']:
            yield f'Classes in {name} alone: {some_of(classes[f"only_in_{side}"])}.'
        if not comparison[side]['complete']:
            yield f'Run {name} is not complete.'
    if frames['other_labels']:
        yield (f'The labels of {count(frames["other_labels"], "frame")} differ between the runs: '
               'figures against labels are not comparable there.')


def _places(comparison: Mapping[str, Any]) -> Iterator[str]:
    places = comparison['places']
    for word in ('fell', 'rose'):
        if places[word]:
            yield f'Where {figure_title(places["figure"])} {word} most (%):\n\n' + markdown_table([
                ('bag', 'from', 'A', 'B', 'difference'),
                *((escaped(place['bag']), clock(place['begin_s']), percent(place['a']),
                   percent(place['b']), f'{100 * place["difference"]:+.2f}')
                  for place in places[word])])
