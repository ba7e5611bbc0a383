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
"""ROS and the Python packages that the node imports: whether they are there and fit together."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping

from frm_perception.runtime.doctor.finding import REINSTALL
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.machine import Machine

MODULES = ('numpy', 'cv2', 'yaml', 'rclpy', 'sensor_msgs.msg', 'diagnostic_msgs.msg', 'cv_bridge')
"""What the node needs, in the order in which it is imported."""
_FOR_ROS = MODULES[3:6]
_OPTIONAL = 'cv_bridge'
"""Without it the node reads the encodings that most cameras have, and refuses others."""
_LIMIT_S = 60.0
_ROS_OF_UBUNTU = {'22.04': 'humble', '24.04': 'jazzy'}
_BUILT_FOR_NUMPY_1 = ('humble', 'jazzy')

# Says of a module at a time what came of it, so that whatever ends the process has a name.
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    print('begin', name, flush=True)
    try:
        version = getattr(importlib.import_module(name), '__version__', 'there')
        print('good', name, version, flush=True)
    except Exception as error:
        print('bad', name, ' '.join(f'{type(error).__name__}: {error}'.split()), flush=True)
"""


def import_all() -> dict[str, tuple[bool, str]]:
    """
    Import :data:`MODULES` in a process of its own.

    :return: of each whether it could be imported, and its version or what went wrong.
    """
    try:
        process = subprocess.run([sys.executable, '-c', _IMPORT, *MODULES], capture_output=True,
                                 encoding='utf-8', errors='replace', timeout=_LIMIT_S)
        printed, end = process.stdout, f'ended the process (status {process.returncode})'
    except subprocess.TimeoutExpired as expired:
        printed = (expired.stdout or b'').decode(errors='replace')
        end = f'was not imported within {_LIMIT_S:.0f} s'
    found = {}
    for line in printed.splitlines():
        kind, _, rest = line.partition(' ')
        name, _, text = rest.partition(' ')
        if kind in ('begin', 'good', 'bad') and name in MODULES:
            found[name] = (kind == 'good', text or f'{name} {end}')
    return {name: found.get(name, (False, f'was not tried, for another module {end}'))
            for name in MODULES}


def check_ros(machine: Machine, imports: Mapping[str, tuple[bool, str]]) -> Finding:
    """Tell which ROS is there, and whether this Python can import it."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('ROS', level, found, 'ROS_DISTRO, import rclpy', remedy)

    distribution = machine.environment.get('ROS_DISTRO', '')
    bad = {name: text for name in _FOR_ROS for good, text in [imports[name]] if not good}
    if not bad:
        return finding(Level.OK, distribution or 'rclpy of Python packages, no ROS sourced')
    told = '; '.join(f'{name}: {text}' for name, text in bad.items())
    if not distribution:
        return finding(Level.ERROR, f'none is sourced, and there is no node without ({told})',
                       _how_to_get_ros(machine))
    return finding(
        Level.ERROR, f'{distribution} is sourced, and this Python {sys.version.split()[0]} cannot '
        f'import it ({told})',
        "use the system's Python, which ROS is built for: a virtual environment made of it with "
        '--system-site-packages')


def _how_to_get_ros(machine: Machine) -> str:
    installed = machine.paths('/opt/ros/*')
    if installed:
        return f'"source {installed[0]}/setup.bash"'
    match = re.search(r'^VERSION_ID="?([0-9.]+)', machine.text('/etc/os-release') or '',
                      re.MULTILINE)
    fit = _ROS_OF_UBUNTU.get(match[1] if match else '')
    if fit:
        return f'install ROS 2 {fit.title()}, then "source /opt/ros/{fit}/setup.bash"'
    return ('install a ROS 2 Humble or Jazzy, or, on x86-64, "pip install -r '
            'requirements/ros-wheels.txt"')


def check_packages(imports: Mapping[str, tuple[bool, str]]) -> Finding:
    """Tell whether the Python packages that the node imports can be imported."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('Python packages', level, found,
                       f'imports by {sys.executable}', remedy)

    others = [name for name in MODULES if name not in _FOR_ROS]
    bad = {name: imports[name][1] for name in others if not imports[name][0]}
    told = '; '.join(f'{name}: {text}' for name, text in bad.items())
    if set(bad) - {_OPTIONAL}:
        return finding(Level.ERROR, told, REINSTALL)
    if bad:
        return finding(Level.WARNING, f'{told}: images with Bayer patterns or YUV are refused',
                       '"sudo apt install ros-$ROS_DISTRO-cv-bridge"')
    return finding(Level.OK, ', '.join(f'{name} {imports[name][1]}' for name in others))


def check_numpy(machine: Machine, imports: Mapping[str, tuple[bool, str]]) -> Finding:
    """Tell whether numpy is of the kind that this ROS was compiled for."""
    good, version = imports['numpy']
    distribution = machine.environment.get('ROS_DISTRO', '')
    if not good:
        return Finding('numpy', Level.ERROR, version, 'import numpy',
                       REINSTALL)
    if distribution in _BUILT_FOR_NUMPY_1 and not version.startswith('1.'):
        return Finding(
            'numpy', Level.ERROR, f'{version}, and {distribution} (cv_bridge among others) is '
            f'compiled for numpy 1', 'import numpy, ROS_DISTRO',
            f'{REINSTALL}, which has the last numpy 1; some wheels with GPU pull numpy 2 in')
    return Finding('numpy', Level.OK, version, 'import numpy')
