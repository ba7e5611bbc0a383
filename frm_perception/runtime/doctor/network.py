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
"""The middleware of ROS, and the kernel's buffers that images pass on their way between hosts."""

from __future__ import annotations

import os
from pathlib import Path

from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

FAST_DDS = 'rmw_fastrtps_cpp'
"""What Humble and Jazzy take where nothing else is said."""
CYCLONE_DDS = 'rmw_cyclonedds_cpp'
VARIABLE = 'RMW_IMPLEMENTATION'

_PROFILE_VARIABLES = (PROFILE_VARIABLE, 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Newer releases of Fast DDS call the same the second way."""

IMAGE_BYTES = 1920 * 1080 * 3
_RECEIVE = '/proc/sys/net/core/rmem_max'
_SEND = '/proc/sys/net/core/wmem_max'
_FRAGMENTS = '/proc/sys/net/ipv4/ipfrag_high_thresh'
_FRAGMENT_TIME = '/proc/sys/net/ipv4/ipfrag_time'

_FRAGMENT_SECONDS = 3
_FRAGMENT_BYTES = 128 << 20
_BUFFER_BYTES = (1 << 31) - 1
"""These three are what https://docs.ros.org/en/jazzy/How-To-Guides/DDS-tuning.html recommends."""


def middleware(machine: Machine) -> str:
    """Return which middleware ROS uses here."""
    return machine.environment.get(VARIABLE) or FAST_DDS


def check_middleware(machine: Machine) -> Finding:
    """Tell which middleware ROS takes, and whether Fast DDS has the profile for images."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('middleware', level, found, f'{VARIABLE}, {PROFILE_VARIABLE}', remedy)

    name = middleware(machine)
    prefixes = [prefix for prefix in machine.environment.get(
        'AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]
    if prefixes and not any(machine.paths(f'{prefix}/lib*/lib{name}.so') or machine.paths(
            f'{prefix}/lib/*/lib{name}.so') for prefix in prefixes):
        package = name.replace('_', '-')
        return finding(Level.ERROR, f'{name} is asked for and not in {", ".join(prefixes)}',
                       f'"sudo apt install ros-$ROS_DISTRO-{package}", or unset {VARIABLE}')
    if not name.startswith('rmw_fastrtps'):
        return finding(Level.OK, name)
    profile = next((machine.environment[variable] for variable in _PROFILE_VARIABLES
                    if machine.environment.get(variable)), '')
    if not profile:
        return finding(
            Level.WARNING, f'{name} without a profile for large images',
            f'segment.launch.py sets {PROFILE_VARIABLE} for the node; the driver of the camera '
            f'needs it, too, or images are lost on the way: config/fastdds_shm.xml, '
            f'docs/transport.md')
    if not (machine.root / profile.lstrip('/')).is_file() and Path(profile).is_absolute():
        return finding(Level.ERROR, f'{name} with a profile that is not there: {profile}',
                       f'set {PROFILE_VARIABLE} to config/fastdds_shm.xml of this package')
    return finding(Level.OK, f'{name} with {profile}')


def check_dds_buffers(machine: Machine) -> Finding:
    """Tell whether an image that comes from another computer finds room in the kernel."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('DDS buffers', level, found, '/proc/sys/net', remedy)

    sizes = {name: machine.number(path) for name, path in (
        ('net.core.rmem_max', _RECEIVE), ('net.core.wmem_max', _SEND),
        ('net.ipv4.ipfrag_high_thresh', _FRAGMENTS), ('net.ipv4.ipfrag_time', _FRAGMENT_TIME))}
    told = ', '.join(f'{name} {size}' for name, size in sizes.items() if size is not None)
    if not told:
        return finding(Level.SKIPPED, 'the kernel does not tell')
    small = [name for name, size in sizes.items()
             if size is not None and name.startswith('net.core') and size < IMAGE_BYTES]
    if not small:
        return finding(Level.OK, told)
    where = ('with it every image' if middleware(machine) == CYCLONE_DDS
             else 'where a camera is at another computer, an image')
    return finding(
        Level.WARNING, f'{told}; {where} goes by UDP, and {IMAGE_BYTES} bytes of 1920x1080 do not '
        f'fit into {" and ".join(small)}',
        f'"sudo sysctl -w net.core.rmem_max={_BUFFER_BYTES} net.core.wmem_max={_BUFFER_BYTES} '
        f'net.ipv4.ipfrag_time={_FRAGMENT_SECONDS} net.ipv4.ipfrag_high_thresh={_FRAGMENT_BYTES}",'
        f' and the same in a file of /etc/sysctl.d; Cyclone DDS also needs '
        f'SocketReceiveBufferSize in CYCLONEDDS_URI')
