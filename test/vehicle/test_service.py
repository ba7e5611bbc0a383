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
"""The unit of systemd and the files beside it are what systemd and logrotate take."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / 'vehicle' / 'systemd'
UNIT = FILES / 'frm-segmenter.service'
MOST_EXPOSURE = 2.5
"""Of `systemd-analyze security`, 0 to 10: "OK" ends there, "MEDIUM" begins at 4."""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where a program is missing that Debian and Ubuntu have as a package."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f'{program} is not installed (apt-get install)')


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit with a program that is there on every computer."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace('/opt/frm_perception/bin/segmenter', '/bin/true'))
    return copy


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command; return what it said."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@needs('systemd-analyze')
def test_systemd_understands_every_line_of_the_unit(unit: Path) -> None:
    done = run('systemd-analyze', 'verify', unit)
    complaints = [line for line in done.stdout.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, []), done.stdout
    unit.write_text(unit.read_text() + '\n[Service]\nWatchdog=no\n')
    assert 'Watchdog' in run('systemd-analyze', 'verify', unit).stdout


@needs('systemd-analyze')
def test_the_unit_exposes_little_of_the_computer(unit: Path) -> None:
    done = run('systemd-analyze', 'security', '--offline=yes', '--no-pager',
               f'--threshold={MOST_EXPOSURE * 10:.0f}', unit)
    assert done.returncode == 0, done.stdout
    said = re.search(r'Overall exposure level for .*: ([\d.]+)', done.stdout)
    assert said is not None and float(said[1]) <= MOST_EXPOSURE


def test_the_node_may_write_what_its_variables_name_and_no_more() -> None:
    parser = RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    service = parser['Service']
    assert service['ProtectSystem'] == 'strict' and 'ReadWritePaths' not in service
    assert service['User'] not in ('', 'root') and service['Type'] == 'notify'
    variables = re.findall(r'^Environment=\w+=(/\S+)', UNIT.read_text(), re.MULTILINE)
    writable = (f'/var/cache/{service["CacheDirectory"]}', f'/var/log/{service["LogsDirectory"]}')
    assert variables and all(path.startswith(writable) for path in variables)


def test_the_unit_starts_the_node_as_the_program_understands_it(
        capsys: pytest.CaptureFixture[str]) -> None:
    from frm_perception.ros.segmenter import main
    command = re.search('^ExecStart=(.+)$', UNIT.read_text(), re.MULTILINE)
    assert command is not None
    options = command[1].partition(' --ros-args ')[0].split()[1:]
    with pytest.raises(SystemExit, match='0'):
        main(['segmenter', *options, '--help'])
    assert all(option in capsys.readouterr().out for option in options)


def rotation(tmp_path: Path) -> Path:
    """Return the rotation of the log files in a folder of this user, at any size."""
    log = tmp_path / 'log'
    log.mkdir()
    text = (FILES / 'logrotate.conf').read_text()
    rules = tmp_path / 'rules'
    rules.write_text(re.sub('su frm frm', '', text.replace('/var/log/frm_perception', str(log))))
    rules.chmod(0o644)
    return rules


@needs('logrotate')
def test_a_log_file_that_its_process_holds_open_is_rotated_and_goes_on(tmp_path: Path) -> None:
    rules = rotation(tmp_path)
    log = tmp_path / 'log' / 'segmenter_1.log'
    with log.open('a', buffering=1) as writer:  # as ROS opens it
        for turn in range(9):
            writer.write(f'line of turn {turn}\n')
            done = run('logrotate', '--force', '--state', tmp_path / 'state', rules)
            assert done.returncode == 0, done.stdout
        writer.write('the last line\n')
    assert log.read_text() == 'the last line\n'
    kept = sorted(path.name for path in log.parent.iterdir())
    assert kept == ['segmenter_1.log', *(f'segmenter_1.log.{n}.gz' for n in range(1, 8))]


@needs('logrotate')
def test_logrotate_and_the_user_of_the_unit_agree() -> None:
    user = re.search('^User=(.+)$', UNIT.read_text(), re.MULTILINE)
    assert user is not None
    assert f'su {user[1]} {user[1]}\n' in (FILES / 'logrotate.conf').read_text()
    for file in ('sysusers.conf', 'tmpfiles.conf'):
        assert re.search(rf'\b{user[1]}\b', (FILES / file).read_text())


@needs('systemd-tmpfiles')
@pytest.mark.skipif(os.geteuid() != 0, reason='makes users and folders in a root of its own')
def test_systemd_makes_the_user_and_the_folders(tmp_path: Path) -> None:
    root = tmp_path / 'root'
    for file, folder in (('sysusers.conf', 'sysusers.d'), ('tmpfiles.conf', 'tmpfiles.d')):
        (root / 'etc' / folder).mkdir(parents=True)
        shutil.copy(FILES / file, root / 'etc' / folder / 'frm_perception.conf')
    done = run('systemd-sysusers', f'--root={root}')
    assert done.returncode == 0, done.stdout
    assert re.search('^frm:', (root / 'etc/passwd').read_text(), re.MULTILINE)
    assert re.search('^(video|render):.*:frm$', (root / 'etc/group').read_text(), re.MULTILINE)
    done = run('systemd-tmpfiles', '--create', f'--root={root}')
    assert done.returncode == 0, done.stdout
    for folder, private in (('cache', True), ('log', True), ('lib', False)):
        made = (root / 'var' / folder / 'frm_perception').stat()
        assert (made.st_mode & 0o777, made.st_uid != 0) == (
            (0o750, True) if private else (0o755, False))
