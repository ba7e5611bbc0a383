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
"""`install.sh` installs a bundle whole or not at all; one command goes back."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from installer.machine import MARGIN_BYTES
from stand_ins import NAMESPACES
from stand_ins import Bundles
from stand_ins import plain_environment
from stand_ins import run_install

WHEELS = '--with-ros-wheels'


def run(program: Path, *arguments: str) -> str:
    """Run an installed program where no ROS is sourced; return what it prints."""
    return subprocess.run([program, *arguments], env=plain_environment(), check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def linked(prefix: Path, name: str) -> str:
    """Return the name of the version that a link leads to, or nothing."""
    link = prefix / name
    return link.resolve().name if link.exists() else ''


def ros_setup(folder: Path, python_path: str) -> Path:
    """Return a file that sets up the ROS of this test process, as /opt/ros has one."""
    setup = folder / 'ros' / 'setup.sh'
    setup.parent.mkdir()
    setup.write_text(
        f'export ROS_DISTRO={os.environ.get("ROS_DISTRO", "jazzy")}\n'
        f'export AMENT_PREFIX_PATH={os.environ.get("AMENT_PREFIX_PATH", sys.prefix)}\n'
        f'export LD_LIBRARY_PATH={os.environ.get("LD_LIBRARY_PATH", "")}\n'
        f'export PYTHONPATH={python_path}\n')
    return setup


@pytest.fixture(scope='module')
def first(bundles: Bundles) -> Path:
    """Return an unpacked bundle."""
    return bundles.unpacked('1.0')


@pytest.fixture(scope='module')
def second(bundles: Bundles) -> Path:
    """Return an unpacked bundle of a later version."""
    return bundles.unpacked('2.0')


@pytest.fixture(scope='module')
def installed(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prefix with an installation that nobody changes, in a path with a space."""
    prefix = tmp_path_factory.mktemp('place') / 'opt frm'
    said = run_install(first, prefix, WHEELS)
    assert said.returncode == 0, said.stdout
    return prefix


@pytest.fixture
def prefix(installed: Path, tmp_path: Path) -> Path:
    """Return a prefix with an installation of its own: a copy, whose programs are not called."""
    return Path(shutil.copytree(installed, tmp_path / 'opt', symlinks=True))


def test_it_installs_beside_a_sourced_ros_which_its_programs_find_again(
        first: Path, tmp_path: Path) -> None:
    setup = ros_setup(tmp_path, os.pathsep.join(path for path in sys.path if path))
    parameters = tmp_path / 'my.yaml'
    parameters.write_text('{}\n')
    said = run_install(first, tmp_path / 'opt', '--ros-setup', str(setup), '--build-engines',
                       '--parameters', str(parameters))
    assert said.returncode == 0, said.stdout
    frm = tmp_path / 'opt' / 'bin' / 'frm'
    assert run(frm, 'one', 'two words') == "['one', 'two words'] True\n"
    assert (tmp_path / 'opt' / 'share' / 'config' / 'segmenter.yaml').is_file()
    assert f"['engine', 'build', '--params', '{parameters}'] True" in said.stdout
    assert f"['doctor', '--params', '{parameters}'] True" in said.stdout
    assert 'found what to mend' in said.stdout


def test_without_ros_it_says_how_one_is_named_and_installs_nothing(
        first: Path, tmp_path: Path) -> None:
    said = run_install(first, tmp_path / 'opt')
    assert said.returncode == 1
    assert './install.sh --ros-setup /opt/ros/' in said.stdout
    assert './install.sh --with-ros-wheels' in said.stdout
    assert not (tmp_path / 'opt').exists()


@pytest.mark.parametrize(('text', 'expected'), [
    ('export ROS_DISTRO=jazzy AMENT_PREFIX_PATH=/nowhere PYTHONPATH=\n',
     "cannot import its rclpy: No module named 'rclpy'"),
    ('echo noise\n', 'sets up no ROS 2'),
    ('exit 3\n', 'cannot be sourced'),
])
def test_a_ros_that_is_of_no_use_is_refused_with_its_fault(
        first: Path, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / 'setup.sh').write_text(text)
    said = run_install(first, tmp_path / 'opt', '--ros-setup', str(tmp_path / 'setup.sh'))
    assert (said.returncode, expected in said.stdout) == (1, True), said.stdout


def test_what_is_installed_already_is_left_as_it_is(first: Path, installed: Path) -> None:
    record = installed / 'current' / 'installed.json'
    before = record.stat()
    said = run_install(first, installed, WHEELS)
    assert said.returncode == 0, said.stdout
    assert 'is installed already and whole' in said.stdout
    assert (record.stat().st_ino, record.stat().st_mtime) == (before.st_ino, before.st_mtime)


