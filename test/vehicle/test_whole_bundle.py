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
"""Bundles of the true wheels need no network, and give the same labels on ARM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from installer.bundle import load_manifest
from stand_ins import HERE
from stand_ins import NAMESPACES
from stand_ins import base_python

from frm_perception.scenes.drive import RenderedDrive
from scripts.vehicle_bundle import make_bundle
from scripts.vehicle_wheels import Target

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not NAMESPACES, reason='this user may not make namespaces')]

ROOT = Path(__file__).resolve().parents[2]
LOWEST_AGREEMENT = {'fp32': 0.999, 'int8': 0.98}
"""Share of pixels that two processors, which sum in another order, must label alike."""

_ELF = bytes.fromhex('7f454c46 02010100 00000000 00000000 0200b700')
_MASK = bytes.fromhex('ffffffff ffffff00 ffffffff ffffffff feffffff')
"""Beginning of a program for ARM, and which of its bits count."""
_ARM_ROOT = """
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' "$0" > /proc/sys/fs/binfmt_misc/register
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$@"
"""
"""Needs Linux 6.7: from then on a user namespace has interpreters of its own."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is removed at the end: bundles are large."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def unpacked(target: Target, folder: Path) -> Path:
    """Make the bundle of this checkout for a target; return the folder that it unpacks to."""
    tarball = make_bundle(ROOT, target, [], folder / 'out', allow_modified=True)
    with tarfile.open(tarball) as archive:
        top = archive.getnames()[0].partition('/')[0]
        archive.extractall(folder)
    tarball.unlink()
    return folder / top


