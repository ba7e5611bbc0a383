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

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import SyntheticRun

from frm_perception.evaluation.report.tables import MOST_CLASSES
from frm_perception.evaluation.report.tables import MOST_ROWS
from frm_perception.evaluation.report.tables import camera_table
from frm_perception.evaluation.report.tables import class_rows
from frm_perception.evaluation.report.tables import confusion_rows
from frm_perception.evaluation.report.tables import hex_color
from frm_perception.evaluation.report.tables import live_table
from frm_perception.evaluation.report.tables import segment_table
from frm_perception.labels import CAMVID


def confusion(counts: np.ndarray) -> dict[str, Any]:
    """Return a confusion matrix as report.json has it."""
    return {'classes': [f'class {number}' for number in range(len(counts))],
            'counts': counts[:, :-1].tolist(), 'no_class': counts[:, -1].tolist()}


def test_rows_of_the_confusion_add_up_to_all() -> None:
    heads, rows = confusion_rows(confusion(np.array([[30, 10, 0], [0, 50, 50]])))
    assert heads == ['class 0', 'class 1', 'no class']
    assert [[cell.text for cell in row.cells] for row in rows] == [
        ['75', '25', ''], ['', '50', '50']]
    assert [row.pixels for row in rows] == [40, 100]


def test_a_class_without_pixels_is_a_row_of_nothing() -> None:
    _, rows = confusion_rows(confusion(np.array([[9, 1, 0], [0, 0, 0]])))
    assert [cell.text for cell in rows[1].cells] == ['', '']


def test_a_little_is_told_from_nothing() -> None:
    _, rows = confusion_rows(confusion(np.array([[999, 1, 0], [0, 1, 0]])))
    assert rows[0].cells[1].text == '·'


def test_of_many_classes_those_with_most_pixels_are_shown() -> None:
    counts = np.zeros((60, 61), np.int64)
    np.fill_diagonal(counts, np.arange(60))
    heads, rows = confusion_rows(confusion(counts))
    assert len(rows) == MOST_CLASSES and heads[0] == f'class {60 - MOST_CLASSES}'
    assert all(row.cells[place].text == '100' for place, row in enumerate(rows))


def test_classes_have_their_colours_and_figures(tmp_path: Path) -> None:
    report = SyntheticRun(frames=10).write(tmp_path).read_report()
    rows = class_rows(report, np.ones(len(CAMVID.classes), np.int64))
    assert [row.name for row in rows] == list(CAMVID.classes)
    assert rows[3].color == '#804080'
    assert rows[3].iou == pytest.approx(report['figures']['iou']['road'])
    assert sum(row.truth or 0 for row in rows) == pytest.approx(1)


def test_without_labels_the_shares_of_what_was_predicted_are_left(tmp_path: Path) -> None:
    report = SyntheticRun(frames=10, labelled=False).write(tmp_path).read_report()
    pixels = np.arange(len(CAMVID.classes))
    rows = class_rows(report, pixels)
    assert rows[3].iou is None
    assert rows[3].predicted == pytest.approx(3 / pixels.sum())


def test_figures_that_nobody_has_are_no_columns(tmp_path: Path) -> None:
    report = SyntheticRun(frames=10, labelled=False, confident=False).write(tmp_path).read_report()
    assert camera_table(report).heads == [
        'camera', 'frames', 'labelled', 'stability %', 'drivable area %', 'alarms']


def test_of_many_segments_the_worst_are_shown_in_their_order(tmp_path: Path) -> None:
    report = replace(SyntheticRun(frames=10), alarmed=(1,)).write(tmp_path).read_report()
    segment = report['segments'][0]
    bad = {**segment['figures'], 'drivable_iou': 0.1,
           'alarms': {'one_class': 0, 'frozen': 0}}
    good = {**bad, 'drivable_iou': 0.9}
    report['segments'] = [
        {**segment, 'begin_s': 2.0 * number, 'end_s': 2.0 * number + 2,
         'figures': bad if number % 3 == 0 else good} for number in range(3 * MOST_ROWS)]
    table = segment_table(report)
    assert len(table.rows) == MOST_ROWS and table.left_out == 2 * MOST_ROWS
    assert [row[2] for row in table.rows[:2]] == ['0:00.0 – 0:02.0', '0:06.0 – 0:08.0']


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=3))
def test_any_numbers_are_a_colour(rgb: list[int]) -> None:
    color = hex_color(rgb)
    assert len(color) == 7 and 0 <= int(color[1:], 16) <= 0xffffff


def test_the_running_node_is_told_by_camera() -> None:
    camera = {'published': 9, 'answered': 7, 'late': 1, 'lost': 0,
              'unanswered': {'too_old': 2}, 'latency_ms': {
                  'p50': 20.0, 'p95': 30.0, 'p99': 31.0, 'max': 40.0}}
    silent = {**camera, 'answered': 0, 'late': None, 'unanswered': {}, 'latency_ms': {}}
    table = live_table({'cameras': {'/front': camera, '/rear': silent}})
    assert table.rows == [
        ['/front', '9', '7', '1', '20.0', '30.0', '31.0', '2 too old'],
        ['/rear', '9', '0', '-', '-', '-', '-', '9 of unknown fate']]