def test_another_user_can_run_what_root_installed(installed: Path) -> None:
    closed = [path for path in (installed, *installed.rglob('*'))
              if not path.is_symlink() and path.name != '.lock'
              and path.stat().st_mode & 0o44 != 0o44]
    assert closed == []
    assert (installed / 'current' / 'venv' / 'bin' / 'frm').stat().st_mode & 0o55 == 0o55


def test_engines_are_built_of_parameters_that_are_there(first: Path, installed: Path) -> None:
    said = run_install(first, installed, WHEELS, '--build-engines', '--parameters', '/no.yaml')
    assert said.returncode == 1
    assert 'installed, but no engine was built: there is no /no.yaml' in said.stdout


def test_a_new_version_leaves_a_running_one_alone_and_one_command_goes_back(
        bundles: Bundles, first: Path, second: Path, tmp_path: Path) -> None:
    prefix = tmp_path / 'opt'
    assert run_install(first, prefix, WHEELS).returncode == 0
    old = linked(prefix, 'current')
    node = subprocess.Popen([prefix / 'bin' / 'segmenter'], env=plain_environment(), text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert node.stdout is not None
    assert node.stdout.readline() == 'runs\n'
    assert run_install(second, prefix, WHEELS).returncode == 0
    new = linked(prefix, 'current')
    assert (linked(prefix, 'previous'), new != old) == (old, True)

    third = bundles.unpacked('3.0')
    said = run_install(third, prefix, WHEELS)
    assert f'kept {old}, which a process still runs' in said.stdout
    assert node.communicate('\n') == ('1.0\n', None)  # it found its module at this late hour
    assert f'removed {old}' in run_install(third, prefix, WHEELS).stdout

    back = subprocess.run([prefix / 'install.sh', '--rollback'], env=plain_environment(),
                          text=True, stdout=subprocess.PIPE)
    assert back.returncode == 0
    assert f'{new} is the current version again' in back.stdout
    listed = run_install(third, prefix, '--list').stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [
        [new, 'current'], [linked(prefix, 'previous'), 'previous']]
    assert subprocess.run([prefix / 'bin' / 'segmenter'], env=plain_environment(), input='\n',
                          text=True, stdout=subprocess.PIPE).stdout == 'runs\n2.0\n'


def test_without_a_previous_version_there_is_no_way_back(installed: Path, first: Path,
                                                         tmp_path: Path) -> None:
    said = run_install(first, installed, '--rollback')
    assert (said.returncode, 'no previous version' in said.stdout) == (1, True)
    said = run_install(first, tmp_path / 'empty', '--rollback')
    assert (said.returncode, 'nothing is installed in' in said.stdout) == (1, True)
    assert not (tmp_path / 'empty').exists()


def damage(bundle: Path, how: str) -> str:
    """Damage one wheel of a bundle; return its path in it."""
    wheel, = (bundle / 'wheels').glob('frm_perception-*')
    if how == 'changed':
        content = bytearray(wheel.read_bytes())
        content[len(content) // 2] ^= 1
        wheel.write_bytes(content)
    elif how == 'truncated':
        os.truncate(wheel, 100)
    else:
        wheel.unlink()
    return str(wheel.relative_to(bundle))


@pytest.mark.parametrize('how', ['changed', 'truncated', 'missing'])
def test_a_damaged_bundle_is_refused_by_the_name_of_the_file(
        first: Path, tmp_path: Path, how: str) -> None:
    bundle = Path(shutil.copytree(first, tmp_path / 'bundle'))
    name = damage(bundle, how)
    said = run_install(bundle, tmp_path / 'opt', WHEELS)
    assert said.returncode == 1
    assert name in said.stdout
    assert 'nothing was installed' in said.stdout
    assert not (tmp_path / 'opt').exists()


@pytest.mark.parametrize(('name', 'value', 'expected'), [
    ('machine', 'riscv64', 'This bundle is for riscv64'),
    ('python', '3.9', 'this bundle is for Python 3.9'),
    ('glibc', '9.99', 'This bundle needs glibc 9.99'),
    ('installed_bytes', 10**18, 'Not enough disk'),
    ('schema', 99, 'of another version of this program'),
    ('files', ['a'], 'is damaged: unpack the bundle again'),
])
def test_a_bundle_that_does_not_fit_is_refused(
        first: Path, tmp_path: Path, name: str, value: object, expected: str) -> None:
    bundle = Path(shutil.copytree(first, tmp_path / 'bundle'))
    manifest = json.loads((bundle / 'manifest.json').read_text())
    (bundle / 'manifest.json').write_text(json.dumps({**manifest, name: value}, indent=2))
    said = run_install(bundle, tmp_path / 'opt', WHEELS)
    assert (said.returncode, expected in said.stdout) == (1, True), said.stdout
    assert not (tmp_path / 'opt' / 'current').exists()


def test_a_checkout_is_no_bundle(tmp_path: Path) -> None:
    vehicle = Path(__file__).resolve().parents[2] / 'vehicle'
    said = run_install(vehicle, tmp_path / 'opt')
    assert (said.returncode, 'make vehicle-bundle' in said.stdout) == (1, True)


def test_an_installed_copy_does_not_install(installed: Path, tmp_path: Path) -> None:
    said = run_install(installed, tmp_path / 'opt')
    assert (said.returncode, 'of an unpacked bundle' in said.stdout) == (1, True)


@pytest.mark.parametrize('seen', ['venv', 'venv/lib/*/site-packages/frm_perception'])
def test_an_installation_that_was_killed_is_begun_anew(
        second: Path, prefix: Path, seen: str) -> None:
    before = linked(prefix, 'current')
    install = subprocess.Popen([second / 'install.sh', '--prefix', prefix, WHEELS],
                               env=plain_environment(), stdout=subprocess.DEVNULL,
                               start_new_session=True)
    while not list((prefix / 'versions').glob(f'2.0-*/{seen}')):
        assert install.poll() is None
        time.sleep(0.002)
    os.killpg(install.pid, signal.SIGKILL)
    install.wait()
    assert linked(prefix, 'current') == before
    said = run_install(second, prefix, WHEELS)
    assert said.returncode == 0, said.stdout
    assert 'was left unfinished: installing it anew' in said.stdout
    assert linked(prefix, 'current').startswith('2.0-')
    assert linked(prefix, 'previous') == before


def test_a_version_whose_program_does_not_start_is_not_used(
        bundles: Bundles, prefix: Path) -> None:
    before = linked(prefix, 'current')
    said = run_install(bundles.unpacked('4.0', broken='"libcudart.so is missing"'), prefix, WHEELS)
    assert said.returncode == 1
    assert 'libcudart.so is missing' in said.stdout
    assert linked(prefix, 'current') == before
    assert [path.name for path in (prefix / 'versions').iterdir()] == [before]


def test_an_installation_that_was_damaged_is_installed_anew(first: Path, prefix: Path) -> None:
    module, = prefix.glob('current/venv/lib/*/site-packages/frm_perception/late.py')
    content = module.read_text()
    module.write_text('VERSION = None\n')
    said = run_install(first, prefix, WHEELS)
    assert said.returncode == 0, said.stdout
    assert 'late.py): installing it anew' in said.stdout
    assert module.read_text() == content


def test_two_installations_do_not_meet(second: Path, prefix: Path) -> None:
    with (prefix / '.lock').open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = run_install(second, prefix, WHEELS)
    assert (said.returncode, 'another installation is at work' in said.stdout) == (1, True)


def test_a_place_that_cannot_be_written_to_is_named(first: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    said = run_install(first, tmp_path / 'file' / 'opt', WHEELS)
    assert said.returncode == 1
    assert f'{tmp_path / "file" / "opt"} cannot be written to' in said.stdout


@pytest.mark.skipif(not NAMESPACES, reason='this user may not make a mount namespace')
def test_a_disk_that_fills_up_leaves_what_was_there(
        bundles: Bundles, first: Path, tmp_path: Path) -> None:
    prefix = tmp_path / 'small'
    prefix.mkdir()
    bundle = Path(shutil.copytree(first, tmp_path / 'bundle'))
    wheel, = (bundle / 'wheels').glob('frm_perception-*')
    with zipfile.ZipFile(wheel, 'a') as archive:
        archive.writestr('frm_perception/large.bin', os.urandom(4 * 2**20))
    manifest = json.loads((bundle / 'manifest.json').read_text())
    manifest['files'][f'wheels/{wheel.name}'] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    manifest['installed_bytes'] = -MARGIN_BYTES  # so that it does not see it coming
    (bundle / 'manifest.json').write_text(json.dumps(manifest, indent=2))
    script = 'mount -t tmpfs -o size=3m tmpfs "$0" && ! "$@" && ls -A "$0/versions"'
    done = subprocess.run(
        [*NAMESPACES, 'sh', '-c', script, prefix, bundle / 'install.sh', '--prefix', prefix,
         WHEELS], env=plain_environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert 'No space left on device' in done.stdout
    assert 'The disk is full: make room and run the same command again.' in done.stdout
    assert done.stdout.endswith('again.\n'), done.stdout  # and no version is there