def without_network(command: list[str | Path],
                    **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command that has no network but a loopback of its own, and a bare environment."""
    return subprocess.run(
        [*NAMESPACES, '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', *command],
        env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'PIP_NO_INDEX': '1', **variables},
        stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def python_of(version: str) -> str:
    """Return the Python of a version that `PATH` has, itself and not that of an environment."""
    name = base_python() if version == HERE.python else f'python{version}'
    try:
        return subprocess.run([name, '-c', 'import sys; print(sys._base_executable)'], check=True,
                              text=True, capture_output=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f'there is no Python {version} here')


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
@pytest.mark.skipif(HERE.machine != 'x86_64', reason='there are wheels of ROS for x86_64 only')
@pytest.mark.skipif(shutil.which('ip') is None, reason='iproute2 is not installed')
def test_without_network_the_bundle_is_installed_and_runs_the_demo(
        folder: Path, python: str) -> None:
    variables = {'HOME': str(folder / 'home'), 'PYTHON': python_of(python)}
    bundle = unpacked(Target('x86_64', python), folder)
    (folder / 'home').mkdir()
    said = without_network([bundle / 'install.sh', '--prefix', folder / 'opt',
                            '--with-ros-wheels'], **variables)
    assert said.returncode == 0, said.stdout
    shutil.rmtree(bundle)
    said = without_network(
        [folder / 'opt' / 'bin' / 'frm', 'demo', '--frames', '12', '--rate', '4', '--size',
         '270x480', '--output', folder / 'demo'], **variables)
    assert said.returncode == 0, said.stdout
    frames = json.loads((folder / 'demo' / 'summary.json').read_text())['frames']
    assert frames['answered'] > 0
    assert frames['answered'] + frames['dropped'] == frames['sent'] == 12


@pytest.mark.parametrize('python', ['3.10', '3.12'])
def test_the_bundle_for_arm_is_complete_for_pips_resolver_too(folder: Path, python: str) -> None:
    target = Target('aarch64', python)
    bundle = unpacked(target, folder)
    resolved = subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--dry-run', '--quiet', '--no-index',
         '--ignore-installed', f'--find-links={bundle / "wheels"}', '--only-binary=:all:',
         '--implementation=cp', f'--python-version={python}', f'--target={folder / "nowhere"}',
         *(f'--platform={platform}' for platform in target.platforms),
         f'--report={folder / "report.json"}', 'frm_perception', 'onnxruntime', 'numba',
         'opencv-python-headless', 'rosbags', 'mcap', 'PyYAML', 'tqdm', 'Jinja2'],
        env={**os.environ, 'PIP_CONFIG_FILE': os.devnull, 'PIP_FIND_LINKS': ''}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert resolved.returncode == 0, resolved.stdout
    report = json.loads((folder / 'report.json').read_text())
    taken = {Path(item['download_info']['url']).name for item in report['install']}
    assert {name.partition('-')[0] for name in taken} > {'numpy', 'llvmlite', 'frm_perception'}
    assert load_manifest(bundle).glibc == '2.28'  # Ubuntu 22.04 has 2.35


@pytest.fixture
def arm_root(folder: Path) -> Path:
    """Return the root of a Debian 12 for ARM, unpacked and never booted."""
    if HERE.machine == 'aarch64':
        pytest.skip('this is an ARM processor')
    if os.geteuid() or shutil.which('debootstrap') is None:
        pytest.skip('needs root and debootstrap')
    root = folder / 'root'
    made = subprocess.run(
        ['debootstrap', '--foreign', '--arch=arm64', '--variant=minbase', '--include=python3',
         'bookworm', root], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        pytest.skip(f'no Debian for ARM can be had: {made.stdout.splitlines()[-1]}')
    for package in (root / 'var' / 'cache' / 'apt' / 'archives').glob('*.deb'):
        subprocess.run(['dpkg-deb', '-x', package, root], check=True)
    return root


def on_arm(root: Path, command: str) -> str:
    """Run a shell command in a root for ARM, emulated and without network; return what it says."""
    qemu = shutil.which('qemu-aarch64-static')
    if qemu is None:
        pytest.skip('qemu-user-static is not installed')
    elf, mask = (''.join(f'\\x{byte:02x}' for byte in part) for part in (_ELF, _MASK))
    # In a session of its own: a terminal does not concern it.
    done = subprocess.run(
        [*NAMESPACES, '--net', '--pid', '--fork', '--kill-child', 'sh', '-ec', _ARM_ROOT,
         f':arm:M::{elf}:{mask}:{qemu}:F', root, '/bin/sh', '-ec', command],
        env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/tmp'},
        stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True)
    if 'binfmt_misc' in done.stdout:
        pytest.skip(f'no interpreter for ARM can be set: {done.stdout.splitlines()[0]}')
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_on_an_emulated_arm_processor_the_bundle_gives_the_labels_of_this_one(
        folder: Path, arm_root: Path) -> None:
    assert 'aarch64' in on_arm(arm_root, 'python3 -c "import platform; print(platform.machine())"')
    bundle = unpacked(Target('aarch64', '3.11'), arm_root / 'srv')
    frames = arm_root / 'srv' / 'frames'
    frames.mkdir()
    for seed in (1, 2, 3):
        image = RenderedDrive(seed=seed, height=72, width=136, frames=20)[10].image
        cv2.imwrite(str(frames / f'{seed}.png'), image[..., ::-1])
    said = on_arm(arm_root, f'cd /srv/{bundle.name} && ./install.sh --without-ros')
    assert 'is the current version' in said
    for precision in LOWEST_AGREEMENT:
        options = ['--resolution', '64x128', '--precision', precision]
        on_arm(arm_root, f'cd /srv && /opt/frm_perception/bin/frm segment frames -o {precision} '
               + ' '.join(options))
        subprocess.run([sys.executable, '-m', 'frm_perception.cli.main', 'segment', frames, '-o',
                        folder / precision, *options], cwd=ROOT, check=True)
        for kind in ('label', 'drivable'):
            agreement = share_alike(folder / precision, arm_root / 'srv' / precision, kind)
            print(f'{precision} {kind}: {agreement:.6f} of the pixels are alike')
            assert agreement >= LOWEST_AGREEMENT[precision]


def share_alike(ours: Path, theirs: Path, kind: str) -> float:
    """Return the share of pixels that are the same in two folders of results."""
    names = sorted(path.name for path in ours.glob(f'*_{kind}.png'))
    assert len(names) == 3
    alike = [cv2.imread(str(ours / name), cv2.IMREAD_UNCHANGED)
             == cv2.imread(str(theirs / name), cv2.IMREAD_UNCHANGED) for name in names]
    return float(np.mean(alike))
