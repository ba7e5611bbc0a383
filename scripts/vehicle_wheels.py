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
"""The wheels of a bundle for a vehicle: which they are, where from, and whether they are all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.tags import compatible_tags
from packaging.tags import cpython_tags
from packaging.utils import canonicalize_name
from packaging.utils import parse_wheel_filename

MACHINES = ('aarch64', 'x86_64')
GLIBC = {'3.10': 35, '3.11': 36, '3.12': 39}
"""Minor version of glibc 2 beside each Python: in Ubuntu 22.04, Debian 12 and Ubuntu 24.04."""
ROS = {'3.10': 'humble', '3.11': '', '3.12': 'jazzy'}
"""The distribution of ROS 2 that each Python comes with."""

_OLDEST_MANYLINUX = 17
_FROM_SOURCE = 'empy'
"""A package without a wheel; it is pure Python, and its wheel is made here."""


class BundleError(Exception):
    """A bundle cannot be made; the text says why, and what to do."""


@dataclass(frozen=True)
class Target:
    """
    The computer that a bundle is for.

    :param machine: one of :data:`MACHINES`.
    :param python: one of the keys of :data:`GLIBC`.
    """

    machine: str
    python: str

    @property
    def version(self) -> tuple[int, int]:
        """The version of its Python."""
        major, minor = self.python.split('.')
        return int(major), int(minor)

    @property
    def platforms(self) -> list[str]:
        """Tags of platforms whose wheels it runs, the newest first."""
        many = [f'manylinux_2_{minor}_{self.machine}'
                for minor in range(GLIBC[self.python], _OLDEST_MANYLINUX - 1, -1)]
        return [*many, f'manylinux2014_{self.machine}', f'linux_{self.machine}']

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """All tags of wheels that it runs."""
        interpreter = f'cp{self.python.replace(".", "")}'
        return frozenset([*cpython_tags(self.version, platforms=self.platforms),
                          *compatible_tags(self.version, interpreter, self.platforms)])

    @property
    def markers(self) -> dict[str, str]:
        """What its Python answers to the markers of requirements."""
        return {
            'implementation_name': 'cpython', 'os_name': 'posix', 'sys_platform': 'linux',
            'platform_system': 'Linux', 'platform_machine': self.machine,
            'platform_python_implementation': 'CPython', 'python_version': self.python,
            'python_full_version': f'{self.python}.0', 'implementation_version':
            f'{self.python}.0', 'platform_release': '', 'platform_version': '', 'extra': ''}


def pins(text: str, target: Target) -> list[Requirement]:
    """Return those lines of a file of requirements that count on a target."""
    lines = (line.partition('#')[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line]
    return [pin for pin in found if pin.marker is None or pin.marker.evaluate(target.markers)]


def collect(wanted: Sequence[Requirement], given: Sequence[Path], target: Target,
            cache: Path) -> list[Path]:
    """
    Return a wheel for each pinned requirement, from the cache or from the package index.

    Each wheel enters the cache whole, so that an interrupted call goes on where it was.

    :param given: wheels that are taken as they are. One of ONNX Runtime, under whatever name the
        vendor gives it, stands for the pinned one, and so does another version of a package.
    :raises BundleError: the index has no such wheel, or a given one does not fit the target.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for path in given:
        check_wheel(path, target)
    replaced = {_role(parse_wheel_filename(path.name)[0]) for path in given}
    wheels = list(given)
    for pin in wanted:
        if _role(pin.name) not in replaced:
            wheels.append(_cached(pin, target, cache) or _download(pin, target, cache))
    return sorted(wheels, key=lambda path: path.name)


def check_wheel(path: Path, target: Target) -> None:
    """
    See whether a wheel is whole and fit for a target.

    :raises BundleError: it is not.
    """
    try:
        tags = parse_wheel_filename(path.name)[3]
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f'{path} is no wheel: {error}') from None
    if broken:
        raise BundleError(f'{path} is damaged: {broken} in it does not match its checksum')
    if not tags & target.tags:
        raise BundleError(f'{path.name} is not for Python {target.python} on {target.machine}')


