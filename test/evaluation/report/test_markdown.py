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
"""The short report, for a pull request."""

from dataclasses import replace
from pathlib import Path

from synthetic_run import SyntheticRun

from frm_perception.evaluation.report.write import write_reports
from frm_perception.labels import CAMVID

RUN = SyntheticRun(frames=40, alarmed=(3, 4), damage=['3 messages are cut off'])


def lines(run: SyntheticRun, folder: Path, baseline: SyntheticRun | None = None) -> list[str]:
    """Return the lines of a run's report.md."""
    other = None if baseline is None else baseline.write(folder / 'baseline')
    write_reports(run.write(folder / 'run'), other)
    return (folder / 'run' / 'report.md').read_text(encoding='utf-8').splitlines()


def test_what_is_wrong_comes_before_the_figures(tmp_path: Path) -> None:
    found = lines(RUN, tmp_path)
    damage = next(place for place, line in enumerate(found) if line.startswith('- **drive is'))
    figure = next(place for place, line in enumerate(found) if line.startswith('| drivable IoU'))
    assert damage < figure
    assert sum(line.startswith(f'| {name} ') for line in found for name in CAMVID.classes) == 11
    assert len(found) < 40


def test_a_baseline_is_compared_figure_by_figure(tmp_path: Path) -> None:
    found = lines(RUN, tmp_path, replace(RUN, right=0.7, seed=1))
    assert any('baseline' in line and 'this run' in line for line in found)


def test_a_run_without_labels_says_so_and_has_no_table_of_classes(tmp_path: Path) -> None:
    found = lines(replace(RUN, labelled=False), tmp_path)
    assert '- No labels.' in ' '.join(found)
    assert '### Classes' not in found
