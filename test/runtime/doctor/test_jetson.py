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
"""JetPack and power mode, of files laid out as NVIDIA documents them."""

import re
import sys
from pathlib import Path

import pytest
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.jetson import GUIDE
from frm_perception.runtime.doctor.jetson import check_jetpack
from frm_perception.runtime.doctor.jetson import check_power_mode
from frm_perception.runtime.doctor.jetson import jetpack_of
from frm_perception.runtime.doctor.jetson import jetson_linux

RELEASE = '/etc/nv_tegra_release'


@pytest.mark.parametrize(('release', 'name'), [
    ((35, 6), '5'), ((36, 3), '6.0'), ((36, 4), '6.1 or 6.2'), ((36, 5), '6.1 or 6.2'),
    ((38, 2), '7.0 or 7.1'), ((38, 4), '7.0 or 7.1'), ((39, 2), '7.2')])
def test_a_release_of_jetson_linux_belongs_to_a_jetpack(release: tuple[int, int], name: str
                                                        ) -> None:
    jetpack = jetpack_of(release)
    assert jetpack is not None and jetpack.name == name


def test_the_guide_says_the_same_of_each_jetpack() -> None:
    guide = (Path(__file__).resolve().parents[3] / GUIDE).read_text('utf-8')
    rows = [row.split('|') for row in guide.splitlines() if re.match(r'\| [567]\.', row)]
    assert len(rows) == 5
    for _, name, linux, _, system, libraries, *_ in rows:
        major, minor = re.search(r'(\d+)\.(\d*)', linux).groups()
        jetpack = jetpack_of((int(major), int(minor or 0)))
        assert jetpack is not None and jetpack.name.split(' or ')[0] in name
        assert jetpack.ubuntu in system and '.'.join(map(str, jetpack.python)) in system
        assert jetpack.ros in system.lower()
        assert [jetpack.cuda, jetpack.tensorrt] == libraries.strip().split(', ')[:2]


@pytest.mark.parametrize('release', [(32, 7), (37, 0), (40, 1)])
def test_a_release_that_is_not_known_belongs_to_none(release: tuple[int, int]) -> None:
    assert jetpack_of(release) is None


def test_the_jetpack_is_told_with_what_it_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                 ) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 10, 12))
    finding = check_jetpack(laid_out(tmp_path, ORIN_NANO))
    assert finding.level is Level.OK and finding.source == RELEASE
    assert 'Orin Nano' in finding.found and 'TensorRT 10.3' in finding.found
    assert 'JetPack 6.1 or 6.2 (Jetson Linux 36.4' in finding.found


def test_another_python_than_the_wheels_are_for_is_worth_a_warning(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
    finding = check_jetpack(laid_out(tmp_path, ORIN_NANO))
    assert finding.level is Level.WARNING and 'Python 3.10' in finding.remedy


def test_a_jetpack_whose_python_is_too_old_is_an_error(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {RELEASE: '# R35 (release), REVISION: 6.0, GCID: 1'})
    finding = check_jetpack(machine)
    assert finding.level is Level.ERROR and 'JetPack 6 or 7' in finding.remedy


def test_in_a_container_the_package_tells_the_release(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, {
        RELEASE: None,
        '/var/lib/dpkg/status':
            'Package: nano\nStatus: install ok installed\nVersion: 7.2-1\n\n'
            'Package: nvidia-l4t-core\nStatus: install ok installed\nPriority: standard\n'
            'Version: 38.4.0-20251230160601\n\n'})
    assert jetson_linux(machine) == ('/var/lib/dpkg/status', (38, 4))


@pytest.mark.parametrize('content', [None, '', 'R36', '# R (release), REVISION: x'])
def test_a_release_that_cannot_be_read_is_said_to_be_unknown(tmp_path: Path, content: str | None
                                                             ) -> None:
    finding = check_jetpack(laid_out(tmp_path, ORIN_NANO, {RELEASE: content}))
    assert finding.level is Level.WARNING and 'not known' in finding.found


def test_what_is_no_jetson_is_not_asked(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, DESKTOP)
    assert check_jetpack(machine).level is check_power_mode(machine).level is Level.SKIPPED


@pytest.mark.parametrize(('status', 'level'), [
    ('pmode:0000', Level.WARNING), ('pmode:0001', Level.WARNING), ('pmode:0002', Level.OK)])
def test_a_mode_of_less_power_is_worth_a_warning(tmp_path: Path, status: str, level: Level
                                                 ) -> None:
    finding = check_power_mode(laid_out(tmp_path, ORIN_NANO, {'/var/lib/nvpmodel/status': status}))
    assert finding.level is level
    assert ('sudo nvpmodel -m 2' in finding.remedy) == (level is Level.WARNING)


def test_without_a_mode_called_maximal_the_most_watts_count(tmp_path: Path) -> None:
    modes = ('< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n'
             '< POWER_MODEL ID=3 NAME=MODE_30W >\n')
    machine = laid_out(tmp_path, ORIN_NANO, {
        '/etc/nvpmodel.conf': modes, '/var/lib/nvpmodel/status': 'pmode:0001 fmode:fanNull'})
    finding = check_power_mode(machine)
    assert finding.found == 'mode 1 (7W) of 0 15W, 1 7W, 3 MODE_30W'
    assert 'sudo nvpmodel -m 3' in finding.remedy


@pytest.mark.parametrize('missing', ['/etc/nvpmodel.conf', '/var/lib/nvpmodel/status'])
def test_a_power_mode_that_nothing_tells_is_unknown_where_it_would_stand(
        tmp_path: Path, missing: str) -> None:
    finding = check_power_mode(laid_out(tmp_path, ORIN_NANO, {missing: None}))
    assert finding.level is Level.WARNING and finding.source == missing
