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
Engines that take long to build, kept on disk: built once, and verified before every use.

Whoever can write to such a file decides what a later process executes: to load an untrusted engine
of TensorRT is to run untrusted native code, says its documentation
(https://docs.nvidia.com/deeplearning/tensorrt/latest/reference/security.html). So the cache is a
folder of the user's own that nobody else can write to or look into, and of an entry everything is
checked: owners, permissions, and size and SHA-256 of every file. What does not pass is never
loaded; it is built again, and a message says why.

    <folder>/CACHEDIR.TAG                   tells a cache, also to backups (https://bford.info/cachedir)
    <folder>/<digest>/manifest.json         the key in plain text; size and SHA-256 of every file
    <folder>/<digest>/...                   the engine's files
    <folder>/<digest>.lock                  locked by the process that builds; stays, empty
    <folder>/<digest>.building-...          half an entry, removed by the next build of that key

An entry comes into being by one rename, so there is never half of one, and a process that is
killed loses its lock with its life. The folder may be deleted whenever no process builds in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import reprlib
import shutil
import stat
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = 'manifest.json'
FORMAT = 1

_TAG = 'CACHEDIR.TAG'
_TAG_TEXT = ('Signature: 8a477f597d28d172789f06886806bc55\n'
             '# Engines that frm_perception built. They are built again where this is deleted.\n')
_DIGEST = re.compile('[0-9a-f]{64}')
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class EngineCacheError(RuntimeError):
    """The folder cannot be used as a cache, or an engine could not be put into it."""


class _Unfit(Exception):
    """Why a file, a folder or an entry cannot be trusted; follows the name of the entry."""


@dataclass(frozen=True)
class EngineKey:
    """
    All that a built engine depends on: where any of it differs, another one has to be built.

    :param engine: what builds and runs it, such as 'openvino'.
    :param model: SHA-256 of the model's file, in hexadecimal digits.
    :param shapes: of the inputs, by their names.
    :param precision: of the bundle's file, such as 'fp16'.
    :param options: everything that the engine is told, by name.
    :param versions: of the libraries that build and run it, by name.
    :param device: what the engine computes on, by the names of its properties.
    """

    engine: str
    model: str
    shapes: Mapping[str, tuple[int, ...]]
    precision: str
    options: Mapping[str, str]
    versions: Mapping[str, str]
    device: Mapping[str, str]

    def parts(self) -> dict[str, Any]:
        """Return the key as it stands in a manifest: texts, lists of numbers and mappings."""
        return {'engine': self.engine, 'model': self.model,
                'shapes': {name: list(shape) for name, shape in self.shapes.items()},
                'precision': self.precision, 'options': dict(self.options),
                'versions': dict(self.versions), 'device': dict(self.device)}

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for the key: the name of its entry."""
        return hashlib.sha256(json.dumps(self.parts(), sort_keys=True).encode()).hexdigest()


def open_cache(folder: str, log: Callable[[str], None]) -> EngineCache | None:
    """
    Return the cache in a folder that a user gave, or in the user's folder of caches.

    That is ``$XDG_CACHE_HOME``, or ``~/.cache`` where the variable is not set or not an absolute
    path (https://specifications.freedesktop.org/basedir-spec/latest/).

    :param folder: '' where none was given.
    :param log: see :class:`EngineCache`.
    :return: None, and a line in the log, where none was given and the user has no home.
    """
    if folder:
        return EngineCache(Path(folder).expanduser(), log)
    caches = Path(os.environ.get('XDG_CACHE_HOME', ''))
    if not caches.is_absolute():
        try:
            caches = Path.home() / '.cache'
        except RuntimeError as error:
            log(f'engines are not kept: {error}; give a folder for them, or set XDG_CACHE_HOME')
            return None
    return EngineCache(caches / 'frm_perception' / 'engines', log)


class EngineCache:
    """
    A folder of built engines; it is made, and looked into, when :meth:`entry` is called.

    For several threads and processes at once.

    :param folder: private to the cache: a new or empty folder, or one that is a cache already.
    :param log: takes a line on what is out of the ordinary: a folder or an entry that is not as
        it was left, or another process that is waited for.

    Attributes: ``outcome`` is what became of the latest :meth:`entry`: 'found', 'built' or
    'failed'; 'unused' if there was none.
    """

    def __init__(self, folder: Path, log: Callable[[str], None]) -> None:
        self.folder = folder
        self.log = log
        self.outcome = 'unused'

    def entry(self, key: EngineKey, build: Callable[[Path], None]) -> Path:
        """
        Return the folder of the engine's files, for reading; they have just been verified.

        :param build: called where there is no such engine yet, in one process at a time; writes
            the files into the empty folder that it is given. What it raises is passed on, and
            leaves nothing behind.
        :raises EngineCacheError: the folder cannot be used, or the build left no usable files.
        """
        self.outcome = 'failed'
        try:
            self._secure()
            entry = self.folder / key.digest
            if _problem(entry, key) is None:
                self.outcome = 'found'
                return entry
            with self._lock(key.digest):
                problem = _problem(entry, key)
                if problem is not None:
                    if os.path.lexists(entry):
                        self.log(f'the cached engine {entry} is not used, but built again: '
                                  f'{problem}')
                    self._build(entry, key, build)
            self.outcome = 'found' if problem is None else 'built'
            return entry
        except OSError as error:
            raise EngineCacheError(f'engine cache {self.folder}: {error}') from error

    def problem(self, key: EngineKey) -> str | None:
        """
        Return why :meth:`entry` would build that engine; None where it is there, and verified.

        :raises EngineCacheError: the folder cannot be used.
        """
        try:
            self._secure()
            entry = self.folder / key.digest
            if not os.path.lexists(entry):
                return f'it is not in the engine cache {self.folder}'
            problem = _problem(entry, key)
        except OSError as error:
            raise EngineCacheError(f'engine cache {self.folder}: {error}') from error
        return problem and f'the one in {entry} cannot be used: {problem}'

    def _secure(self) -> None:
        """
        Make the folder, or see that it is the user's own, a cache, and closed to others.

        :raises EngineCacheError: it is not, and cannot be made so.
        """
        with suppress(FileExistsError):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=stat.S_IRWXU)
        problem = folder_problem(self.folder)
        if problem is not None:
            raise EngineCacheError(f'engine cache {self.folder}: {problem}')
        tag = self.folder / _TAG
        if not tag.is_file():
            tag.write_text(_TAG_TEXT, encoding='utf-8')
        status = self.folder.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            self.folder.chmod(stat.S_IRWXU)
            self.log(f'the engine cache {self.folder} was open to other users (mode {mode:04o}): '
                      f'now it is not')
            if mode & _WRITABLE_BY_OTHERS:
                self._discard_all()

    def _discard_all(self) -> None:
        entries = [path for path in self.folder.iterdir() if _DIGEST.fullmatch(path.name)]
        for entry in entries:
            with self._lock(entry.name):
                self._discard(entry)
        if entries:
            self.log(f'other users could have changed its {len(entries)} engines: they are '
                      f'discarded, and built again when they are needed')

    @contextmanager
    def _lock(self, digest: str) -> Iterator[None]:
        """Keep all others from building that entry; the kernel ends it with the process."""
        with (self.folder / f'{digest}.lock').open('a') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.log(f'another process is building the engine {self.folder / digest}: '
                          f'waiting for it')
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self, entry: Path, key: EngineKey, build: Callable[[Path], None]) -> None:
        self._discard(entry)
        building = Path(tempfile.mkdtemp(prefix=f'{entry.name}.building-', dir=self.folder))
        try:
            build(building)
            for file in building.iterdir():
                _check_kind_and_owner(file.lstat(), stat.S_ISREG, file.name)
                # The umask that libraries write with may let others in.
                file.chmod(stat.S_IRUSR | stat.S_IWUSR)
            manifest = _manifest_of(building, key)
            if not manifest['files']:
                raise _Unfit('it wrote no file')
            (building / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding='utf-8')
            building.rename(entry)
        except _Unfit as unfit:
            raise EngineCacheError(
                f'engine cache {self.folder}: the build for {key.engine} is no entry: {unfit}'
            ) from None
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _discard(self, entry: Path) -> None:
        """Remove an entry, and what processes that were killed while they built it left."""
        if entry.is_dir() and not entry.is_symlink():
            # Renamed first, over an empty folder: what somebody else owns can perhaps not be
            # removed, and nobody may see half of an entry.
            entry.rename(tempfile.mkdtemp(prefix=f'{entry.name}.building-', dir=self.folder))
        else:
            entry.unlink(missing_ok=True)
        for leftover in self.folder.glob(f'{entry.name}.building-*'):
            shutil.rmtree(leftover, ignore_errors=True)


def folder_problem(folder: Path) -> str | None:
    """
    Return why a folder that is there cannot be a cache, and what to do; None: it can.

    :raises OSError: it cannot be read.
    """
    try:
        _check_kind_and_owner(folder.lstat(), stat.S_ISDIR, 'it')
    except _Unfit as unfit:
        return f'{unfit}; give another folder, one that you own'
    # In this order: another process may be making the cache, and begins with the tag.
    is_empty = not any(folder.iterdir())
    if not is_empty and not (folder / _TAG).is_file():
        # A home, say, or /tmp: neither to be filled with engines nor to be closed to others.
        return (f'the folder holds other things (it has no {_TAG}); give one that is empty or '
                f'that does not exist yet')
    return None


def _problem(entry: Path, key: EngineKey) -> str | None:
    """Return why an entry cannot be used for a key, or None."""
    try:
        _check_private(entry.lstat(), stat.S_ISDIR, 'its folder')
        found = _manifest_of(entry, key)
        written = json.loads((entry / MANIFEST).read_text(encoding='utf-8'))
    except _Unfit as unfit:
        return str(unfit)
    except OSError as error:
        return f'cannot read {error.filename}: {error.strerror}'
    except (ValueError, RecursionError) as error:
        return f'{MANIFEST} is damaged: {error}'
    return None if written == found else _difference(written, found)


def _manifest_of(folder: Path, key: EngineKey) -> dict[str, Any]:
    """
    Return what the manifest says of a folder's files if they are those of that key.

    :raises _Unfit: something there is not a file of the user's own that nobody else can write to.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        _check_private(path.lstat(), stat.S_ISREG, path.name)
        if path.name != MANIFEST:
            content = path.read_bytes()
            files[path.name] = {'size': len(content),
                                'sha256': hashlib.sha256(content).hexdigest()}
    return {'format': FORMAT, 'key': key.parts(), 'files': files}


def _difference(written: Any, found: dict[str, Any]) -> str:
    """Return in words how a manifest differs from what is there."""
    if not isinstance(written, dict) or written.keys() != found.keys():
        return f'{MANIFEST} is damaged: it lacks keys or has others'
    for name in ('format', 'key'):
        if written[name] != found[name]:
            return f'{MANIFEST} is of another {name}'
    known = written['files'] if isinstance(written['files'], dict) else {}
    for name in sorted(known.keys() | found['files'].keys()):
        if name not in found['files']:
            return f'{name} is missing'
        if name not in known:
            return f'{name} is not in {MANIFEST}'
        if known[name] != found['files'][name]:
            return (f'{name} is not as {MANIFEST} says: {found["files"][name]}, not '
                    f'{reprlib.repr(known[name])}')
    return f'{MANIFEST} is damaged'


def _check_private(status: os.stat_result, is_kind: Callable[[int], bool], what: str) -> None:
    _check_kind_and_owner(status, is_kind, what)
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise _Unfit(f'{what} can be written to by other users '
                     f'(mode {stat.S_IMODE(status.st_mode):04o})')


def _check_kind_and_owner(status: os.stat_result, is_kind: Callable[[int], bool],
                          what: str) -> None:
    if not is_kind(status.st_mode):
        kind = 'folder' if is_kind is stat.S_ISDIR else 'plain file'
        raise _Unfit(f'{what} is not a {kind}, but '
                     f'{"a link" if stat.S_ISLNK(status.st_mode) else "something else"}')
    if status.st_uid != os.geteuid():
        raise _Unfit(f'{what} belongs to another user (id {status.st_uid})')
