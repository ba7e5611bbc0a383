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
"""Which middleware, and the kernel's buffers."""

from pathlib import Path

import pytest
from machines import DESKTOP
from machines import laid_out

from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.network import check_dds_buffers
from frm_perception.runtime.doctor.network import check_middleware

PREFIX = '/opt/ros/jazzy'
PROFILE = '/opt/frm/fastdds_shm.xml'
LIBRARIES = {f'{PREFIX}/lib/librmw_fastrtps_cpp.so': '', PROFILE: ''}
SOURCED = {'AMENT_PREFIX_PATH': PREFIX}
KERNEL = {'/proc/sys/net/core/rmem_max': '212992', '/proc/sys/net/core/wmem_max': '212992',
          '/proc/sys/net/ipv4/ipfrag_high_thresh': '4194304',
          '/proc/sys/net/ipv4/ipfrag_time': '30'}


@pytest.mark.parametrize(('environment', 'level', 'words'), [
    ({}, Level.WARNING, 'without a profile'),
    ({'FASTRTPS_DEFAULT_PROFILES_FILE': PROFILE}, Level.OK, PROFILE),
    ({'FASTDDS_DEFAULT_PROFILES_FILE': PROFILE}, Level.OK, PROFILE),
    ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/gone.xml'}, Level.ERROR, '/gone.xml'),
    ({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}, Level.ERROR, 'rmw_cyclonedds_cpp'),
])
def test_the_middleware_is_there_and_has_its_profile(
        tmp_path: Path, environment: dict[str, str], level: Level, words: str) -> None:
    finding = check_middleware(laid_out(tmp_path, LIBRARIES, None, {**SOURCED, **environment}))
    assert finding.level is level and words in finding.found


def test_another_middleware_needs_no_such_profile(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, {f'{PREFIX}/lib/librmw_cyclonedds_cpp.so': ''}, None,
                       {**SOURCED, 'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'})
    assert check_middleware(machine).level is Level.OK


def test_where_no_ros_is_sourced_its_libraries_are_not_looked_for(tmp_path: Path) -> None:
    assert check_middleware(laid_out(tmp_path, DESKTOP)).level is Level.WARNING


def test_buffers_smaller_than_an_image_are_worth_a_warning_with_the_commands(tmp_path: Path
                                                                             ) -> None:
    finding = check_dds_buffers(laid_out(tmp_path, KERNEL))
    assert finding.level is Level.WARNING and 'net.core.rmem_max 212992' in finding.found
    assert 'net.core.rmem_max=2147483647' in finding.remedy
    assert 'net.ipv4.ipfrag_time=3' in finding.remedy


def test_large_buffers_are_well(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, KERNEL, {
        '/proc/sys/net/core/rmem_max': '2147483647', '/proc/sys/net/core/wmem_max': '33554432'})
    assert check_dds_buffers(machine).level is Level.OK


def test_with_cyclone_dds_every_image_passes_them(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, KERNEL, None, {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'})
    assert 'every image' in check_dds_buffers(machine).found


def test_a_kernel_without_these_files_is_not_asked(tmp_path: Path) -> None:
    assert check_dds_buffers(laid_out(tmp_path, {})).level is Level.SKIPPED
