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
"""Whether this computer is one that the bundle is for."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from installer.bundle import Manifest
from installer.bundle import Problem

ROS_FOLDER = Path('/opt/ros')
MARGIN_BYTES = 200 * 10**6
"""What else is written: compiled modules, a record, the copy of the bundle's small files."""

NEEDED = ('rclpy', 'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'lifecycle_msgs',
          'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs')
"""Packages of ROS without which the node does not start."""

_IMPORT = """
import importlib, json, sys
faults = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        faults[name] = str(error).strip().partition(chr(10))[0] or repr(error)
print(json.dumps(faults))
"""
_SOURCE = 'setup=$1; set --; . "$setup" >&2 && exec "$0" -c "$PROGRAM"'
_TELL = 'import json, os; os.environ.pop("PROGRAM"); print(json.dumps(dict(os.environ)))'


@dataclass(frozen=True)
class Ros:
    """
    The ROS that an installation stands beside.

    :param distribution: as in humble, or nothing for none.
    :param setup: file that a POSIX shell sources; nothing for the wheels of the bundle.
    """

    distribution: str
    setup: str


WHEELS_OF_ROS = Ros('jazzy', '')
NO_ROS = Ros('', '')


def check_machine(manifest: Manifest) -> None:
    """
    Compare the computer and the Python that runs this with those that the bundle is for.

    :raises Problem: they differ; the text says which bundle would be right.
    """
    machine = platform.machine()
    python = f'{sys.version_info.major}.{sys.version_info.minor}'
    right = f'make vehicle-bundle ARCH={machine} PYTHON={python}'
    if machine != manifest.machine:
        raise Problem(f'This bundle is for {manifest.machine}, and this computer is {machine}. '
                      f'The right one is made by: {right}')
    if python != manifest.python:
        raise Problem(f'This bundle is for Python {manifest.python}, and {sys.executable} is '
                      f'Python {python}. The right one is made by: {right}')
    library, version = platform.libc_ver()
    if library != 'glibc' or _numbers(version) < _numbers(manifest.glibc):
        raise Problem(f'This bundle needs glibc {manifest.glibc} or later, as Ubuntu 20.04 has '
                      f'it, and here is {library or "another C library"} {version}.')


def check_disk(manifest: Manifest, prefix: Path) -> None:
    """
    See whether there is room for the installation.

    :raises Problem: there is not; the text has the numbers.
    """
    existing = next(folder for folder in (prefix, *prefix.parents) if folder.exists())
    needed = manifest.installed_bytes + MARGIN_BYTES
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Problem(f'Not enough disk at {existing}: {needed / 1e6:.0f} MB are needed, '
                      f'{free / 1e6:.0f} MB are free. Make room, or install elsewhere with '
                      '--prefix.')


def find_ros(manifest: Manifest, setup: Path | None) -> Ros:
    """
    Return the ROS that is sourced or that a file sets up.

    :param setup: file to source, or None: it must be sourced already.
    :raises Problem: none is sourced, it is not complete, or this Python cannot import it.
    """
    if setup is None:
        variables = dict(os.environ)
        if not variables.get('AMENT_PREFIX_PATH') or not variables.get('ROS_DISTRO'):
            raise Problem(_how_to_source(manifest))
        setup = _setup_of(variables['AMENT_PREFIX_PATH'])
    else:
        setup = _for_sh(setup)
        variables = _sourced(setup)
    distribution = variables.get('ROS_DISTRO', '')
    faults = _import_faults(variables)
    if 'rclpy' in faults:
        raise Problem(f'ROS 2 {distribution} is sourced, but {sys.executable} cannot import its '
                      f'rclpy: {faults["rclpy"]}. This bundle is for Python {manifest.python}'
                      + (f', which ROS 2 {manifest.ros} comes with.' if manifest.ros else '.'))
    if faults:
        packages = ' '.join(f'ros-{distribution}-{name.replace("_", "-")}' for name in faults)
        raise Problem(f'ROS 2 {distribution} is not complete; the node needs: {packages}')
    return Ros(distribution, str(setup))


def _how_to_source(manifest: Manifest) -> str:
    found = sorted(ROS_FOLDER.glob('*/setup.sh'))
    expected = ROS_FOLDER / (manifest.ros or 'DISTRIBUTION') / 'setup.sh'
    lines = ['No ROS 2 is sourced (and sudo takes from a program what was sourced). Name it:',
             *(f'  ./install.sh --ros-setup {path}' for path in found or [expected])]
    if not found:
        lines.append(f'There is none in {ROS_FOLDER}: on JetPack 6 install Humble, on JetPack 7 '
                     'Jazzy, or name the setup.sh of your own build.')
    if any(name.startswith('ros-wheels/') for name in manifest.files):
        lines.append('Or take the wheels of ROS 2 Jazzy that the bundle brings along, without '
                     'ros2 and launch files:\n  ./install.sh --with-ros-wheels')
    lines.append('Or, for frm alone and no node:\n  ./install.sh --without-ros')
    return '\n'.join(lines)


def _setup_of(prefixes: str) -> Path:
    """Return the file that sets up all prefixes: the one of the first of them, or above it."""
    first = Path(prefixes.split(os.pathsep)[0])
    # An overlay's own setup.sh sources what it was built on. A workspace that was built package by
    # package has a prefix for each, and the file above them.
    for folder in (first, first.parent):
        if (folder / 'setup.sh').is_file():
            return folder / 'setup.sh'
    raise Problem(f'ROS is sourced, but neither {first} nor the folder above it has a setup.sh: '
                  'name the file that sets it up with --ros-setup FILE')


def _for_sh(setup: Path) -> Path:
    path = setup.resolve()
    if path.suffix in ('.bash', '.zsh') and path.with_suffix('.sh').is_file():
        path = path.with_suffix('.sh')
    if not path.is_file():
        raise Problem(f'--ros-setup: there is no file {setup}')
    return path


def _sourced(setup: Path) -> dict[str, str]:
    """Return the variables of a shell that has sourced a file."""
    done = subprocess.run(
        ['/bin/sh', '-c', _SOURCE, sys.executable, str(setup)],
        env={**os.environ, 'PROGRAM': _TELL}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True)
    try:
        variables: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        raise Problem(f'{setup} cannot be sourced: {done.stderr.strip()}') from None
    if not variables.get('AMENT_PREFIX_PATH'):
        raise Problem(f'{setup} sets up no ROS 2: it leaves AMENT_PREFIX_PATH empty')
    return variables


def _import_faults(variables: Mapping[str, str]) -> dict[str, str]:
    done = subprocess.run([sys.executable, '-c', _IMPORT, *NEEDED], env=dict(variables),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    try:
        faults: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = done.stderr.strip().rpartition('\n')[2]
        return {'rclpy': last or f'Python ended with status {done.returncode}'}
    return faults


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.') if part.isdigit())
