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
"""Label spaces by name or from a YAML file."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from frm_perception.labels import CITYSCAPES
from frm_perception.labels import generated_palette
from frm_perception.runtime.label_space_file import find_label_space

LANES = {'name': 'lanes', 'classes': ['void', 'road', 'line'], 'drivable': ['road', 'line']}


def _file(folder: Path, **changes: object) -> str:
    content = {key: value for key, value in (LANES | changes).items() if value is not None}
    file = folder / 'lanes.yaml'
    file.write_text(yaml.safe_dump(content))
    return str(file)


def test_a_known_name_is_that_space() -> None:
    assert find_label_space('cityscapes') is CITYSCAPES


def test_an_unknown_name_is_refused_with_what_would_do() -> None:
    with pytest.raises(ValueError, match="'kitti'; there are camvid, .* file that ends in .yaml"):
        find_label_space('kitti')


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    palette = [[0, 0, 0], [128, 64, 128], [255, 255, 255]]
    space = find_label_space(_file(tmp_path, palette=palette, ignore=[0, 254]))
    assert space.name == 'lanes'
    assert space.classes == ('void', 'road', 'line')
    assert space.palette == ((0, 0, 0), (128, 64, 128), (255, 255, 255))
    assert space.drivable == ('road', 'line')
    assert np.flatnonzero(space.known_ids()).tolist() == [0, 1, 2, 254, 255]


def test_colours_are_generated_where_the_file_has_none(tmp_path: Path) -> None:
    space = find_label_space(_file(tmp_path))
    assert space.palette == generated_palette(3)
    assert space.ignore == ()


@pytest.mark.parametrize(('changes', 'complaint'), [
    ({'name': None}, "'name' is missing"),
    ({'drivable': None}, "'drivable' is missing"),
    ({'classes': 'road'}, "'classes' must be a list of texts"),
    ({'classes': None}, "'classes' is missing"),
    ({'drivable': ['lake']}, "no class 'lake'"),
    ({'palette': [[0, 0]]}, "'palette' must be a list"),
    ({'palette': [[0, 0, 0]]}, '3 classes but 1 colours'),
    ({'ignore': ['void']}, "'ignore' must hold whole numbers"),
    ({'ignore': 0}, "'ignore' must be a list of whole numbers, not 0"),
    ({'ignore': [300]}, "'ignore' must hold whole numbers from 0 to 255, not 300"),
    ({'drivable': ['lake' * 20] * 500}, "no class 'lake"),
    ({'colours': []}, "'colours' is not a known key")])
def test_what_is_wrong_is_named_with_the_file(
        tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=rf'lanes\.yaml: .*{complaint}') as caught:
        find_label_space(_file(tmp_path, **changes))
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'nowhere\.yaml'):
        find_label_space(str(tmp_path / 'nowhere.yaml'))


@pytest.mark.parametrize('name', ['lanes\0.yaml', 'lanes\ud800.yaml'])
def test_what_can_be_the_name_of_no_file_is_refused_by_that_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"'lanes\\\w+\.yaml' can be the name of no file"):
        find_label_space(name)


def test_a_file_that_could_not_be_read_to_its_end_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'lanes.yaml')
    with pytest.raises(ValueError, match=r'lanes\.yaml: it is not a plain file'):
        find_label_space(str(tmp_path / 'lanes.yaml'))
