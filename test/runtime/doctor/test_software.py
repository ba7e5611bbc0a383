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
"""ROS and Python packages: whether they are there and fit."""

import sys
from pathlib import Path

import pytest
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor import software
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.software import MODULES
from frm_perception.runtime.doctor.software import check_numpy
from frm_perception.runtime.doctor.software import check_packages
from frm_perception.runtime.doctor.software import check_ros
from frm_perception.runtime.doctor.software import import_all

GOOD = {name: (True, '1.26.4') for name in MODULES}
NO_RCLPY = {**GOOD, 'rclpy': (False, "ModuleNotFoundError: No module named 'rclpy'")}


def test_what_is_installed_here_is_imported() -> None:
    found = import_all()
    assert set(found) == set(MODULES) and found['numpy'][0] and found['cv2'][0]


def test_a_module_that_ends_the_process_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                   ) -> None:
    (tmp_path / 'cv2.py').write_text('import os\nos.abort()\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    found = import_all()
    assert found['numpy'][0]
    assert found['cv2'] == (False, 'cv2 ended the process (status -6)')
    assert not found['rclpy'][0] and 'for another module' in found['rclpy'][1]


def test_a_module_that_cannot_be_imported_keeps_none_from_being_tried(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'yaml.py').write_text("raise ImportError('built for\\nanother Python')\n")
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    found = import_all()
    assert found['yaml'] == (False, 'ImportError: built for another Python')
    assert 'for another module' not in found['cv_bridge'][1]


def test_a_module_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'numpy.py').write_text('import signal\nsignal.pause()\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(software, '_LIMIT_S', 1.0)
    good, text = import_all()['numpy']
    assert not good and text.endswith('was not imported within 1 s')


def test_a_ros_that_can_be_imported_is_well(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO, None, {'ROS_DISTRO': 'humble'})
    assert check_ros(machine, GOOD).level is Level.OK


def test_where_none_is_sourced_the_one_that_is_there_is_named(tmp_path: Path) -> None:
    finding = check_ros(laid_out(tmp_path, ORIN_NANO), NO_RCLPY)
    assert finding.level is Level.ERROR
    assert finding.remedy == '"source /opt/ros/humble/setup.bash"'


@pytest.mark.parametrize(('release', 'words'), [
    ('ID=ubuntu\nVERSION_ID="22.04"\n', 'ROS 2 Humble, then "source /opt/ros/humble'),
    ('VERSION_ID="24.04"\n', 'ROS 2 Jazzy'), ('VERSION_ID="12"\n', 'ros-wheels.txt'),
    (None, 'ros-wheels.txt')])
def test_where_none_is_installed_the_one_for_the_system_is_named(
        tmp_path: Path, release: str | None, words: str) -> None:
    machine = laid_out(tmp_path, DESKTOP, {'/etc/os-release': release})
    assert words in check_ros(machine, NO_RCLPY).remedy


def test_a_sourced_ros_of_another_python_is_called_that(tmp_path: Path) -> None:
    finding = check_ros(laid_out(tmp_path, DESKTOP, None, {'ROS_DISTRO': 'jazzy'}), NO_RCLPY)
    assert finding.level is Level.ERROR and sys.version.split()[0] in finding.found
    assert '--system-site-packages' in finding.remedy


@pytest.mark.parametrize(('missing', 'level'), [
    ((), Level.OK), (('cv_bridge',), Level.WARNING), (('cv2',), Level.ERROR),
    (('rclpy',), Level.OK)])
def test_packages_that_the_node_needs_are_told_from_those_it_can_do_without(
        missing: tuple[str, ...], level: Level) -> None:
    assert check_packages({**GOOD, **dict.fromkeys(missing, (False, 'gone'))}).level is level


@pytest.mark.parametrize(('distribution', 'version', 'level'), [
    ('humble', '1.26.4', Level.OK), ('jazzy', '2.1.3', Level.ERROR), ('kilted', '2.1.3', Level.OK),
    ('', '2.1.3', Level.OK)])
def test_numpy_is_of_the_kind_that_ros_was_compiled_for(
        tmp_path: Path, distribution: str, version: str, level: Level) -> None:
    machine = laid_out(tmp_path, DESKTOP, None, {'ROS_DISTRO': distribution})
    assert check_numpy(machine, {**GOOD, 'numpy': (True, version)}).level is level
