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
"""What stands first in a report."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import SyntheticRun

from frm_perception.evaluation.drive.compare import compare
from frm_perception.evaluation.report.findings import findings

RUN = SyntheticRun(frames=10)


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the report.json of a run in which all is well."""
    return RUN.write(tmp_path_factory.mktemp('run')).read_report()


def titles(report: dict[str, Any], wrong: bool) -> list[str]:
    """Return the titles of what is wrong, or of the rest."""
    return [finding.title for finding in findings(report, None) if finding.wrong == wrong]


def test_nothing_is_found_where_all_is_well(report: dict[str, Any]) -> None:
    assert findings(report, None) == []


@pytest.mark.parametrize(('change', 'title', 'wrong'), [
    ({'complete': False}, 'The run is not complete', True),
    ({'model': {'fallback': 'cpu instead of cuda'}}, 'Not computed as asked for', False)])
def test_what_limits_the_figures_is_told(report: dict[str, Any], change: dict[str, Any],
                                         title: str, wrong: bool) -> None:
    assert titles({**report, **change}, wrong) == [title]


@pytest.mark.parametrize(('key', 'value', 'title', 'wrong'), [
    ('damage', ['cut off'], 'drive is damaged', True), ('unread', 3, 'drive is damaged', True),
    ('left_out', ['/rear has an encoding'], 'Topics that were left out', False),
    ('unmatched', {'images': 0, 'labels': 2}, 'Some labels have no image', False)])
def test_what_a_bag_lacks_is_told(report: dict[str, Any], key: str, value: object, title: str,
                                  wrong: bool) -> None:
    changed = deepcopy(report)
    changed['bags'][0][key] = value
    assert titles(changed, wrong) == [title]


def test_alarms_and_damage_come_before_what_is_only_worth_knowing(tmp_path: Path) -> None:
    run = replace(RUN, labelled=False, alarmed=(2, 3), damage=['cut off'])
    found = findings(run.write(tmp_path).read_report(), None)
    assert [finding.title for finding in found] == [
        'drive is damaged', 'Alarm: one class only', 'No labels']
    assert found[1].text == '1 time, 2 frames, on /front/image_raw of drive.'


def test_many_damaged_bags_are_summed_up(report: dict[str, Any]) -> None:
    bag = {**report['bags'][0], 'damage': ['cut off']}
    changed = {**report, 'bags': [{**bag, 'name': f'bag {number}'} for number in range(50)]}
    assert titles(changed, True)[-1] == '38 more bags are damaged'


def test_what_became_worse_than_the_baseline_is_wrong(tmp_path: Path) -> None:
    old, new = RUN.write(tmp_path / 'old'), replace(RUN, right=0.6).write(tmp_path / 'new')
    for pair, expected in (((old, new), ['Worse than the baseline']), ((new, old), [])):
        found = findings(pair[1].read_report(), compare(*pair, segment_s=0.1))
        assert [finding.title for finding in found] == expected


def live(**changes: Any) -> dict[str, Any]:
    """Return what report.json says of a running node that answered everything."""
    return {'published': 20, 'answered': 20, 'lost': 0, 'late': None, 'late_ms': None,
            'unanswered': {}, 'notes': [], **changes}


def test_what_the_running_node_did_not_answer_is_wrong(report: dict[str, Any]) -> None:
    assert findings({**report, 'live': live()}, None) == []
    missing = live(answered=14, lost=1, unanswered={'dropped': 3}, late=2, late_ms=50.0)
    found = findings({**report, 'live': missing}, None)
    assert [(finding.wrong, finding.text) for finding in found] == [
        (True, '6 of 20 images: 3 dropped, 1 lost on the way, 2 of unknown fate.'),
        (True, '2 answers took longer than 50 ms.')]


def test_what_was_noticed_of_the_running_node_is_told(report: dict[str, Any]) -> None:
    noticed = live(notes=['the engine changed'])
    assert titles({**report, 'live': noticed}, False) == ['Noticed while playing']
