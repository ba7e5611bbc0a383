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
Make one tarball with all that a vehicle needs, for a computer without internet.

``python -m scripts.vehicle_bundle --arch aarch64 --python 3.10``; docs/vehicle.md says what
becomes of it there. From the same commit, the same wheels and the same setuptools come the same
bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from packaging.requirements import Requirement

from frm_perception.media.files import replacing
from scripts.vehicle_wheels import GLIBC
from scripts.vehicle_wheels import MACHINES
from scripts.vehicle_wheels import ROS
from scripts.vehicle_wheels import BundleError
from scripts.vehicle_wheels import Target
from scripts.vehicle_wheels import build_wheel
from scripts.vehicle_wheels import collect
from scripts.vehicle_wheels import glibc_of
from scripts.vehicle_wheels import pins
from scripts.vehicle_wheels import unmet
from scripts.vehicle_wheels import unpacked_bytes

ROOT = Path(__file__).resolve().parents[1]
NAME = 'frm_perception'
SCHEMA = 1
PACKAGED = ('package.xml', 'setup.py', 'setup.cfg', 'resource', NAME, 'launch', 'config', 'models')
"""What of the checkout the package's wheel is made of."""
BESIDE = ('LICENSE', 'docs', 'vehicle')
"""What of the checkout lies in the bundle as it is; `vehicle/install.sh` is at its top as well."""
REQUIREMENTS = {'aarch64': ('run', 'vehicle'), 'x86_64': ('run', 'vehicle', 'openvino')}
"""Files of requirements/ for each machine."""
ROS_REQUIREMENTS = {'x86_64': 'ros-wheels'}
"""That of ROS 2 itself, where there are wheels."""


@dataclass(frozen=True)
class Commit:
    """
    What of the checkout a bundle is made of.

    :param digits: 40 hexadecimal ones.
    :param time: seconds since 1970, which all files bear.
    :param modified: whether files differ from it.
    """

    digits: str
    time: int
    modified: bool


def main(arguments: Sequence[str]) -> int:
    """Run the program; return its exit status."""
    args = _parse(arguments)
    try:
        tarball = make_bundle(ROOT, Target(args.arch, args.python), args.wheel, args.output,
                              args.allow_modified)
    except BundleError as error:
        print(f'vehicle bundle: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nvehicle bundle: interrupted; the same command goes on', file=sys.stderr)
        return 130
    print(f'{tarball} ({tarball.stat().st_size / 1e6:.0f} MB) and its .sha256 file: copy both, '
          f'then there: sha256sum -c {tarball.name}.sha256 && tar xf {tarball.name}')
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='scripts.vehicle_bundle',
                                     description='Make a bundle for a vehicle.')
    parser.add_argument('--arch', required=True, choices=MACHINES, help='uname -m of the vehicle')
    parser.add_argument('--python', required=True, choices=GLIBC,
                        help='3.10 for Ubuntu 22.04 (JetPack 6), 3.12 for 24.04 (JetPack 7)')
    parser.add_argument('--wheel', type=Path, action='append', default=[], metavar='FILE',
                        help='a wheel to take as well or instead, such as the ONNX Runtime that '
                             'is built for a JetPack')
    parser.add_argument('--output', type=Path, default=ROOT / 'out' / 'vehicle', metavar='FOLDER',
                        help='where the tarball and the downloaded wheels go')
    parser.add_argument('--allow-modified', action='store_true',
                        help='make it of files that are not committed, and mark its version')
    return parser.parse_args(arguments)


def make_bundle(root: Path, target: Target, given: Sequence[Path], output: Path,
                allow_modified: bool) -> Path:
    """
    Make the tarball of a checkout and a file with its SHA-256 beside it.

    :param given: wheels to take instead of, or besides, those that are pinned.
    :param output: folder; downloaded wheels are kept in its folder `wheels`.
    :raises BundleError: the checkout is not committed, or the wheels are not complete.
    """
    commit = _commit(root, allow_modified)
    cache = output / 'wheels' / f'{target.machine}-{target.python}'
    print(f'collecting wheels for Python {target.python} on {target.machine} in {cache}')
    wheels = collect(_pins(root, REQUIREMENTS[target.machine], target), given, target, cache)
    ros_file = ROS_REQUIREMENTS.get(target.machine)
    ros = collect(_pins(root, [ros_file], target), [], target, cache) if ros_file else []
    ros = [path for path in ros if path not in wheels]
    with tempfile.TemporaryDirectory() as folder:
        own = _own_wheel(root, Path(folder), commit)
        wheels = [*wheels, own]
        others = [path for path in wheels if path not in given]
        faults = [*unmet(others, given, target), *unmet(ros, wheels, target)]
        if faults:
            raise BundleError('\n  '.join(['the wheels are not complete:', *faults]))
        # A vendor's may ask for another numpy than ROS is compiled for, and run with that one.
        for fault in unmet(given, others, target):
            print(f'  WARNING: {fault}; it is taken as it is')
        return write_tarball(tracked(root, BESIDE), root, wheels, ros, target, commit, output)


