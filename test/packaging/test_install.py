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
"""`colcon build` installs all that `ros2 run` and `ros2 launch` look for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from install_tree import environment_of

ROOT = Path(__file__).resolve().parents[2]


def shared(tree: Path, *folders: str) -> set[str]:
    """Return the files below some folders, relative to the tree they are in."""
    return {str(path.relative_to(tree)) for folder in folders
            for path in (tree / folder).rglob('*')
            if path.is_file() and '__pycache__' not in path.parts}


def test_launch_files_config_and_models_are_installed_whole(install_tree: Path) -> None:
    share = install_tree / 'share' / 'frm_perception'
    folders = ('launch', 'config', 'models')
    assert shared(share, *folders) == shared(ROOT, *folders)
    assert {'launch/segment.launch.py', 'config/segmenter.yaml',
            'config/fastdds_shm.xml'} < shared(share, *folders)
    assert (share / 'package.xml').read_bytes() == (ROOT / 'package.xml').read_bytes()


def test_the_package_is_in_the_ament_index(install_tree: Path) -> None:
    index = install_tree / 'share' / 'ament_index' / 'resource_index' / 'packages'
    assert [path.name for path in index.iterdir()] == ['frm_perception']


def test_every_module_is_installed(install_tree: Path) -> None:
    packages, = install_tree.glob('lib/python3.*/site-packages')
    assert shared(packages, 'frm_perception') == shared(ROOT, 'frm_perception')


@pytest.mark.parametrize(('name', 'expected'), [
    ('segmenter', 'parameters:'), ('frm', 'segment')])
def test_an_installed_command_starts_where_ros2_run_looks_for_it(
        install_tree: Path, tmp_path: Path, name: str, expected: str) -> None:
    said = subprocess.run(
        [install_tree / 'lib' / 'frm_perception' / name, '--help'], cwd=tmp_path, text=True,
        env=environment_of(install_tree), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert said.returncode == 0, said.stdout
    assert expected in said.stdout


def test_an_installed_node_finds_the_installed_models(install_tree: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, '-c', 'import frm_perception.runtime.share as s\n'
                               'print(s.__file__, s.share_folder("models"))'],
        cwd=tmp_path, text=True, env=environment_of(install_tree), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    module, models = said.stdout.split()
    assert Path(module).is_relative_to(install_tree / 'lib')
    assert models == str(install_tree / 'share' / 'frm_perception' / 'models')
