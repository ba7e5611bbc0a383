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
"""What of a version belongs to the system: units, log rotation, a user, the site's files."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from installer.bundle import Problem

USER = 'frm'
SITE = Path('/etc/frm_perception')
CACHE = Path('/var/cache/frm_perception')
UNITS = Path('/etc/systemd/system')
RUNNING_SYSTEMD = Path('/run/systemd/system')

_NAMES = {
    'sysusers.conf': Path('/etc/sysusers.d/frm_perception.conf'),
    'tmpfiles.conf': Path('/etc/tmpfiles.d/frm_perception.conf'),
    'logrotate.conf': Path('/etc/logrotate.d/frm_perception'),
}
"""Where files of `vehicle/systemd` go; all else that ends like a unit goes to :data:`UNITS`."""
_UNIT_SUFFIXES = {'.service', '.target', '.timer', '.socket', '.path'}
SITE_FILES = {'segmenter.env': 'vehicle/systemd/segmenter.env',
               'segmenter.yaml': 'share/config/segmenter.yaml'}
"""Files that belong to the site: they are written once and never again."""


def has_systemd() -> bool:
    """Return whether units can be installed: by root, on a computer that systemd runs."""
    return os.geteuid() == 0 and RUNNING_SYSTEMD.is_dir()


def target_of(path: Path) -> Path | None:
    """Return where a file of `vehicle/systemd` goes with every version, or None: nowhere."""
    if path.suffix in _UNIT_SUFFIXES:
        return UNITS / path.name
    return _NAMES.get(path.name)


def install_units(version: Path, say: Callable[[str], None]) -> None:
    """
    Give the system the units and settings of a version; the site's files stay as they are.

    :raises Problem: a program of systemd failed.
    """
    folder = version / 'vehicle' / 'systemd'
    placed = []
    for path in sorted(folder.glob('*')):
        target = target_of(path)
        if target is not None:
            _place(path, target)
            placed.append(path.name)
    for name, source in SITE_FILES.items():
        if not (SITE / name).exists() and (version / source).is_file():
            _place(version / source, SITE / name)
            say(f'wrote {SITE / name}, which is yours from now on')
    if not placed:
        return
    for command in (['systemd-sysusers', str(_NAMES['sysusers.conf'])],
                    ['systemd-tmpfiles', '--create', str(_NAMES['tmpfiles.conf'])],
                    ['systemctl', 'daemon-reload']):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise Problem(f'"{" ".join(command)}" failed: {done.stdout.strip()}')
    say(f'installed for systemd: {", ".join(placed)}')


def as_the_node(command: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return what runs a command as the unit runs the node, and its variables, where root asks."""
    variables = dict(os.environ)
    if os.geteuid() or not _exists(USER):
        return command, variables
    variables |= {'HOME': str(CACHE), 'XDG_CACHE_HOME': str(CACHE),
                  'NUMBA_CACHE_DIR': str(CACHE / 'numba')}
    return ['runuser', '-u', USER, '--', *command], variables


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'.{target.name}.partial')
    shutil.copyfile(source, partial)
    partial.chmod(0o644)
    partial.replace(target)
