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
"""The engine cache among several processes: built once, and a killed one is in nobody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLINE = 60.0
BUILDER = """
import sys, time
from pathlib import Path
from frm_perception.runtime.engine_cache import EngineCache, EngineKey
folder = Path(sys.argv[1])
key = EngineKey('test', 'ab' * 32, {}, 'fp32', {}, {}, {})
def build(target):
    with (folder / 'builds').open('a') as file:
        file.write('x')
    (target / 'half').write_bytes(b'half')
    print('building', flush=True)
    while not (folder / 'go').exists():
        time.sleep(0.01)
    (target / 'half').rename(target / 'engine')
def log(line):
    print(line, flush=True)
entry = EngineCache(folder / 'cache', log).entry(key, build)
print((entry / 'engine').read_text(), entry)
"""
"""Builds an entry of <folder>/cache, for as long as there is no <folder>/go."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts a process that wants the same engine as the others."""
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    running = []

    def run() -> subprocess.Popen[str]:
        running.append(subprocess.Popen(
            [sys.executable, '-c', BUILDER, str(tmp_path)], env=environment, text=True,
            stdout=subprocess.PIPE))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_process_that_starts_during_a_build_waits_and_uses_it(
        start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    first = start()
    assert _line(first) == 'building\n'
    second = start()
    assert 'another process is building the engine' in _line(second)
    (tmp_path / 'go').touch()
    ends = [process.communicate(timeout=DEADLINE)[0] for process in (first, second)]
    assert ends[0] == ends[1] and ends[0].startswith('half /')
    assert (tmp_path / 'builds').read_text() == 'x'


def test_processes_that_start_together_build_once(
        start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    (tmp_path / 'go').touch()
    ends = [process.communicate(timeout=DEADLINE)[0] for process in [start() for _ in range(4)]]
    assert {end.splitlines()[-1] for end in ends} == {ends[0].splitlines()[-1]}
    assert (tmp_path / 'builds').read_text() == 'x'


def test_a_builder_that_is_killed_leaves_no_lock_and_no_half_entry(
        start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    killed = start()
    assert _line(killed) == 'building\n'
    waiting = start()
    assert 'another process is building' in _line(waiting)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(DEADLINE) == -signal.SIGKILL
    assert _line(waiting) == 'building\n'
    (tmp_path / 'go').touch()
    assert waiting.communicate(timeout=DEADLINE)[0].startswith('half /')
    assert (tmp_path / 'builds').read_text() == 'xx'
    entry, = [path for path in (tmp_path / 'cache').iterdir()
              if path.name != 'CACHEDIR.TAG' and path.suffix != '.lock']
    assert sorted(path.name for path in entry.iterdir()) == [
        'engine', 'manifest.json']
