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
"""Whether there is enough of cores, memory, swap, shared memory and disk."""

from pathlib import Path

import pytest
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor.capacity import Space
from frm_perception.runtime.doctor.capacity import check_cores
from frm_perception.runtime.doctor.capacity import check_disk
from frm_perception.runtime.doctor.capacity import check_memory
from frm_perception.runtime.doctor.capacity import check_shared_memory
from frm_perception.runtime.doctor.capacity import check_swap
from frm_perception.runtime.doctor.finding import Level

MIB = 1 << 20


@pytest.mark.parametrize(('quota', 'usable', 'threads', 'level'), [
    (None, 6, 4, Level.OK), ('max 100000', 6, 4, Level.OK), ('200000 100000', 6, 2, Level.OK),
    ('200000 100000', 6, 4, Level.WARNING), (None, 1, 1, Level.WARNING),
    (None, 2, 3, Level.WARNING)])
def test_cores_are_those_that_may_be_used(tmp_path: Path, quota: str | None, usable: int,
                                          threads: int, level: Level) -> None:
    machine = laid_out(tmp_path, DESKTOP, {'/sys/fs/cgroup/cpu.max': quota})
    assert check_cores(machine, usable, threads).level is level


@pytest.mark.parametrize(('limit', 'level'), [
    (None, Level.OK), ('max', Level.OK), (str(600 * MIB), Level.OK),
    (str(300 * MIB), Level.ERROR)])
def test_memory_is_what_is_free_within_the_limit_of_the_group(tmp_path: Path, limit: str | None,
                                                              level: Level) -> None:
    machine = laid_out(tmp_path, DESKTOP, {'/sys/fs/cgroup/memory.max': limit})
    assert check_memory(machine).level is level


def test_too_little_memory_is_an_error_with_both_figures(tmp_path: Path) -> None:
    finding = check_memory(laid_out(
        tmp_path, DESKTOP, {'/proc/meminfo': 'MemTotal: 4000000 kB\nMemAvailable: 102400 kB\n'}))
    assert finding.level is Level.ERROR
    assert finding.found == '100 MiB are available; a node may need 512'


NO_SWAP = {'/proc/meminfo': 'MemTotal: 7802032 kB\nSwapTotal: 0 kB\n', '/proc/swaps': 'Filename\n'}
ZRAM = {'/proc/swaps': 'Filename Type Size\n/dev/zram0 partition 635480\n/dev/zram1 partition 6\n'}


@pytest.mark.parametrize(('changes', 'level'), [
    ({}, Level.OK), (NO_SWAP, Level.WARNING), (ZRAM, Level.WARNING)])
def test_a_small_jetson_needs_swap_beyond_its_memory(
        tmp_path: Path, changes: dict[str, str], level: Level) -> None:
    finding = check_swap(laid_out(tmp_path, ORIN_NANO, changes))
    assert finding.level is level and ('mkswap' in finding.remedy) == (level is Level.WARNING)


def test_a_large_computer_without_swap_is_well(tmp_path: Path) -> None:
    assert check_swap(laid_out(tmp_path, DESKTOP)).level is Level.OK


def test_a_large_jetson_without_swap_is_not(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {
        '/proc/meminfo': 'MemTotal: 64000000 kB\nSwapTotal: 0 kB\n', '/proc/swaps': 'Filename\n'})
    assert check_swap(machine).level is Level.WARNING


@pytest.mark.parametrize('content', [None, '', 'MemTotal: much\nMemAvailable:\n'])
def test_what_the_kernel_does_not_tell_is_left_out(tmp_path: Path, content: str | None) -> None:
    machine = laid_out(tmp_path, DESKTOP, {'/proc/meminfo': content})
    assert check_memory(machine).level is check_swap(machine).level is Level.SKIPPED


@pytest.mark.parametrize(('space', 'uses_it', 'level'), [
    (Space(512 * MIB, 500 * MIB), True, Level.OK), (Space(64 * MIB, 64 * MIB), True, Level.ERROR),
    (Space(512 * MIB, 100 * MIB), True, Level.ERROR), (None, True, Level.ERROR),
    (Space(64 * MIB, 64 * MIB), False, Level.SKIPPED)])
def test_images_of_three_processes_have_to_fit_into_shared_memory(
        space: Space | None, uses_it: bool, level: Level) -> None:
    finding = check_shared_memory(space, uses_it)
    assert finding.level is level and ('--shm-size' in finding.remedy) == (level is Level.ERROR)


@pytest.mark.parametrize(('free', 'level'), [
    (1 << 31, Level.OK), (500 * MIB, Level.WARNING), (50 * MIB, Level.ERROR)])
def test_a_full_disk_is_an_error_and_a_filling_one_a_warning(free: int, level: Level) -> None:
    finding = check_disk(Space(1 << 36, free), '/var/cache')
    assert finding.level is level and finding.source == '/var/cache'
    assert bool(finding.remedy) == (level is not Level.OK)
