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
"""`frm benchmark bag` on a drive that takes no time."""

import json
from pathlib import Path

import pytest
from labelled_drives import unlabelled
from labelled_drives import write_drive

from frm_perception.cli.main import main


def test_the_evaluation_and_the_bare_network_are_timed_in_turn(
        tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_drive(tmp_path / 'drive', unlabelled('/front', 5))
    file = tmp_path / 'bag.json'

    assert main(['benchmark', 'bag', str(bag), '--model', str(tiny_bundle), '--resolution',
                 '96x160', '--rounds', '3', '--threads', '1', '--json', str(file)]) == 0

    found = json.loads(file.read_text())
    assert (found['frames'], found['image'], found['cameras']) == (
        5, [96, 160], ['/front/image_raw/compressed'])
    ratios = sorted(both / alone - 1 for both, alone in zip(
        found['evaluate_ms_per_frame'], found['bare_ms_per_frame'], strict=True))
    assert len(ratios) == 3 and found['overhead'] == pytest.approx(ratios[1])
    assert {'decode', 'prepare', 'infer', 'decide', 'drivable', 'total'} == set(found['stages_ms'])
    assert 0 < found['interval_ms']['p50'] <= found['interval_ms']['p99']
    assert found['machine']['cores'] >= 1 and found['commit']
    out = capsys.readouterr().out
    assert '| median |' in out and '| bare engine' in out


def test_a_drive_is_rendered_where_none_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / 'bag.json'
    assert main(['benchmark', 'bag', '--model', str(tiny_bundle), '--resolution', '96x160',
                 '--camera', '90x160', '--frames', '1', '--rounds', '1', '--labels', '--json',
                 str(file)]) == 0
    assert json.loads(file.read_text())['image'] == [90, 160]


def test_what_is_no_bag_is_refused(
        tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['benchmark', 'bag', str(tmp_path / 'none'), '--model', str(tiny_bundle),
                 '--resolution', '96x160']) == 2
    assert 'none does not exist' in capsys.readouterr().err
