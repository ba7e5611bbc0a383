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
"""How many threads an inference may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from frm_perception.runtime import threads as threads_module
from frm_perception.runtime.threads import thread_count


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, pytest.MonkeyPatch]:
    """Return the folder that describes the processors, and what changes how many there are."""
    monkeypatch.setattr(threads_module, '_TOPOLOGY', tmp_path)
    return tmp_path, monkeypatch


@pytest.mark.parametrize(('cores', 'threads'), [(1, 1), (2, 2), (3, 2), (4, 3), (8, 6), (16, 12)])
def test_the_default_leaves_other_programs_room_where_there_is_any(
        computer: tuple[Path, pytest.MonkeyPatch], cores: int, threads: int) -> None:
    computer[1].setattr(os, 'sched_getaffinity', lambda _: set(range(cores)))
    assert thread_count(0) == threads


def test_two_threads_of_a_core_count_once(computer: tuple[Path, pytest.MonkeyPatch]) -> None:
    folder, monkeypatch = computer
    for cpu in range(8):
        topology = folder / f'cpu{cpu}' / 'topology'
        topology.mkdir(parents=True)
        (topology / 'thread_siblings_list').write_text(f'{cpu % 4},{cpu % 4 + 4}\n')
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(8)))
    assert thread_count(0) == 3


def test_what_is_asked_for_is_taken() -> None:
    assert thread_count(5) == 5


@pytest.mark.parametrize('asked', [-1, 257, 100_000, 1.5])
def test_what_is_no_number_of_threads_is_refused(asked: Any) -> None:
    with pytest.raises(ValueError, match=f'threads is {asked}; 0 leaves other programs room'):
        thread_count(asked)
