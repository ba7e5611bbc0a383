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
"""What is wrong with a run, or must be known to read its figures: it stands first in a report."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frm_perception.evaluation.report.comparison_text import difference_rows
from frm_perception.evaluation.report.panels import ALARM_TITLES
from frm_perception.evaluation.report.tables import fates
from frm_perception.evaluation.report.wording import count
from frm_perception.evaluation.report.wording import some_of

_MOST_DAMAGE = 12


@dataclass(frozen=True)
class Finding:
    """
    One thing to know.

    :param wrong: it spoils the drive or its figures; else it only limits what they tell.
    """

    wrong: bool
    title: str
    text: str


def findings(report: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> list[Finding]:
    """
    Return what is wrong, then what else limits the figures; nothing if all is well.

    :param comparison: with a baseline, if there is one.
    """
    found = [*_incomplete(report), *_damage(report['bags']), *_live(report.get('live')),
             *_alarms(report['alarms']), *_worse(comparison), *_left_out(report['bags']),
             *_model(report['model']), *_labels(report)]
    return sorted(found, key=lambda finding: not finding.wrong)


def _incomplete(report: Mapping[str, Any]) -> Iterator[Finding]:
    if not report['complete']:
        yield Finding(True, 'The run is not complete',
                      f'{count(report["figures"]["frames"], "frame")} so far; the same command '
                      'goes on where it ended.')


def _damage(bags: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    damaged = [bag for bag in bags if bag['damage'] or bag['unread']]
    for bag in damaged[:_MOST_DAMAGE]:
        unread = [f'{count(bag["unread"], "image")} could not be read'] if bag['unread'] else []
        yield Finding(True, f'{bag["name"]} is damaged',
                      some_of([*unread, *bag['damage']], separator='; ') + '.')
    if len(damaged) > _MOST_DAMAGE:
        rest = [bag['name'] for bag in damaged[_MOST_DAMAGE:]]
        yield Finding(True, f'{count(len(rest), "more bag is", "more bags are")} damaged',
                      some_of(rest))


def _live(live: Mapping[str, Any] | None) -> Iterator[Finding]:
    if live is None:
        return
    missing = live['published'] - live['answered']
    if missing:
        yield Finding(True, 'The node did not answer every image',
                      f'{missing:,} of {count(live["published"], "image")}: {fates(live)}.')
    if live['late']:
        yield Finding(True, 'Late answers', f'{count(live["late"], "answer")} took longer than '
                      f'{live["late_ms"]:g} ms.')
    if live['notes']:
        yield Finding(False, 'Noticed while playing', some_of(live['notes'], separator='; ') + '.')


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for kind in sorted({alarm['kind'] for alarm in alarms}):
        mine = [alarm for alarm in alarms if alarm['kind'] == kind]
        cameras = sorted({f'{alarm["camera"]} of {alarm["bag"]}' for alarm in mine})
        frames = sum(alarm['frames'] for alarm in mine)
        yield Finding(True, f'Alarm: {ALARM_TITLES.get(kind, kind)}',
                      f'{count(len(mine), "time")}, {count(frames, "frame")}, on '
                      f'{some_of(cameras)}.')


def _worse(comparison: Mapping[str, Any] | None) -> Iterator[Finding]:
    rows = [] if comparison is None else [
        row for row in difference_rows(comparison) if row.verdict == 'worse']
    if rows:
        yield Finding(True, 'Worse than the baseline', some_of(
            [f'{row.name} {row.difference} {"ms" if row.unit == "ms" else "points"}'
             for row in rows]) + '.')


def _left_out(bags: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    texts = [f'{bag["name"]}: {text}' for bag in bags for text in bag['left_out']]
    if texts:
        yield Finding(False, 'Topics that were left out',
                      some_of(texts, separator='; ') + '.')


def _model(model: Mapping[str, Any]) -> Iterator[Finding]:
    for key, title in (('fallback', 'Not computed as asked for'),
                       ('kernels_note', 'Slower than need be')):
        if model.get(key):
            yield Finding(False, title, model[key])


def _labels(report: Mapping[str, Any]) -> Iterator[Finding]:
    frames, labelled = (report['figures'][key] for key in ('frames', 'labelled'))
    if not labelled:
        yield Finding(False, 'No labels', 'How right the labels are is not known here: stability, '
                      'confidence and the drivable area are figures of the model alone.')
    elif labelled < frames:
        yield Finding(False, 'Some frames have no labels', f'IoU, precision and recall are of '
                      f'{labelled:,} of {count(frames, "frame")}.')
    lonely = sum(bag['unmatched']['labels'] for bag in report['bags'])
    if lonely:
        yield Finding(False, 'Some labels have no image', f'{count(lonely, "label image")} bear '
                      'no stamp of an image, within the tolerance, and count nowhere.')
