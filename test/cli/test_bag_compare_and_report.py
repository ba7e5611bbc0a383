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
"""`frm bag compare` and `frm bag report`, as a user or a test that runs by itself calls them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_run import SyntheticRun

from frm_perception.cli.main import main

RUN = SyntheticRun(frames=120)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Return the folders of a run and of a better one."""
    RUN.write(tmp_path / 'old')
    replace(RUN, right=0.9, seed=1).write(tmp_path / 'new')
    return [str(tmp_path / 'old'), str(tmp_path / 'new')]


def test_a_comparison_is_printed_and_written(runs: list[str], tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / 'out' / name for name in ('c.md', 'c.json', 'c.html')]
    assert main(['bag', 'compare', *runs, '--segment', '1', '--markdown', str(files[0]),
                 '--json', str(files[1]), '--html', str(files[2])]) == 0
    printed = capsys.readouterr().out
    assert files[0].read_text() == printed
    assert '| mean IoU %' in printed and '**better**' in printed
    assert 'drivable IoU' in files[2].read_text(encoding='utf-8')
    assert json.loads(files[1].read_text())['figures']['mean_iou']['verdict'] == 'better'


@pytest.mark.parametrize(('options', 'status'), [
    (['--fail-below', 'drivable_iou=0.8', '--max-drop', 'mean_iou=0'], 0),
    (['--fail-below', 'drivable_iou=0.8', '--fail-below', 'mean_iou=0.99'], 1),
    (['--fail-below', 'drivable_iou=80'], 2), (['--fail-below', 'nothing=0.5'], 2)])
def test_the_exit_status_tells_whether_demands_are_met(
        runs: list[str], options: list[str], status: int,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bag', 'compare', *runs, *options]) == status
    out, error = capsys.readouterr()
    assert ('not met' in out) == (status == 1)
    assert ('frm bag compare:' in error) == (status == 2)


def test_a_drop_is_named_with_its_interval(runs: list[str], capsys: pytest.CaptureFixture[str]
                                           ) -> None:
    assert main(['bag', 'compare', *reversed(runs), '--segment', '1', '--max-drop',
                 'mean_iou=0.001']) == 1
    assert 'leaves out 0' in capsys.readouterr().out


@pytest.mark.parametrize('action', [['compare', 'nowhere', 'nowhere'], ['report', 'nowhere']])
def test_a_folder_that_is_no_run_is_refused(action: list[str], tmp_path: Path,
                                            capsys: pytest.CaptureFixture[str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['bag', *action]) == 2
    assert 'nowhere is not the folder of a run' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_reports_are_written_again(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(runs[1])
    assert main(['bag', 'report', runs[1]]) == 0
    first = folder.joinpath('report.html').read_bytes()
    assert main(['bag', 'report', runs[1]]) == 0
    assert folder.joinpath('report.html').read_bytes() == first
    assert main(['bag', 'report', runs[1], '--baseline', runs[0]]) == 0
    assert 'Against the baseline' in folder.joinpath('report.html').read_text(encoding='utf-8')
    assert str(folder / 'report.html') in capsys.readouterr().out
