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
"""What grows is told apart from what settles."""

import json

import pytest
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.evaluation.memory import growth


def test_growth_is_that_of_a_line_after_the_first_fifth():
    assert growth([0, 50, *[100] * 8]) == pytest.approx(0)
    assert growth([7, 9, *range(100, 108)]) == pytest.approx(7)
    assert growth([5]) == 0


def test_cycles_and_frames_are_sampled_and_written(tmp_path, capsys):
    file = tmp_path / 'memory.json'
    assert main(['benchmark', 'memory', '--model', str(write_tiny_bundle(tmp_path)),
                 '--resolution', '64x64', '--cycles', '6', '--frames', '200',
                 '--json', str(file)]) == 0
    cycles, frames = json.loads(file.read_text())['parts']
    assert (cycles['times'], len(cycles['mib'])) == (6, 6)
    assert (frames['times'], len(frames['mib'])) == (200, 100)
    # Nothing the size of a frame (0.7 MB) is kept by each of 200 frames.
    assert frames['growth_mib'] < 20
    assert 'growth after settling' in capsys.readouterr().out


def test_a_precision_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(['benchmark', 'memory', '--model', str(write_tiny_bundle(tmp_path)),
                 '--precision', 'int8']) == 2
    assert "no precision 'int8'" in capsys.readouterr().err
