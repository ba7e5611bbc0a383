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
"""
The software and the power mode of a Jetson; nothing of it was run on one.

Files and formats are as https://docs.nvidia.com/jetson/ describes them: /etc/nv_tegra_release
names the release of Jetson Linux, /etc/nvpmodel.conf the power modes that there are, and
/var/lib/nvpmodel/status the one that holds.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.machine import Machine

GUIDE = 'docs/jetson.md'

_RELEASE = '/etc/nv_tegra_release'
_PACKAGES = '/var/lib/dpkg/status'
_MODES = '/etc/nvpmodel.conf'
_MODE = '/var/lib/nvpmodel/status'

_NO_JETSON = 'this is no Jetson'
_SOURCE = '/proc/device-tree'


@dataclass(frozen=True)
class JetPack:
    """
    What a JetPack brings.

    :param python: major and minor version, for which the vendor's wheels are made.
    """

    name: str
    ubuntu: str
    python: tuple[int, int]
    ros: str
    cuda: str
    tensorrt: str


_JETPACKS = (
    ((35, 0), JetPack('5', '20.04', (3, 8), '', '11.4', '8.5')),
    ((36, 0), JetPack('6.0', '22.04', (3, 10), 'humble', '12.2', '8.6')),
    ((36, 4), JetPack('6.1 or 6.2', '22.04', (3, 10), 'humble', '12.6', '10.3')),
    ((38, 0), JetPack('7.0 or 7.1', '24.04', (3, 12), 'jazzy', '13.0', '10.13')),
    ((39, 0), JetPack('7.2', '24.04', (3, 12), 'jazzy', '13.2', '10.16')),
)
"""Release and revision of Jetson Linux from which on that is so: see docs/jetson.md."""
_OLDEST_PYTHON = (3, 10)


def jetpack_of(release: tuple[int, int]) -> JetPack | None:
    """Return what came with a release and revision of Jetson Linux; None for older and newer."""
    known = [jetpack for first, jetpack in _JETPACKS
             if first <= release and first[0] == release[0]]
    return known[-1] if known else None


def jetson_linux(machine: Machine) -> tuple[str, tuple[int, int]] | None:
    """Return where release and revision of Jetson Linux stand, and both; None: nowhere."""
    # # R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, ...
    match = re.search(r'R(\d+) \(release\), REVISION: (\d+)', machine.text(_RELEASE) or '')
    if match:
        return _RELEASE, (int(match[1]), int(match[2]))
    # A container may have the packages without that file.
    match = re.search(r'^Package: nvidia-l4t-core\n(?:.+\n)*?Version: (\d+)\.(\d+)',
                      machine.text(_PACKAGES) or '', re.MULTILINE)
    return (_PACKAGES, (int(match[1]), int(match[2]))) if match else None


def check_jetpack(machine: Machine) -> Finding:
    """Tell which JetPack this is, and whether this Python is the one that its wheels are for."""
    def finding(level: Level, found: str, source: str, remedy: str = '') -> Finding:
        return Finding('jetpack', level, found, source, remedy)

    if not machine.is_jetson:
        return finding(Level.SKIPPED, _NO_JETSON, _SOURCE)
    known = jetson_linux(machine)
    if known is None:
        return finding(
            Level.WARNING, f'{machine.model or "a Jetson"} whose JetPack is not known', _RELEASE,
            f'in a container mount {_RELEASE} of the host; {GUIDE} has what each JetPack needs')
    source, release = known
    jetpack = jetpack_of(release)
    linux = f'Jetson Linux {release[0]}.{release[1]}'
    if jetpack is None:
        return finding(Level.WARNING, f'{machine.model}: {linux}, which {GUIDE} does not have',
                       source, 'look up which ONNX Runtime its vendor has for it')
    found = (f'{machine.model}: JetPack {jetpack.name} ({linux}, Ubuntu {jetpack.ubuntu}, CUDA '
             f'{jetpack.cuda}, TensorRT {jetpack.tensorrt})')
    if jetpack.python < _OLDEST_PYTHON:
        return finding(Level.ERROR, f'{found}: too old', source,
                       f'flash JetPack 6 or 7, whose Python is one that this package runs on: '
                       f'{GUIDE}')
    if sys.version_info[:2] != jetpack.python:
        wanted = '.'.join(map(str, jetpack.python))
        return finding(Level.WARNING, f'{found}; this Python is {sys.version.split()[0]}', source,
                       f"its wheels with GPU are for Python {wanted}: use the system's")
    return finding(Level.OK, found, source)


def power_mode(machine: Machine) -> str | None:
    """Return the name of the power mode that holds; None: there is none, or it is not known."""
    modes, now = _power_modes(machine)
    return None if now is None else modes.get(now)


def check_power_mode(machine: Machine) -> Finding:
    """Tell whether a Jetson may draw as much power as it can."""
    def finding(level: Level, found: str, source: str, remedy: str = '') -> Finding:
        return Finding('power mode', level, found, source, remedy)

    if not machine.is_jetson:
        return finding(Level.SKIPPED, _NO_JETSON, _SOURCE)
    modes, now = _power_modes(machine)
    if not modes or now is None:
        return finding(Level.WARNING, 'the power mode is not known', _MODE if modes else _MODES,
                       'ask with "sudo nvpmodel -q"; in a container, on the host')
    most = max(modes, key=lambda number: _power(modes[number]))
    name = modes.get(now, 'unknown')
    if _power(name) < _power(modes[most]):
        offered = ', '.join(f'{number} {mode}' for number, mode in sorted(modes.items()))
        return finding(
            Level.WARNING, f'mode {now} ({name}) of {offered}', _MODE,
            f'"sudo nvpmodel -m {most}" takes {modes[most]}, where power supply and cooling '
            f'suffice for it; measure again afterwards, for a Jetson that gets too hot is slower')
    return finding(Level.OK, f'mode {now} ({name}), which has the most power', _MODE)


def _power_modes(machine: Machine) -> tuple[dict[int, str], int | None]:
    """Return the names of the power modes by number, and the number of the one that holds."""
    modes = {int(number): name for number, name in re.findall(
        r'^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>', machine.text(_MODES) or '',
        re.MULTILINE)}
    # pmode:0002
    match = re.search(r'pmode:(\d+)', machine.text(_MODE) or '')
    return modes, None if match is None else int(match[1])


def _power(name: str) -> float:
    """Return what a mode's name promises, in watts: '25W', 'MODE_30W', 'MAXN_SUPER'."""
    if name.startswith('MAXN'):
        return float('inf')
    match = re.search(r'(\d+)W', name)
    return float(match[1]) if match else 0.0
