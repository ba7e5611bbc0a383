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
"""The program `install.sh`: its options, and what follows what."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from installer.bundle import ROS_WHEELS
from installer.bundle import WHEELS
from installer.bundle import Manifest
from installer.bundle import Problem
from installer.bundle import load_manifest
from installer.bundle import verify
from installer.environment import damaged_files
from installer.environment import make_version
from installer.machine import NO_ROS
from installer.machine import WHEELS_OF_ROS
from installer.machine import Ros
from installer.machine import check_disk
from installer.machine import check_machine
from installer.machine import find_ros
from installer.system import SITE
from installer.system import as_the_node
from installer.system import has_systemd
from installer.system import install_units
from installer.versions import Prefix
from installer.versions import read_record
from installer.versions import write_record

DEFAULT_PREFIX = Path('/opt/frm_perception')
PARAMETERS = SITE / 'segmenter.yaml'
UNIT = 'frm-segmenter'


def say(text: str) -> None:
    """Tell the user what happens."""
    print(f'install.sh: {text}', flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the program; return its exit status."""
    here = Path(__file__).resolve().parents[2]
    args = _parse(arguments)
    os.umask(0o022)  # the node runs as another user than the one who installs
    prefix = Prefix(Path(os.path.abspath(args.prefix or _prefix_of(here))))
    try:
        if args.list:
            return _list(prefix)
        if args.rollback:
            return _roll_back(prefix)
        return _install(here, prefix, args)
    except Problem as problem:
        print(f'install.sh: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ninstall.sh: interrupted; the same command begins anew', file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='install.sh',
        description='Installs frm_perception from this folder, beside a sourced ROS 2 and without '
                    'internet. What was installed before is kept: --rollback goes back to it.')
    action = parser.add_mutually_exclusive_group()
    action.add_argument('--rollback', action='store_true',
                        help='use the previous version again')
    action.add_argument('--list', action='store_true', help='show the versions that are installed')
    parser.add_argument('--prefix', type=Path, metavar='FOLDER',
                        help=f'where to install (default: {DEFAULT_PREFIX})')
    ros = parser.add_mutually_exclusive_group()
    ros.add_argument('--ros-setup', type=Path, metavar='FILE',
                     help='the setup.sh of a ROS 2 or of a workspace, where none is sourced')
    ros.add_argument('--with-ros-wheels', action='store_true',
                     help='no ROS: install the wheels of ROS 2 that a bundle for x86_64 brings')
    ros.add_argument('--without-ros', action='store_true',
                     help='no ROS and no node, only what the command frm does without')
    parser.add_argument('--build-engines', action='store_true',
                        help='then build the engine that the node needs, which takes TensorRT '
                             'minutes')
    parser.add_argument('--parameters', type=Path, default=PARAMETERS, metavar='FILE',
                        help="the node's parameters, for --build-engines and for what frm doctor "
                             'looks at (default: %(default)s)')
    return parser.parse_args(arguments)


def _prefix_of(here: Path) -> Path:
    """Return the prefix that an installed copy of this program is below, or the default."""
    return here.parents[1] if here.parent.name == 'versions' else DEFAULT_PREFIX


def _list(prefix: Prefix) -> int:
    versions = prefix.whole()
    if not versions:
        say(f'nothing is installed in {prefix.folder}')
    for version in versions:
        record = read_record(version)
        use = {prefix.current: 'current', prefix.previous: 'previous'}.get(version, '')
        ros = Ros(**record['ros'])
        beside = {NO_ROS: 'without ROS', WHEELS_OF_ROS: 'with wheels of ROS 2'}.get(
            ros, f'beside ROS 2 {ros.distribution}, {ros.setup}')
        print(f'{version.name:24} {use:9} commit {record["commit"][:12]}, {beside}')
    return 0


def _roll_back(prefix: Prefix) -> int:
    if not prefix.versions.is_dir():
        raise Problem(f'nothing is installed in {prefix.folder}')
    with prefix.locked():
        before = prefix.current
        version = prefix.roll_back()
        _install_units(prefix, version)
    assert before is not None
    say(f'{version.name} is the current version again; {before.name} is kept as the previous one')
    _tell_to_restart()
    return 0