def write_tarball(beside: Sequence[str], root: Path, wheels: Sequence[Path], ros: Sequence[Path],
                  target: Target, commit: Commit, output: Path) -> Path:
    """
    Write the tarball, with the manifest, and its `.sha256` file; return the tarball's path.

    It is not compressed: wheels are, and models hardly can be.

    :param beside: paths of files of the checkout.
    :param ros: wheels that are installed only where no ROS is.
    """
    files = {name: root / name for name in beside}
    files['install.sh'] = root / 'vehicle' / 'install.sh'
    files |= {f'wheels/{path.name}': path for path in wheels}
    files |= {f'ros-wheels/{path.name}': path for path in ros}
    version = package_version(root) + ('+modified' if commit.modified else '')
    manifest = _json({
        'schema': SCHEMA, 'version': version, 'commit': commit.digits, 'machine': target.machine,
        'python': target.python, 'ros': ROS[target.python], 'glibc': glibc_of([*wheels, *ros]),
        'installed_bytes': unpacked_bytes([*wheels, *ros]),
        'files': {name: _sha256(path) for name, path in sorted(files.items())}})
    top = f'{NAME}-{version}-{commit.digits[:8]}-{target.machine}-python{target.python}'
    tarball = output / f'{top}.tar'
    with replacing(tarball) as partial:
        _write_tar(partial, top, files, manifest, commit.time)
    with replacing(output / f'{top}.tar.sha256') as partial:
        partial.write_text(f'{_sha256(tarball)}  {tarball.name}\n', encoding='ascii')
    return tarball


def tracked(root: Path, parts: Sequence[str]) -> list[str]:
    """Return the paths that git knows of some files and folders."""
    return sorted(_git(root, 'ls-files', '-z', '--', *parts).split('\0')[:-1])


def package_version(root: Path) -> str:
    """Return the version that package.xml declares."""
    return str(ElementTree.parse(root / 'package.xml').findtext('version'))


def _commit(root: Path, allow_modified: bool) -> Commit:
    changed = _git(root, 'status', '--porcelain', '--untracked-files=no').splitlines()
    if changed and not allow_modified:
        raise BundleError('\n'.join([
            'The checkout has changes that are not committed, so nobody could say later what is '
            'in the bundle:', *changed[:10],
            'Commit them, or let them in with MODIFIED=1, which marks the version.']))
    unknown = _git(root, 'ls-files', '--others', '--exclude-standard', '--', *PACKAGED, *BESIDE)
    for path in unknown.splitlines():
        print(f'  not in the bundle, for git does not know it: {path}')
    digits, time = _git(root, 'log', '-1', '--format=%H %ct').split()
    return Commit(digits, int(time), bool(changed))


def _pins(root: Path, names: Sequence[str], target: Target) -> list[Requirement]:
    texts = [(root / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
             for name in names]
    found = {pin.name: pin for text in texts for pin in pins(text, target)}
    return list(found.values())


def _own_wheel(root: Path, folder: Path, commit: Commit) -> Path:
    """Make the package's wheel from the files that git knows, and no others."""
    source = folder / NAME
    for name in tracked(root, PACKAGED):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, source / name)
        (source / name).chmod(0o644)  # whatever the umask is
    build_wheel(str(source), folder, commit.time)
    wheel, = folder.glob('*.whl')
    return wheel


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(['git', '-C', root, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise BundleError('git is missing: sudo apt install git') from None
    if done.returncode:
        raise BundleError(f'{root} must be a git checkout, so that the bundle can say what is in '
                          f'it: {done.stderr.strip()}')
    return done.stdout


def _write_tar(path: Path, top: str, files: Mapping[str, Path], manifest: bytes,
               time: int) -> None:
    with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT) as archive:
        for name in sorted([*files, 'manifest.json']):
            info = tarfile.TarInfo(f'{top}/{name}')
            info.mtime = time
            info.mode = 0o755 if name.endswith('.sh') else 0o644
            if name == 'manifest.json':
                info.size = len(manifest)
                archive.addfile(info, io.BytesIO(manifest))
            else:
                info.size = files[name].stat().st_size
                with files[name].open('rb') as file:
                    archive.addfile(info, file)


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=2) + '\n').encode()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
