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
"""The report of a run as Markdown, short enough for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.comparison_text import difference_table
from frm_perception.evaluation.report.comparison_text import method_text
from frm_perception.evaluation.report.findings import Finding
from frm_perception.evaluation.report.tables import Table
from frm_perception.evaluation.report.tables import camera_table
from frm_perception.evaluation.report.wording import escaped


def markdown(content: Mapping[str, Any], report: Mapping[str, Any],
             comparison: Mapping[str, Any] | None) -> str:
    """
    Return the short report.

    :param content: as of :func:`.content.content`.
    :param report: what report.json holds.
    :param comparison: with the baseline, if there is one.
    """
    parts = [f'## {escaped(content["title"])}', escaped(content['subject']),
             '\n'.join(map(_finding, content['findings'])), _headline(content)]
    if comparison is not None:
        parts += ['### Against the baseline', escaped(method_text(comparison)),
                  difference_table(comparison, ('baseline', 'this run'))]
    if content['labelled']:
        parts += ['### Classes', _classes(content)]
    if len(report['cameras']) > 1:
        parts += ['### Cameras', _table(camera_table(report))]
    return '\n\n'.join(part for part in parts if part) + '\n'


def _finding(finding: Finding) -> str:
    mark = '**' if finding.wrong else ''
    return f'- {mark}{escaped(finding.title)}.{mark} {escaped(finding.text)}'


def _headline(content: Mapping[str, Any]) -> str:
    if not content['headline']:
        return ''
    return markdown_table([('figure', '', ''), *(
        (figure.title, f'{figure.value} {figure.unit}', figure.note)
        for figure in content['headline'])])


def _classes(content: Mapping[str, Any]) -> str:
    return markdown_table([('class', 'IoU %', 'precision %', 'recall %', 'of the truth %'), *(
        (escaped(row.name), percent(row.iou), percent(row.precision), percent(row.recall),
         percent(row.truth)) for row in content['classes'])])


def _table(table: Table) -> str:
    return markdown_table([table.heads, *(list(map(escaped, row)) for row in table.rows)])
