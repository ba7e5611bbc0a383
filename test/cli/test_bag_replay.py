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
"""What `frm bag replay` refuses before it does anything; what it does is tested with its parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_drive import write_drive

from frm_perception.cli.main import main


@pytest.mark.parametrize(('options', 'complaint'), [
    (['--rate', '0'], 'is not more than 0'),
    (['--rate', 'inf'], 'is no rate'),
    (['--rate', '2', '--as-answered'], 'not allowed with argument'),
    (['--remap', '/front:/rear'], 'is not OLD:=NEW'),
    (['--start', '-1'], 'is not 0 or more'),
    (['--duration', '0'], 'is not more than 0'),
    (['--clock', 'inf'], 'is not 0 or more'),
])
def test_arguments_that_cannot_be_are_refused(
        options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['bag', 'replay', 'drive', *options])
    assert complaint in capsys.readouterr().err


def test_a_loop_cannot_be_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bag', 'replay', 'drive', '--loop', '--evaluate', 'run']) == 2
    assert 'leave out --loop' in capsys.readouterr().err


def test_what_is_no_bag_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['bag', 'replay', str(tmp_path / 'nothing')]) == 1
    assert 'nothing does not exist' in capsys.readouterr().err


@pytest.mark.parametrize(('options', 'complaint'), [
    (['--start', '60'], 'nothing is left after 60 s'),
    (['--topics', '/rear/image_raw'], "does not have '/rear/image_raw'"),
    (['--remap', '/rear:=/other'], "does not have '/rear'"),
    (['--as-answered', '--node', 'a b'], "'/a b' is no name of a topic"),
])
def test_what_the_bag_does_not_have_is_said(
        tmp_path: Path, options: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bag = write_drive(tmp_path / 'drive', frames=2)
    assert main(['bag', 'replay', str(bag), *options]) in (1, 2)
    assert complaint in capfd.readouterr().err
