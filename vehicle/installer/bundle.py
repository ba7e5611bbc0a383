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
"""A bundle as it was unpacked, and what its manifest says must be in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = 'manifest.json'
WHEELS = 'wheels'
ROS_WHEELS = 'ros-wheels'
"""Folder of wheels of ROS 2, for a computer on which none is installed."""
SCHEMA = 1


class Problem(Exception):
    """Something that the user has to mend; the text says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """
    What is in a bundle, and what for.

    :param version: of the package, with `+modified` where it was not built as it was committed.
    :param commit: 40 hexadecimal digits.
    :param machine: as `uname -m` says it, such as aarch64.
    :param python: as in 3.10.
    :param ros: distribution that comes with this Python, or nothing where none does.
    :param glibc: the oldest that its programs run with, as in 2.28.
    :param installed_bytes: disk that the wheels need once installed, those of ROS among them.
    :param files: SHA-256 of every file but the manifest, by its path in the bundle.
    :param digest: SHA-256 of the manifest.
    """

    version: str
    commit: str
    machine: str
    python: str
    ros: str
    glibc: str
    installed_bytes: int
    files: Mapping[str, str]
    digest: str

    @property
    def identity(self) -> str:
        """The name of an installation of this bundle and no other."""
        return f'{self.version}-{self.digest[:8]}'

    def wheels(self, folder: str) -> dict[str, str]:
        """Return SHA-256 of each wheel in one of the bundle's folders, by its path."""
        return {path: digest for path, digest in self.files.items()
                if path.startswith(f'{folder}/') and path.endswith('.whl')}


def load_manifest(folder: Path) -> Manifest:
    """
    Read the manifest of a bundle or of an installation.

    :raises Problem: there is none, or it is not one that this program understands.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        values = json.loads(content)
    except FileNotFoundError:
        raise Problem(f'{folder} is no bundle: it has no {MANIFEST}. On a computer with internet '
                      '"make vehicle-bundle" makes one; unpack it and run the install.sh in '
                      'it.') from None
    except (OSError, ValueError) as error:
        raise Problem(f'{path} cannot be read ({error}): unpack the bundle again') from None
    if not isinstance(values, dict) or values.get('schema') != SCHEMA:
        raise Problem(f'{path} is of another version of this program, or damaged: run the '
                      'install.sh that came with it')
    return _manifest(path, values, hashlib.sha256(content).hexdigest())


def _manifest(path: Path, values: Mapping[str, Any], digest: str) -> Manifest:
    texts = ('version', 'commit', 'machine', 'python', 'ros', 'glibc')
    files = values.get('files')
    good = (all(isinstance(values.get(name), str) for name in texts)
            and isinstance(values.get('installed_bytes'), int)
            and isinstance(files, dict)
            and all(isinstance(text, str) for text in files.values())
            and not any(name.startswith('/') or '..' in name.split('/') for name in files))
    if not good:
        raise Problem(f'{path} is damaged: unpack the bundle again')
    assert isinstance(files, dict)
    return Manifest(**{name: values[name] for name in texts},
                    installed_bytes=values['installed_bytes'], files=files, digest=digest)


def verify(folder: Path, manifest: Manifest, say: Callable[[str], None]) -> None:
    """
    Compare every file of a bundle with the manifest.

    :raises Problem: some are missing or not what they were; the text names them.
    """
    say(f'verifying {len(manifest.files)} files')
    faults = []
    for name, expected in sorted(manifest.files.items()):
        try:
            found = sha256(folder / name)
        except OSError as error:
            faults.append(f'  {name}: {error.strerror}')
            continue
        if found != expected:
            faults.append(f'  {name}: not the file that was put into the bundle')
    if faults:
        raise Problem('\n'.join([
            f'The bundle in {folder} is damaged or was changed; nothing was installed.',
            *faults[:10], *([f'  and {len(faults) - 10} more'] if len(faults) > 10 else []),
            'Unpack the tarball again, and if that does not help, copy it again: '
            '"sha256sum -c" of the .sha256 file beside it says whether the copy is whole.']))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
