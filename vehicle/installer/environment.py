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
"""One version: a virtual environment from the wheels of a bundle, and what starts its programs."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from installer.bundle import MANIFEST
from installer.bundle import ROS_WHEELS
from installer.bundle import WHEELS
from installer.bundle import Manifest
from installer.bundle import Problem
from installer.machine import NO_ROS
from installer.machine import WHEELS_OF_ROS
from installer.machine import Ros

KEPT = ('docs', 'vehicle', 'install.sh', 'LICENSE')
"""What of the bundle, besides its wheels, becomes part of the version."""
PACKAGE = 'frm_perception'

_SETUP = """\
# Written by install.sh. A POSIX shell that reads this finds frm_perception, its launch files and
# its commands, with ROS beneath it.
{source}
export AMENT_PREFIX_PATH={venv}"${{AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}}"
export PYTHONPATH={packages}"${{PYTHONPATH:+:$PYTHONPATH}}"
export PATH={version}/bin:"$PATH"
# Fast DDS as it comes loses most large images: docs/transport.md.
if [ -z "${{FASTRTPS_DEFAULT_PROFILES_FILE:-}}" ]; then
  export FASTRTPS_DEFAULT_PROFILES_FILE={profile}
fi
"""
_SOURCE_ROS = """\
if [ -z "${{AMENT_PREFIX_PATH:-}}" ]; then
  . {setup}
fi"""
_OWN_ROS = 'unset _ROS_WHEELS_BOOTSTRAP_COMPLETE'


def make_version(bundle: Path, manifest: Manifest, version: Path, ros: Ros) -> None:
    """
    Install a verified bundle into a new folder.

    :raises Problem: it failed; the folder is then not whole.
    """
    version.mkdir()
    _copy_small_files(bundle, manifest, version)
    venv = version / 'venv'
    # Without pip: that needs a package of Ubuntu which may not be there. The bundle has its own.
    _run([sys.executable, '-m', 'venv', '--system-site-packages', '--without-pip', str(venv)],
         _plain(os.environ))
    _install_wheels(bundle, manifest, venv, with_ros=ros == WHEELS_OF_ROS)
    packages, = venv.glob('lib/python3.*/site-packages')
    programs = ('frm',) if ros == NO_ROS else ('frm', 'segmenter')
    library = venv / 'lib' / PACKAGE  # where `ros2 run` and `ros2 launch` look for programs
    library.mkdir()
    (version / 'bin').mkdir()
    for name in programs:
        (library / name).symlink_to(f'../../bin/{name}')
        (version / 'bin' / name).symlink_to('../vehicle/run.sh')
    (version / 'share').symlink_to(f'venv/share/{PACKAGE}')
    (version / 'setup.sh').write_text(_setup_text(version, venv, packages, ros), encoding='utf-8')
    for name in programs:
        _run([str(version / 'bin' / name), '--help'], _plain(os.environ))


def damaged_files(version: Path) -> list[str]:
    """Return the files of an installed version that are missing or not what was installed."""
    packages, = version.glob('venv/lib/python3.*/site-packages')
    faults = []
    for record in sorted(packages.glob('*.dist-info/RECORD')):
        with record.open(newline='', encoding='utf-8') as file:
            for name, expected, _ in csv.reader(file):
                if expected and _record_hash(packages / name) != expected:
                    faults.append(os.path.normpath(packages / name))
    return faults


def _record_hash(path: Path) -> str:
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return ''
    return 'sha256=' + base64.urlsafe_b64encode(digest).decode().rstrip('=')


def _copy_small_files(bundle: Path, manifest: Manifest, version: Path) -> None:
    """Copy what is kept of the bundle, and nothing that the manifest does not name."""
    for name in (MANIFEST, *manifest.files):
        if name == MANIFEST or name.partition('/')[0] in KEPT:
            (version / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(bundle / name, version / name)


def _install_wheels(bundle: Path, manifest: Manifest, venv: Path, with_ros: bool) -> None:
    wheels = manifest.wheels(WHEELS) | (manifest.wheels(ROS_WHEELS) if with_ros else {})
    # The installer itself runs from its wheel and is not installed: nothing changes a version.
    pip, = (name for name in wheels if name.startswith(f'{WHEELS}/pip-'))
    requirements = venv / 'requirements.txt'
    # Hashes once more: what pip reads is what was verified, even if the medium fails meanwhile.
    requirements.write_text(''.join(
        '{}=={} --hash=sha256:{}\n'.format(*Path(name).name.split('-')[:2], digest)
        for name, digest in sorted(wheels.items()) if name != pip), encoding='utf-8')
    # --ignore-installed: what Ubuntu has, or what lies on a path of ROS, may change tomorrow.
    _run([str(venv / 'bin' / 'python'), str(bundle / pip / 'pip'), 'install', '--no-index',
          '--find-links', str(bundle / WHEELS), '--find-links', str(bundle / ROS_WHEELS),
          '--no-deps', '--require-hashes', '--only-binary', ':all:', '--ignore-installed',
          '--no-cache-dir', '--no-input', '--disable-pip-version-check',
          '--no-warn-script-location', '--quiet', '-r', str(requirements)], _plain(os.environ))


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables without ROS, and without what may have been set for pip or Python."""
    dropped = ('PIP_', 'PYTHON', 'AMENT_', 'COLCON_', 'ROS_', 'VIRTUAL_ENV')
    return {**{name: value for name, value in environ.items() if not name.startswith(dropped)},
            'PIP_CONFIG_FILE': os.devnull}


def _setup_text(version: Path, venv: Path, packages: Path, ros: Ros) -> str:
    source = _SOURCE_ROS.format(setup=shlex.quote(ros.setup)) if ros.setup else _OWN_ROS
    return _SETUP.format(
        version=shlex.quote(str(version)), source=source, venv=shlex.quote(str(venv)),
        packages=shlex.quote(str(packages)),
        profile=shlex.quote(str(venv / 'share' / PACKAGE / 'config' / 'fastdds_shm.xml')))


def _run(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = '\n'.join(done.stdout.strip().splitlines()[-12:])
        full = 'No space left on device' in done.stdout
        raise Problem(f'{said}\n"{" ".join(command[:4])} ..." failed with status '
                      f'{done.returncode}.' + (' The disk is full: make room and run the same '
                                               'command again.' if full else ''))
