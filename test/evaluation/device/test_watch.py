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
"""What is read of a computer while it works."""

from __future__ import annotations

from pathlib import Path

from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.evaluation.device.watch import Watch

CLOCKS = {
    '/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq': '1728000\n',
    '/sys/class/devfreq/17000000.gpu/cur_freq': '1020000000\n'}
ZONE = '/sys/class/thermal/thermal_zone0'


def test_temperature_and_clocks_are_told_from_first_to_last(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, {**ORIN_NANO, **CLOCKS, '/proc/loadavg': '0.50 0.1 0.1 1/99 7\n'})
    watch = Watch(machine)
    for temperature, clock, load in (('61000', '1728000', '2.25'), ('58500', '1190400', '1.00')):
        laid_out(tmp_path, {f'{ZONE}/temp': temperature, next(iter(CLOCKS)): clock,
                            '/proc/loadavg': f'{load} 0.1 0.1 1/99 7\n'})
        watch.look()
    summary = watch.summary()
    assert summary['readings'] == 3
    assert summary['celsius']['cpu-thermal'] == {'before': 52.343, 'hottest': 61, 'after': 58.5}
    assert 'cv0-thermal' not in summary['celsius']  # it is switched off
    assert summary['megahertz'] == {'policy0': {'least': 1190.4, 'most': 1728},
                                    '17000000.gpu': {'least': 1020, 'most': 1020}}
    assert summary['throttled'] == []
    assert summary['load'] == {'before': 0.5, 'most': 2.25}


def test_what_slowed_down_is_told(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO)
    watch = Watch(machine)
    laid_out(tmp_path, {f'{ZONE}/cdev0/cur_state': '3',
                        '/sys/class/hwmon/hwmon3/oc3_event_cnt': '12'})
    watch.look()
    assert watch.summary()['throttled'] == [
        'cpu-thermal slowed down in 1 of 2 readings',
        '/sys/class/hwmon/hwmon3/oc3_event_cnt counted 12']


def test_events_from_before_are_not_told(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {'/sys/class/hwmon/hwmon3/oc3_event_cnt': '12'})
    watch = Watch(machine)
    watch.look()
    assert watch.summary()['throttled'] == []


def test_a_kernel_that_tells_nothing_is_not_taken_for_a_cool_one(tmp_path: Path) -> None:
    summary = Watch(laid_out(tmp_path, DESKTOP)).summary()
    assert (summary['celsius'], summary['megahertz'], summary['throttled']) == ({}, {}, None)
