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
"""Nobody ever sees half a file."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from frm_perception.media.files import replacing
from frm_perception.media.files import replacing_folder
from frm_perception.media.files import write_image
from frm_perception.media.files import write_json
from frm_perception.media.frames import read_image


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    file = tmp_path / 'deep' / 'a.txt'
    with replacing(file) as partial:
        partial.write_text('old')
    with replacing(file) as partial:
        partial.write_text('new')
        assert file.read_text() == 'old'
    assert file.read_text() == 'new'
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(
        tmp_path: Path, error: type[BaseException]) -> None:
    file = tmp_path / 'a.txt'
    file.write_text('old')
    with pytest.raises(error), replacing(file) as partial:
        partial.write_text('half')
        raise error
    assert file.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [file]


def test_the_old_folder_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / 'deep' / 'old'
    for content in ('old', 'new'):
        with replacing_folder(folder) as partial:
            assert partial.name == 'old'
            partial.mkdir()
            (partial / f'{content}.txt').write_text(content)
            if content == 'new':
                assert (folder / 'old.txt').exists()
    assert [file.name for file in folder.iterdir()] == ['new.txt']
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize('forgotten', [False, True])
def test_a_failure_leaves_the_old_folder_and_nothing_else(
        tmp_path: Path, forgotten: bool) -> None:
    folder = tmp_path / 'a'
    folder.mkdir()
    (folder / 'old.txt').write_text('old')
    with pytest.raises(FileNotFoundError if forgotten else KeyboardInterrupt), \
            replacing_folder(folder) as partial:
        if not forgotten:
            partial.mkdir()
            raise KeyboardInterrupt
    assert (folder / 'old.txt').read_text() == 'old'
    assert list(tmp_path.iterdir()) == [folder]


def test_labels_survive_as_png(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_image(tmp_path / 'a.png', labels)
    assert np.array_equal(read_image(tmp_path / 'a.png'), labels[:, :, None].repeat(3, 2))


def test_colours_survive_as_png(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_image(tmp_path / 'a.png', image)
    assert np.array_equal(read_image(tmp_path / 'a.png'), image)


def test_json_is_written(tmp_path: Path) -> None:
    write_json(tmp_path / 'a.json', {'frames': 3})
    assert json.loads((tmp_path / 'a.json').read_text()) == {'frames': 3}


def test_what_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / 'a.json', {
        'iou': {'road': math.nan}, 'worst': [1.5, math.inf], 'size': (2, 3)})
    assert json.loads((tmp_path / 'a.json').read_text()) == {
        'iou': {'road': None}, 'worst': [1.5, None], 'size': [2, 3]}
