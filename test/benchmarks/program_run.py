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
"""Runs a program of `benchmarks/` as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def run_program(name: str, results: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a program to its verdict; return the exit status and what it wrote."""
    done = subprocess.run(
        [sys.executable, '-m', f'benchmarks.{name}', '--json', str(results), *options],
        cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT)}, text=True, capture_output=True)
    print(done.stdout, done.stderr)
    written: dict[str, Any] = json.loads(results.read_text())
    assert (done.returncode == 0) == all(demand['holds'] for demand in written['demands'])
    assert written['machine']['cores'] >= 1
    assert written['commit']
    return done.returncode, written
