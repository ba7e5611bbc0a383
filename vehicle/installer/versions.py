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
"""The versions below a prefix, and the links that say which of them is used."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from installer.bundle import Problem

RECORD = 'installed.json'
"""The file of a version that is written last: without it the version is not whole."""
ENTRANCES = ('bin', 'setup.sh', 'install.sh', 'share')
"""What of the current version is reached by a name that does not change."""
PROCESSES = Path('/proc')


class Prefix:
    """
    A folder with `versions/`, and links `current` and `previous` to two of them.

    :param folder: such as /opt/frm_perception; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = folder / 'versions'

    @property
    def current(self) -> Path | None:
        """The version that is used, or None."""
        return self._target('current')

    @property
    def previous(self) -> Path | None:
        """The version that was used before, or None."""
        return self._target('previous')

    def whole(self) -> list[Path]:
        """Return all versions whose installation came to its end, the oldest first."""
        records = self.versions.glob(f'[!.]*/{RECORD}')
        return [record.parent for record in sorted(records, key=lambda path: path.stat().st_mtime)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep other installations away from the prefix.

        :raises Problem: another one is at work, or this user may not write there.
        """
        try:
            self.versions.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / '.lock').open('w')
        except OSError as error:
            raise Problem(f'{self.folder} cannot be written to ({error.strerror}): run install.sh '
                          'with sudo, or name another folder with --prefix') from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Problem(f'another installation is at work in {self.folder}: wait until it '
                              'has ended') from None
            yield

    def use(self, version: Path) -> None:
        """
        Let a version be the current one, and what was current be the previous one.

        A reader finds the old version or the new one, never none.
        """
        # In this order, so that whatever moment ends this program, `current` leads to a whole
        # version, and the next call goes on from there.
        for name in ENTRANCES:
            _link(self.folder / name, Path('current') / name)
        before = self.current
        if before == version:
            return
        if before is not None:
            _link(self.folder / 'previous', _relative(before))
        _link(self.folder / 'current', _relative(version))

    def roll_back(self) -> Path:
        """
        Let the previous version be the current one, and the other way round; return it.

        :raises Problem: there is no previous version.
        """
        previous = self.previous
        if previous is None or previous == self.current:
            raise Problem(f'There is no previous version in {self.folder} to go back to; '
                          f'{self.current.name if self.current else "none"} is installed.')
        if not (previous / RECORD).is_file():
            raise Problem(f'{previous} is not whole: install it again from its bundle')
        self.use(previous)
        return previous

    @contextmanager
    def replacing(self, version: Path) -> Iterator[None]:
        """
        Make room for a version that the block installs; what was whole comes back if it fails.

        Whoever runs what was there keeps what it has opened.
        """
        aside = self.versions / f'.{version.name}.replaced'
        shutil.rmtree(aside, ignore_errors=True)
        if (version / RECORD).is_file():
            version.rename(aside)
        shutil.rmtree(version, ignore_errors=True)
        try:
            yield
        except BaseException:
            shutil.rmtree(version, ignore_errors=True)
            if aside.exists():
                aside.rename(version)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def prune(self) -> tuple[list[Path], list[Path]]:
        """
        Remove all versions but the current one, the previous one, and those that still run.

        :return: those that were removed, and those that were not because a process runs them.
        """
        removed, running = [], []
        for version in sorted(self.versions.iterdir()):
            if version in (self.current, self.previous):
                continue
            if _is_running(version):
                running.append(version)
                continue
            (version / RECORD).unlink(missing_ok=True)  # first: half of one is not whole
            shutil.rmtree(version, ignore_errors=True)
            removed.append(version)
        return removed, running

    def _target(self, name: str) -> Path | None:
        link = self.folder / name
        return self.folder / os.readlink(link) if link.is_symlink() else None


def write_record(version: Path, content: dict[str, Any]) -> None:
    """Say that a version is whole. Nothing of it is written after this."""
    partial = version / f'.{RECORD}'
    partial.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    os.sync()  # a vehicle loses its power at any time
    partial.rename(version / RECORD)


def read_record(version: Path) -> dict[str, Any]:
    """Return what :func:`write_record` wrote, or nothing where the version is not whole."""
    try:
        content: dict[str, Any] = json.loads((version / RECORD).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content


def _relative(version: Path) -> Path:
    return Path('versions') / version.name


def _link(path: Path, target: Path) -> None:
    partial = path.with_name(f'.{path.name}.partial')
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(path)


def _is_running(version: Path) -> bool:
    """Return whether some process has a file of a version in its memory or as its program."""
    inside = f'{version.resolve()}/'.encode()
    for process in PROCESSES.glob('[0-9]*'):
        for name in ('maps', 'cmdline'):
            try:
                if inside in (process / name).read_bytes():
                    return True
            except OSError:
                continue  # it ended, or belongs to another user
    return False
