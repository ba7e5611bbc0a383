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
"""Computers that are not here, as their files show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from frm_perception.runtime.doctor.machine import Machine

ORIN_NANO: Mapping[str, str] = {
    '/proc/device-tree/model': 'NVIDIA Jetson Orin Nano Developer Kit\0',
    '/proc/device-tree/compatible': 'nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0',
    '/etc/nv_tegra_release':
        '# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, '
        'DATE: Wed Jan  8 01:49:37 UTC 2025\n'
        '# KERNEL_VARIANT: oot\n',
    '/etc/nvpmodel.conf':
        '< PARAM TYPE=FILE NAME=CPU_ONLINE >\n'
        'CORE_0 /sys/devices/system/cpu/cpu0/online\n'
        '< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n'
        '< POWER_MODEL ID=1 NAME=25W >\nCPU_ONLINE CORE_0 1\n'
        '< POWER_MODEL ID=2 NAME=MAXN_SUPER >\nCPU_ONLINE CORE_0 1\n'
        '< PM_CONFIG DEFAULT=1 >\n',
    '/var/lib/nvpmodel/status': 'pmode:0002\n',
    '/sys/class/thermal/thermal_zone0/type': 'cpu-thermal\n',
    '/sys/class/thermal/thermal_zone0/temp': '52343\n',
    '/sys/class/thermal/thermal_zone0/trip_point_0_type': 'critical\n',
    '/sys/class/thermal/thermal_zone0/trip_point_0_temp': '104500\n',
    '/sys/class/thermal/thermal_zone0/trip_point_1_type': 'passive\n',
    '/sys/class/thermal/thermal_zone0/trip_point_1_temp': '99000\n',
    '/sys/class/thermal/thermal_zone0/cdev0_trip_point': '1\n',
    '/sys/class/thermal/thermal_zone0/cdev0/cur_state': '0\n',
    '/sys/class/thermal/thermal_zone1/type': 'cv0-thermal\n',
    '/sys/class/thermal/thermal_zone1/temp': '-256000\n',
    '/sys/class/thermal/thermal_zone8/type': 'tj-thermal\n',
    '/sys/class/thermal/thermal_zone8/temp': '53000\n',
    '/sys/class/thermal/thermal_zone8/trip_point_0_type': 'active\n',
    '/sys/class/thermal/thermal_zone8/trip_point_0_temp': '51000\n',
    '/sys/class/thermal/thermal_zone8/cdev0_trip_point': '0\n',
    '/sys/class/thermal/thermal_zone8/cdev0/cur_state': '2\n',
    '/sys/class/hwmon/hwmon3/oc1_event_cnt': '0\n',
    '/sys/class/hwmon/hwmon3/oc2_event_cnt': '0\n',
    '/sys/class/hwmon/hwmon3/oc3_event_cnt': '0\n',
    '/proc/meminfo': 'MemTotal:        7802032 kB\nMemAvailable:    5200000 kB\n'
                     'SwapTotal:       8388604 kB\n',
    '/proc/swaps': 'Filename Type Size Used Priority\n/swap file 8388604 0 -2\n',
    '/opt/ros/humble/setup.bash': '',
}
"""As NVIDIA documents an Orin Nano with JetPack 6.2; no file of it was read from one."""

DESKTOP: Mapping[str, str] = {
    '/proc/meminfo': 'MemTotal:       32768000 kB\nMemAvailable:   16384000 kB\n'
                     'SwapTotal:             0 kB\n',
    '/proc/swaps': 'Filename Type Size Used Priority\n',
}
"""A computer with no NVIDIA part in it."""


def laid_out(folder: Path, files: Mapping[str, str],
             changes: Mapping[str, str | None] | None = None,
             environment: Mapping[str, str] | None = None) -> Machine:
    """
    Return a computer with such files.

    :param folder: where they are written to.
    :param changes: files that differ; None: it is not there.
    :param environment: of the node.
    """
    for path, content in {**files, **(changes or {})}.items():
        if content is not None:
            file = folder / path.lstrip('/')
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding='utf-8')
    return Machine(folder, environment or {})
