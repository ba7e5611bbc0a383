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
A folder of model bundles on a vehicle, of which one is current; another one takes its place whole.

`current` and `previous` are links to folders below `versions/`. A bundle is copied into a hidden
folder, checked there, written through to the medium and only then given its name; the link is
replaced in one step. So whoever loses power or is killed at any moment leaves links to whole
bundles. What is neither current nor previous is removed by the next installation.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pathlib import PurePosixPath
from typing import IO

from frm_perception.runtime.bundle import MANIFEST
from frm_perception.runtime.bundle import Bundle

VERSIONS = 'versions'
CURRENT, PREVIOUS = 'current', 'previous'
_LOCK = '.lock'
_HIDDEN = '.new'
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}')
_HASH_DIGITS = 8
_MAX_BYTES = 1 << 33
"""A bundle is not larger; what unpacks to more is no bundle."""


class ModelStoreError(ValueError):
    """The store cannot do what is asked; the message says why and what to do."""


@dataclass(frozen=True)
class StoredModel:
    """
    A bundle in the store.

    :param bundle: its folder has the version's name.
    :param is_current: whether `current` leads to it.
    :param is_previous: whether `previous` does.
    """

    bundle: Bundle
    is_current: bool
    is_previous: bool

    @property
    def version(self) -> str:
        """The bundle's name and the beginning of its manifest's SHA-256."""
        return self.bundle.folder.name


class ModelStore:
    """
    The store in a folder, which need not be there yet.

    :param folder: written by those who install; a node reads it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self._versions = self.folder / VERSIONS

    @property
    def current(self) -> Path | None:
        """Folder of the bundle that is current."""
        return self._target(CURRENT)

    @property
    def previous(self) -> Path | None:
        """Folder of the bundle that was current before."""
        return self._target(PREVIOUS)

    def models(self) -> list[StoredModel]:
        """
        Return the bundles of the store, by the names of their versions.

        :raises BundleError: one of them is damaged.
        """
        return [StoredModel(Bundle.load(folder), folder == self.current, folder == self.previous)
                for folder in sorted(self._versions.glob('[!.]*'))]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep others from changing the store.

        :raises ModelStoreError: somebody changes it now.
        :raises OSError: the folder cannot be written.
        """
        self._versions.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelStoreError(
                    f'another process changes {self.folder} now: let it end first') from None
            yield

    def add(self, source: Path, try_out: Callable[[Bundle], None]) -> Bundle:
        """
        Take in a bundle that is whole and works; it is not current yet. For who holds the lock.

        :param source: its folder, or a tar file with that folder.
        :param try_out: runs the copy; what it raises keeps the bundle out.
        :return: the bundle in the store; one that is there already is checked again.
        :raises BundleError: it is damaged.
        :raises ModelStoreError: the source holds no bundle, or not one alone.
        :raises OSError: it cannot be read, or there is no room for it.
        """
        hidden = self._versions / _HIDDEN
        shutil.rmtree(hidden, ignore_errors=True)  # of somebody who was killed
        hidden.mkdir()
        try:
            if source.is_dir():
                _copy_folder(source, hidden)
            else:
                _unpack(source, hidden)
            bundle = Bundle.load(hidden)
            for precision in bundle.precisions:
                bundle.verified_model(precision)
            try_out(bundle)
            _write_through(hidden)
            folder = self._versions / _version_of(bundle)
            if folder.exists():
                # One that serves may be read at this moment: it is replaced only if it is damaged.
                if _is_same(folder, hidden):
                    return Bundle.load(folder)
                shutil.rmtree(folder)
            os.replace(hidden, folder)
            _sync_folder(self._versions)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        return Bundle.load(folder)

    def make_current(self, folder: Path) -> None:
        """Let a bundle of the store be current, and what was so previous; under the lock."""
        current = self.current
        if folder == current:
            return
        if current is not None:
            self._link(PREVIOUS, current)
        self._link(CURRENT, folder)

    def restore(self, current: Path | None, previous: Path | None) -> None:
        """Put both links back to what they were; for who holds the lock."""
        for name, folder in ((CURRENT, current), (PREVIOUS, previous)):
            if folder is not None:
                self._link(name, folder)
            else:
                (self.folder / name).unlink(missing_ok=True)
        _sync_folder(self.folder)

    def prune(self) -> None:
        """Remove what is neither current nor previous; for who holds the lock."""
        for folder in self._versions.iterdir():
            if folder not in (self.current, self.previous):
                shutil.rmtree(folder)

    def _target(self, name: str) -> Path | None:
        link = self.folder / name
        return self.folder / os.readlink(link) if link.is_symlink() else None

    def _link(self, name: str, folder: Path) -> None:
        """Let a link lead to a folder, in one step; nobody finds it missing."""
        new = self.folder / f'.{name}'
        new.unlink(missing_ok=True)
        new.symlink_to(folder.relative_to(self.folder))
        os.replace(new, self.folder / name)
        _sync_folder(self.folder)


def _version_of(bundle: Bundle) -> str:
    if not _NAME.fullmatch(bundle.name):
        raise ModelStoreError(
            f'the bundle is called {bundle.name!r}, which cannot be the name of a folder: only '
            'letters, digits, dots, dashes and underscores can')
    manifest = (bundle.folder / MANIFEST).read_bytes()
    return f'{bundle.name}-{hashlib.sha256(manifest).hexdigest()[:_HASH_DIGITS]}'


def _copy_folder(source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        if path.is_file():
            shutil.copyfile(path, target / path.name)


def _unpack(source: Path, target: Path) -> None:
    """Write the files of the only folder in a tar file; nothing else of it reaches the disk."""
    try:
        with tarfile.open(source) as archive:
            members = [member for member in archive if not member.isdir()]
            paths = [PurePosixPath(member.name) for member in members]
            if len({path.parent for path in paths}) != 1 or not all(
                    member.isreg() for member in members):
                raise ModelStoreError(
                    f'{source} does not hold one folder with the files of a bundle and nothing '
                    'else: pack it with "tar -czf FILE.tar.gz -C FOLDER_OF_BUNDLES BUNDLE"')
            if sum(member.size for member in members) > _MAX_BYTES:
                raise ModelStoreError(f'{source} unpacks to more than any bundle has')
            for member, path in zip(members, paths, strict=True):
                content = archive.extractfile(member)
                assert content is not None, 'it is a regular file'
                with content, (target / path.name).open('xb') as file:
                    _copy_stream(content, file, member.size, source)
    except (tarfile.TarError, EOFError) as error:
        raise ModelStoreError(
            f'{source} is neither the folder of a bundle nor a whole tar file: {error}') from error


def _copy_stream(content: IO[bytes], file: IO[bytes], size: int, source: Path) -> None:
    shutil.copyfileobj(content, file)
    if file.tell() != size:
        raise ModelStoreError(f'{source} ends too early: copy it again')


def _is_same(folder: Path, other: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return names == {path.name for path in other.iterdir()} and all(
        _digest(folder / name) == _digest(other / name) for name in names)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_through(folder: Path) -> None:
    """Let files and their names reach the medium: a vehicle loses power without a word."""
    for path in folder.iterdir():
        path.chmod(0o644)
        with path.open('rb') as file:
            os.fsync(file.fileno())
    folder.chmod(0o755)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
