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
"""Runs of `frm bag evaluate`, as tests start and compare them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from frm_perception.evaluation.drive.run_folder import RunFolder


def run_command(*arguments: object) -> subprocess.Popen[str]:
    """Start the command, as the leader of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'frm_perception.cli.main', 'bag', 'evaluate',
         *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).resolve().parents[1], start_new_session=True)


def without_times(folder: Path) -> tuple[Any, list[Any]]:
    """Return the report and the records of a run, but for what may differ."""
    content = RunFolder(folder).read_report()
    del content['timings']
    records = [json.loads(line) for file in sorted((folder / 'frames').rglob('*.jsonl'))
               for line in file.read_text().splitlines()]
    for record in records:
        del record['milliseconds']
    return content, records
