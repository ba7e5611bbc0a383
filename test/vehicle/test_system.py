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
"""What belongs to the system follows the version, and the site's files stay as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from installer import system
from installer import versions
from installer.versions import Prefix
from installer.versions import write_record
from stand_ins import NAMESPACES
from stand_ins import Bundles
from stand_ins import base_python
from stand_ins import plain_environment

ROOT = Path(__file__).resolve().parents[2]

# /opt, /etc and /run are others than the computer's from here on, and so are systemd's programs.
_SCRIPT = """
mkdir "$PLACE/etc" && cp -a /etc/. "$PLACE/etc" 2>/dev/null || true
mount --bind "$PLACE/etc" /etc
mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
show() {
  cat /etc/systemd/system/frm-segmenter.service /etc/logrotate.d/frm_perception
  cat /etc/frm_perception/segmenter.yaml /etc/frm_perception/segmenter.env
}
"$FIRST/install.sh" --with-ros-wheels >&2
show
echo 'ours: 1' > /etc/frm_perception/segmenter.yaml
"$SECOND/install.sh" --with-ros-wheels >&2
show
/opt/frm_perception/install.sh --rollback >&2
show
cat "$PLACE/called"
"""


@pytest.mark.skipif(not NAMESPACES, reason='this user may not make a mount namespace')
@pytest.mark.skipif(base_python().startswith('/opt/'), reason='the Python lies where this mounts')
def test_units_follow_the_version_and_the_site_keeps_its_files(
        bundles: Bundles, tmp_path: Path) -> None:
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('systemctl', 'systemd-sysusers', 'systemd-tmpfiles'):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/called"\n')
        (tools / name).chmod(0o755)
    done = subprocess.run(
        [*NAMESPACES, 'sh', '-ec', _SCRIPT], text=True, capture_output=True,
        env={**plain_environment(), 'PLACE': str(tmp_path), 'FIRST': str(bundles.unpacked('1.0')),
             'SECOND': str(bundles.unpacked('2.0')), 'PATH': f'{tools}:{os.environ["PATH"]}'})
    assert done.returncode == 0, done.stdout + done.stderr

    def of(version: str, parameters: str) -> list[str]:
        return [f'# vehicle/systemd/frm-segmenter.service of {version}',
                f'# vehicle/systemd/logrotate.conf of {version}', parameters,
                '# vehicle/systemd/segmenter.env of 1.0']

    calls = ['systemd-sysusers /etc/sysusers.d/frm_perception.conf',
             'systemd-tmpfiles --create /etc/tmpfiles.d/frm_perception.conf',
             'systemctl daemon-reload']
    assert done.stdout.splitlines() == [
        *of('1.0', '{}'), *of('2.0', 'ours: 1'), *of('1.0', 'ours: 1'), *calls * 3]
    assert 'wrote /etc/frm_perception/segmenter.yaml, which is yours from now on' in done.stderr


def test_the_installer_knows_what_every_file_for_systemd_is() -> None:
    unknown = [path.name for path in (ROOT / 'vehicle' / 'systemd').glob('*')
               if system.target_of(path) is None and path.name not in system.SITE_FILES]
    assert unknown == []


def test_whenever_a_change_of_version_ends_the_current_one_is_whole(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = versions._link
    left = 0

    def place_some(path: Path, target: Path) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        place(path, target)

    monkeypatch.setattr(versions, '_link', place_some)
    for count in range(7):
        prefix = Prefix(tmp_path / str(count))
        old, new = (prefix.versions / name for name in ('1.0-aaaaaaaa', '2.0-bbbbbbbb'))
        for version in (old, new):
            version.mkdir(parents=True)
            write_record(version, {})
        left = 99
        prefix.use(old)
        left = count
        try:
            prefix.use(new)
        except KeyboardInterrupt:
            assert prefix.current in (old, new)
        left = 99
        prefix.use(new)
        assert (prefix.current, prefix.previous) == (new, old)
        assert (prefix.folder / 'bin').readlink() == Path('current/bin')
        assert prefix.prune() == ([], [])
        assert prefix.roll_back() == old
        assert prefix.previous == new


def test_a_version_that_could_not_be_installed_anew_is_back(tmp_path: Path) -> None:
    prefix = Prefix(tmp_path)
    version = prefix.versions / '1.0-aaaaaaaa'
    version.mkdir(parents=True)
    write_record(version, {'commit': 'first'})
    with pytest.raises(OSError, match='full'), prefix.replacing(version):
        assert not version.exists()
        version.mkdir()
        raise OSError('full')
    assert versions.read_record(version) == {'commit': 'first'}
    with prefix.replacing(version):
        version.mkdir()
        write_record(version, {'commit': 'second'})
    assert versions.read_record(version) == {'commit': 'second'}
    assert list(prefix.versions.iterdir()) == [version]


@pytest.mark.skipif(shutil.which('shellcheck') is None, reason='shellcheck is not installed')
def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = sorted((ROOT / 'vehicle').rglob('*.sh'))
    said = subprocess.run(['shellcheck', *scripts], text=True, capture_output=True)
    assert said.stdout == ''
