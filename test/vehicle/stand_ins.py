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
Bundles as `make vehicle-bundle` writes them, of wheels that take no time to install.

The program `segmenter` in them prints one line, waits for a line, imports a module and prints the
version that this module is of. `frm` prints its arguments and whether it sees rclpy.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path

from scripts.vehicle_bundle import Commit
from scripts.vehicle_bundle import tracked
from scripts.vehicle_bundle import write_tarball
from scripts.vehicle_wheels import GLIBC
from scripts.vehicle_wheels import Target

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f'{sys.version_info.major}.{sys.version_info.minor}'
HERE = Target(platform.machine(), PYTHON)
SYSTEM_FILES = tuple(f'vehicle/systemd/{name}' for name in (
    'frm-segmenter.service', 'logrotate.conf', 'segmenter.env', 'sysusers.conf', 'tmpfiles.conf'))
COMMIT = '0123456789abcdef0123456789abcdef01234567'

_PROGRAMS = """
import importlib.util, sys

def frm():
    print(sys.argv[1:], importlib.util.find_spec('rclpy') is not None)
    return 2 if sys.argv[1] == 'doctor' and '--help' not in sys.argv else 0

def segmenter():
    if '--help' in sys.argv:
        return BROKEN
    print('runs', flush=True)
    sys.stdin.readline()
    from frm_perception import late
    print(late.VERSION)
"""


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str],
                needs: Sequence[str] = (), tag: str = 'py3-none-any') -> Path:
    """Write a wheel of some text files; return its path."""
    module = name.replace('-', '_')
    info = f'{module}-{version}.dist-info'
    metadata = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}',
                *(f'Requires-Dist: {needed}' for needed in needs)]
    content = {
        **files, f'{info}/METADATA': '\n'.join(metadata) + '\n',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n'
                         f'Tag: {tag}\n'}
    record = [f'{path},sha256={_hash(text.encode())},{len(text)}'
              for path, text in content.items()]
    content[f'{info}/RECORD'] = '\n'.join([*record, f'{info}/RECORD,,']) + '\n'
    path = folder / f'{module}-{version}-{tag}.whl'
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, 'w') as wheel:
        for member, text in content.items():
            wheel.writestr(zipfile.ZipInfo(member), text)
    return path


def package_wheel(folder: Path, version: str, broken: str = '0') -> Path:
    """Write a wheel that stands for that of the package; `broken` is what `segmenter` does."""
    info = f'frm_perception-{version}'
    return write_wheel(folder, 'frm_perception', version, {
        'frm_perception/__init__.py': _PROGRAMS.replace('BROKEN', broken),
        'frm_perception/late.py': f'VERSION = {version!r}\n',
        f'{info}.dist-info/entry_points.txt':
            '[console_scripts]\nfrm = frm_perception:frm\nsegmenter = frm_perception:segmenter\n',
        f'{info}.data/data/share/frm_perception/config/segmenter.yaml': '{}\n'})


class Bundles:
    """
    Makes bundles in a folder.

    :param folder: wheels, tarballs and what is unpacked of them go there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pip(self) -> Path:
        """The wheel of the pip that runs here, packed again from its files."""
        pip = distribution('pip')
        path = self.folder / f'pip-{pip.version}-py3-none-any.whl'
        with zipfile.ZipFile(path, 'w') as wheel:
            for file in pip.files or ():
                if file.parts[0].startswith('pip') and file.suffix != '.pyc':
                    wheel.write(str(file.locate()), str(file))
        return path

    def tarball(self, version: str, target: Target = HERE, broken: str = '0',
                commit: str = COMMIT, further: Sequence[Path] = ()) -> Path:
        """Write a bundle whose package has a version; return its path."""
        folder = self.folder / f'{version}-{hash(broken)}'
        root = folder / 'root'
        for name in tracked(ROOT, ['vehicle', 'LICENSE']):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        for name in SYSTEM_FILES:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f'# {name} of {version}\n')
        (root / 'package.xml').write_text(f'<package><version>{version}</version></package>')
        ros = write_wheel(self.folder / 'ros', 'ros-stand-in', '1.0', {'ros_stand_in.py': ''})
        return write_tarball(
            sorted({*tracked(ROOT, ['vehicle', 'LICENSE']), *SYSTEM_FILES}), root,
            [self.pip, package_wheel(folder, version, broken), *further], [ros], target,
            Commit(commit, 1_700_000_000, False), folder)

    def unpacked(self, version: str, **options: object) -> Path:
        """Unpack a bundle; return the folder with its `install.sh`."""
        tarball = self.tarball(version, **options)  # type: ignore[arg-type]
        with tarfile.open(tarball) as archive:
            top = archive.getnames()[0].partition('/')[0]
            archive.extractall(tarball.parent)
        return tarball.parent / top


def plain_environment() -> dict[str, str]:
    """Return our variables without ROS, and those by which a user's settings mislead pip."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(('AMENT_', 'COLCON_', 'ROS_', 'PYTHON', 'VIRTUAL_ENV'))}
    return {**kept, 'PYTHON': base_python(), 'PIP_NO_BINARY': ':all:',
            'PIP_INDEX_URL': 'http://127.0.0.1:9/', 'PIP_REQUIRE_VIRTUALENV': '1',
            'PIP_TARGET': '/nowhere'}


def base_python() -> str:
    """Return the Python that our own environment was made with."""
    return str(getattr(sys, '_base_executable', sys.executable))


def run_install(bundle: Path, prefix: Path, *arguments: str,
                **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle's `install.sh`; return what it said, errors and all."""
    return subprocess.run(
        [bundle / 'install.sh', '--prefix', prefix, *arguments], stdin=subprocess.DEVNULL,
        env={**plain_environment(), **variables}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, umask=0o077)  # as a careful root has it


def supported() -> bool:
    """Return whether bundles are made for the Python and the processor of this computer."""
    return PYTHON in GLIBC and HERE.machine in ('aarch64', 'x86_64')


def _namespaces() -> list[str]:
    """Return what runs a command with mounts of its own, or nothing where that is not allowed."""
    command = ['unshare', '--user', '--map-root-user', '--mount']
    try:
        allowed = subprocess.run([*command, 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'],
                                 capture_output=True).returncode == 0
    except FileNotFoundError:
        return []
    return command if allowed else []


NAMESPACES = _namespaces()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')
