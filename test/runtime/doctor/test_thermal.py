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
"""Throttling, of files laid out as the kernel documents them."""

from pathlib import Path

import pytest
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.thermal import check_over_current
from frm_perception.runtime.doctor.thermal import check_temperature
from frm_perception.runtime.doctor.thermal import zones

ZONE = '/sys/class/thermal/thermal_zone0'


def test_a_cool_jetson_is_well_though_its_fan_turns(tmp_path: Path) -> None:
    finding = check_temperature(laid_out(tmp_path, ORIN_NANO))
    assert finding.level is Level.OK and finding.found == 'tj-thermal 53.0 C'


def test_sensors_of_parts_that_are_off_are_left_out(tmp_path: Path) -> None:
    assert [zone.name for zone in zones(laid_out(tmp_path, ORIN_NANO))] == [
        'cpu-thermal', 'tj-thermal']


@pytest.mark.parametrize(('milli', 'level'), [
    ('93999', Level.OK), ('94000', Level.WARNING), ('98999', Level.WARNING),
    ('99000', Level.ERROR), ('104500', Level.ERROR)])
def test_the_lowest_point_that_slows_down_counts(tmp_path: Path, milli: str, level: Level) -> None:
    finding = check_temperature(laid_out(tmp_path, ORIN_NANO, {f'{ZONE}/temp': milli}))
    assert finding.level is level
    assert (level is Level.OK) or 'cpu-thermal' in finding.found and '99.0 C' in finding.found


def test_on_a_pc_a_trip_point_is_advice_until_something_slows_down(tmp_path: Path) -> None:
    zone = {path: content for path, content in ORIN_NANO.items() if path.startswith(ZONE)}
    warm = laid_out(tmp_path / 'warm', zone, {f'{ZONE}/temp': '101000'})
    slow = laid_out(tmp_path / 'slow', zone, {f'{ZONE}/cdev0/cur_state': '1'})
    assert check_temperature(warm).level is Level.WARNING
    assert check_temperature(slow).level is Level.ERROR


def test_a_device_that_slows_down_to_cool_is_throttling_whatever_the_temperature(
        tmp_path: Path) -> None:
    finding = check_temperature(laid_out(tmp_path, ORIN_NANO, {f'{ZONE}/cdev0/cur_state': '3'}))
    assert finding.level is Level.ERROR and 'throttled by heat: cpu-thermal' in finding.found


@pytest.mark.parametrize('content', ['', 'warm', '\0'])
def test_files_that_say_nothing_do_not_matter(tmp_path: Path, content: str) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {
        f'{ZONE}/trip_point_1_temp': content, f'{ZONE}/cdev0/cur_state': content,
        '/sys/class/thermal/thermal_zone8/temp': content})
    assert check_temperature(machine).level is Level.OK


def test_over_current_is_counted_since_the_start(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {'/sys/class/hwmon/hwmon3/oc3_event_cnt': '37'})
    finding = check_over_current(machine)
    assert finding.level is Level.WARNING and finding.found.endswith(': oc3 37')


def test_without_such_an_event_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert check_over_current(laid_out(tmp_path, ORIN_NANO)).level is Level.OK


def test_a_kernel_that_tells_nothing_is_not_asked(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, DESKTOP)
    assert check_temperature(machine).level is check_over_current(machine).level is Level.SKIPPED