def _install(here: Path, prefix: Prefix, args: argparse.Namespace) -> int:
    manifest = load_manifest(here)
    if not (here / WHEELS).is_dir():
        raise Problem(f'{here} is an installed version, which can --list and --rollback. To '
                      'install, run the install.sh of an unpacked bundle.')
    say(f'{manifest.identity} for {manifest.machine}, Python {manifest.python}, '
        f'commit {manifest.commit[:12]}')
    check_machine(manifest)
    verify(here, manifest, say)
    ros = _ros(manifest, args)
    with prefix.locked():
        version = prefix.versions / manifest.identity
        if _is_installed(version, ros):
            say(f'{version} is installed already and whole')
        else:
            check_disk(manifest, prefix.folder)
            _make(here, manifest, prefix, version, ros)
        prefix.use(version)
        _install_units(prefix, version)
        removed, running = prefix.prune()
    for old in removed:
        say(f'removed {old.name}, which is neither the current nor the previous version')
    for old in running:
        say(f'kept {old.name}, which a process still runs; the next installation removes it')
    say(f'{version.name} is the current version'
        + (f'; {prefix.previous.name} is kept: {prefix.folder}/install.sh --rollback'
           if prefix.previous else ''))
    if args.build_engines:
        _build_engines(version, args.parameters)
    _examine(version, args.parameters)
    _tell_to_restart()
    return 0


def _ros(manifest: Manifest, args: argparse.Namespace) -> Ros:
    if args.with_ros_wheels:
        if not manifest.wheels(ROS_WHEELS):
            raise Problem('This bundle has no wheels of ROS 2: there are none for '
                          f'{manifest.machine}. Source a ROS 2 or name one with --ros-setup FILE.')
        return WHEELS_OF_ROS
    if args.without_ros:
        return NO_ROS
    ros = find_ros(manifest, args.ros_setup)
    say(f'beside ROS 2 {ros.distribution}, {ros.setup}')
    return ros


def _is_installed(version: Path, ros: Ros) -> bool:
    record = read_record(version)
    if not record:
        if version.exists():
            say(f'{version.name} was left unfinished: installing it anew')
        return False
    if record['ros'] != vars(ros):
        say(f'{version.name} was installed beside another ROS: installing it anew')
        return False
    faults = damaged_files(version)
    if faults:
        say(f'{version.name} is damaged ({faults[0]}'
            + (f' and {len(faults) - 1} more files' if len(faults) > 1 else '')
            + '): installing it anew')
    return not faults


def _make(here: Path, manifest: Manifest, prefix: Prefix, version: Path, ros: Ros) -> None:
    say(f'installing into {version}: {manifest.installed_bytes / 1e6:.0f} MB at most, for minutes')
    try:
        with prefix.replacing(version):
            make_version(here, manifest, version, ros)
            write_record(version, {'commit': manifest.commit, 'ros': vars(ros)})
    except OSError as error:
        raise Problem(f'{error}. Nothing has changed: what was installed is still used.') from None


def _install_units(prefix: Prefix, version: Path) -> None:
    if not has_systemd():
        return
    if prefix.folder.resolve() == DEFAULT_PREFIX.resolve():
        install_units(version, say)
    else:
        say(f'no units for systemd: they start what is in {DEFAULT_PREFIX}')


def _build_engines(version: Path, parameters: Path) -> None:
    if not parameters.is_file():
        raise Problem(f'installed, but no engine was built: there is no {parameters}; name the '
                      "file with the node's parameters by --parameters FILE")
    say('building the engine')
    command, variables = as_the_node(
        [str(version / 'bin' / 'frm'), 'engine', 'build', '--params', str(parameters.resolve())])
    done = subprocess.run(command, env=variables)
    if done.returncode:
        raise Problem('installed, but the engine could not be built; the lines above say why')


def _examine(version: Path, parameters: Path) -> None:
    """Run `frm doctor`, whose findings are advice: the installation is whole."""
    doctor = [str(version / 'bin' / 'frm'), 'doctor']
    if subprocess.run([*doctor, '--help'], capture_output=True).returncode:
        return  # a version that has none yet
    say('what "frm doctor" says of this computer:')
    if parameters.is_file():
        doctor += ['--params', str(parameters.resolve())]
    command, variables = as_the_node(doctor)
    if subprocess.run(command, env=variables).returncode:
        say('"frm doctor" found what to mend before the node runs well')


def _tell_to_restart() -> None:
    say('a node that runs goes on with the version that it was started with, until: '
        f'sudo systemctl restart {UNIT}')
