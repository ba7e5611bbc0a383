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
"""Which kernels run, and that compiled ones are kept for the next process, or that it is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import frm_perception

PACKAGE = Path(frm_perception.__file__).parent

PROGRAM = """
import json
from frm_perception.runtime.kernels.choice import load_kernels
kernels, problem = load_kernels()
hits = []
if kernels.name.startswith('numba'):
    from frm_perception.runtime.kernels.compiled_pixels import label
    hits = [sum(label.stats.cache_hits.values()), label.stats.cache_path]
print(json.dumps([kernels.name, problem, hits]))
"""


def run(root: Path, **environment: str) -> list[object]:
    """Load the kernels of the package below ``root`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], capture_output=True, text=True, cwd=root,
        env={**os.environ, 'PYTHONPATH': str(root), 'PYTHONDONTWRITEBYTECODE': '1',
             **environment})
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def installed_read_only(root: Path) -> Path:
    """
    Lay the package's kernels where no cache can be made beside them, and return the folder.

    Root may write anywhere, so a file takes the place of the folder.
    """
    for part in ('labels.py', '__init__.py', 'runtime/__init__.py', 'runtime/kernels'):
        source, target = PACKAGE / part, root / 'frm_perception' / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            target.mkdir()
            for file in source.glob('*.py'):
                (target / file.name).write_bytes(file.read_bytes())
            (target / '__pycache__').write_text('no folder')
        else:
            target.write_bytes(source.read_bytes())
    return root


def test_a_read_only_installation_keeps_its_kernels_in_the_users_cache(tmp_path: Path) -> None:
    root = installed_read_only(tmp_path / 'installed')
    cache = tmp_path / 'cache'
    for hits in (0, 1):
        name, problem, found = run(root, XDG_CACHE_HOME=str(cache), NUMBA_CACHE_DIR='')
        assert str(name).startswith('numba ') and problem is None
        assert isinstance(found, list)
        assert found[0] == hits and Path(found[1]).is_relative_to(cache)
    assert all(not path.stat().st_mode & 0o022 for path in cache.rglob('*'))


@pytest.mark.slow
def test_without_a_place_for_a_cache_the_kernels_run_and_it_is_said(tmp_path: Path) -> None:
    root = installed_read_only(tmp_path / 'installed')
    name, problem, _ = run(root, XDG_CACHE_HOME='/dev/null', HOME='/dev/null', NUMBA_CACHE_DIR='')
    assert str(name).startswith('numba ')
    assert 'compiled again' in str(problem) and 'set NUMBA_CACHE_DIR' in str(problem)


@pytest.mark.slow
def test_a_damaged_cache_is_said_and_does_no_harm(tmp_path: Path) -> None:
    root = installed_read_only(tmp_path / 'installed')
    cache = tmp_path / 'cache'
    run(root, NUMBA_CACHE_DIR=str(cache))
    files = list(cache.rglob('*.nb[ic]'))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
    name, problem, _ = run(root, NUMBA_CACHE_DIR=str(cache))
    assert str(name).startswith('numba ')
    assert 'compiled again' in str(problem)


def test_a_numba_that_compiles_nothing_is_not_used(tmp_path: Path) -> None:
    root = installed_read_only(tmp_path / 'installed')
    name, problem, _ = run(root, NUMBA_DISABLE_JIT='1')
    assert str(name).startswith('numpy ')
    assert 'NUMBA_DISABLE_JIT is set' in str(problem)


def test_without_numba_numpy_computes_and_it_is_said(tmp_path: Path) -> None:
    root = installed_read_only(tmp_path / 'installed')
    (root / 'numba.py').write_text("raise ImportError('No module named numba')")
    name, problem, _ = run(root)
    assert str(name).startswith('numpy ')
    assert 'numba cannot be used (ImportError' in str(problem)
    assert 'requirements/run.txt' in str(problem)
