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
"""Files of a computer: read whatever they say."""

from pathlib import Path

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor.capacity import check_cores
from frm_perception.runtime.doctor.capacity import check_memory
from frm_perception.runtime.doctor.capacity import check_swap
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.jetson import check_jetpack
from frm_perception.runtime.doctor.jetson import check_power_mode
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.doctor.network import check_dds_buffers
from frm_perception.runtime.doctor.network import check_middleware
from frm_perception.runtime.doctor.thermal import check_over_current
from frm_perception.runtime.doctor.thermal import check_temperature

CHECKS = (check_jetpack, check_power_mode, check_temperature, check_over_current, check_memory,
          check_swap, check_middleware, check_dds_buffers,
          lambda machine: check_cores(machine, 6, 2))
FILES = {**ORIN_NANO, '/sys/fs/cgroup/cpu.max': 'max 100000\n',
         '/sys/fs/cgroup/memory.max': 'max\n', '/proc/sys/net/core/rmem_max': '212992\n'}
DAMAGE = strategies.binary(max_size=40) | strategies.sampled_from([
    b'0 0', b'-1', b'9' * 40, b'R36 (release), REVISION: 99', b'pmode:' + b'9' * 30,
    b'< POWER_MODEL ID=7 NAME=W >', b'nan', b'MemTotal: 1 kB\nMemAvailable: 0 kB'])


@given(path=strategies.sampled_from(sorted(FILES)), content=DAMAGE)
@example(path='/sys/fs/cgroup/cpu.max', content=b'0 0')
@example(path='/sys/fs/cgroup/cpu.max', content='² 1'.encode())
@settings(max_examples=60)
def test_whatever_a_file_says_there_is_a_finding_of_every_check(
        path: str, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    machine = laid_out(tmp_path_factory.mktemp('machine'), FILES)
    (machine.root / path.lstrip('/')).write_bytes(content)
    for check in CHECKS:
        finding = check(machine)
        assert finding.found and finding.source
        assert bool(finding.remedy) == (finding.level in (Level.WARNING, Level.ERROR))


def test_a_file_is_read_without_what_the_kernel_puts_around_it(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO)
    assert machine.model == 'NVIDIA Jetson Orin Nano Developer Kit' and machine.is_jetson
    assert machine.number('/sys/class/thermal/thermal_zone0/temp') == 52343
    assert machine.text('/gone') is machine.number('/gone') is None
    assert machine.paths('/sys/class/thermal/thermal_zone*') == [
        '/sys/class/thermal/thermal_zone0', '/sys/class/thermal/thermal_zone1',
        '/sys/class/thermal/thermal_zone8']


@pytest.mark.parametrize('only', [
    '/proc/device-tree/model', '/proc/device-tree/compatible', '/etc/nv_tegra_release'])
def test_each_of_three_files_tells_a_jetson(tmp_path: Path, only: str) -> None:
    assert laid_out(tmp_path, {only: ORIN_NANO[only]}).is_jetson


def test_a_pc_is_no_jetson(tmp_path: Path) -> None:
    assert not laid_out(tmp_path, DESKTOP).is_jetson


def test_this_very_computer_is_read() -> None:
    for check in CHECKS:
        assert check(Machine()).found
