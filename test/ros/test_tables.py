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
"""The tables of the documents are written by a command from what the code declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from frm_perception.ros.parameter_table import SPECS
from scripts.write_tables import DOCUMENTS
from scripts.write_tables import ROOT


def write_tables(folder: Path) -> dict[str, str]:
    """Write the tables of a folder anew; return its documents."""
    subprocess.run([sys.executable, '-m', 'scripts.write_tables', str(folder)], cwd=ROOT,
                   check=True)
    return {name: (folder / name).read_text(encoding='utf-8') for name in DOCUMENTS}


@pytest.fixture
def documents(tmp_path: Path) -> dict[str, str]:
    """Return the documents, of which the temporary folder has copies."""
    (tmp_path / 'docs').mkdir()
    texts = {name: (ROOT / name).read_text(encoding='utf-8') for name in DOCUMENTS}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding='utf-8')
    return texts


def test_to_write_the_tables_anew_changes_nothing(
        documents: dict[str, str], tmp_path: Path) -> None:
    assert write_tables(tmp_path) == documents
    assert all(f'| `{name}` | ' in documents['README.md'] for name in SPECS)


def test_a_table_that_says_something_else_is_written_anew_and_nothing_beside_it(
        documents: dict[str, str], tmp_path: Path) -> None:
    for name, row in (('README.md', '| `max_age` | '), ('README.md', '| in | `C/camera_info` | '),
                      ('docs/metrics.md', '| `restarts` | ')):
        file = tmp_path / name
        text = file.read_text(encoding='utf-8')
        assert row in text
        file.write_text(text.replace(row, '| `wrong` | '), encoding='utf-8')
    assert write_tables(tmp_path) == documents