def unmet(wheels: Sequence[Path], provided: Sequence[Path], target: Target) -> list[str]:
    """
    Resolve what every wheel requires on a target by the wheels that are there.

    :param provided: further wheels that requirements may be met by.
    :return: a line for each requirement that is not met.
    """
    versions = {name: version for name, version, _, _ in
                (parse_wheel_filename(path.name) for path in [*wheels, *provided])}
    roles = {_role(name) for name in versions}
    faults = []
    for path in wheels:
        for needed in _requirements(path, target):
            name = canonicalize_name(needed.name)
            if name in versions:
                if not needed.specifier.contains(versions[name], prereleases=True):
                    faults.append(f'{path.name} needs {needed}, and {versions[name]} is there')
            elif _role(name) not in roles:
                faults.append(f'{path.name} needs {needed}')
    return faults


def glibc_of(wheels: Sequence[Path]) -> str:
    """Return the oldest glibc that all wheels run with, as in 2.28."""
    oldest = [min((int(minor) for minor in re.findall(r'manylinux_2_(\d+)_', path.name)),
                  default=_OLDEST_MANYLINUX) for path in wheels]
    return f'2.{max(oldest)}'


def unpacked_bytes(wheels: Sequence[Path]) -> int:
    """Return the size of what is in the wheels, in bytes."""
    total = 0
    for path in wheels:
        with zipfile.ZipFile(path) as archive:
            total += sum(info.file_size for info in archive.infolist())
    return total


def run_pip(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    """
    Run pip.

    :param variables: further ones of its environment.
    :raises BundleError: it failed; the text is the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, '-m', 'pip', *arguments, '--disable-pip-version-check', '--no-input',
         '--quiet'], env={**os.environ, **(variables or {})}, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        umask=0o022)  # a wheel keeps the modes of what is written for it
    if done.returncode:
        said = '\n'.join(done.stdout.strip().splitlines()[-8:])
        raise BundleError(f'{said}\npip failed; what was downloaded is kept, and the same command '
                          'goes on from there')


def _cached(pin: Requirement, target: Target, cache: Path) -> Path | None:
    for path in sorted(cache.glob('*.whl')):
        name, version, _, tags = parse_wheel_filename(path.name)
        if (name == canonicalize_name(pin.name) and pin.specifier.contains(version)
                and tags & target.tags):
            return path
    return None


def _download(pin: Requirement, target: Target, cache: Path) -> Path:
    print(f'  {pin.name} {pin.specifier}', flush=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix='.') as folder:
        exact = f'{pin.name}{pin.specifier}'
        if pin.name == _FROM_SOURCE:
            build_wheel(exact, Path(folder), 0)
        else:
            platforms = [f'--platform={tag}' for tag in target.platforms]
            run_pip(['download', '--no-deps', '--only-binary=:all:', '--implementation=cp',
                     f'--python-version={target.python}', *platforms, f'--dest={folder}', exact])
        wheel, = Path(folder).glob('*.whl')
        check_wheel(wheel, target)
        return wheel.rename(cache / wheel.name)


def build_wheel(source: str, folder: Path, epoch: int) -> None:
    """
    Make a wheel, the same at every time and place.

    :param source: a requirement that the index has as source, or a folder.
    :param epoch: seconds since 1970 that its files bear as their time; a zip file begins in 1980.
    """
    earliest = 315532800  # 1980-01-01
    run_pip(['wheel', '--no-deps', '--no-build-isolation', f'--wheel-dir={folder}', source,
             # Not compressed: every zlib does that in a way of its own.
             '--config-settings=--build-option=--compression=stored'],
            {'SOURCE_DATE_EPOCH': str(max(epoch, earliest))})


def _requirements(path: Path, target: Target) -> Iterator[Requirement]:
    """Yield what a wheel requires on a target."""
    for text in _metadata(path).get_all('Requires-Dist', []):
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate(target.markers):
            yield needed


def _metadata(path: Path) -> Message:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist()
                    if re.fullmatch(r'[^/]+\.dist-info/METADATA', name))
        return BytesParser().parsebytes(archive.read(name))


def _role(name: str) -> str:
    """Return what a package is needed as: ONNX Runtime has a name for every way to build it."""
    plain = canonicalize_name(name)
    return 'onnxruntime' if plain.startswith('onnxruntime') else plain
