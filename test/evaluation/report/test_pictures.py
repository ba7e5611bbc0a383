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
"""Pictures within a report."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from frm_perception.evaluation.report.pictures import Pictures
from frm_perception.media.files import write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a run with a picture of 300x400."""
    picture = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    write_image(tmp_path / 'run' / 'wide.jpg', picture)
    write_image(tmp_path / 'beside.jpg', picture)
    return tmp_path / 'run'


def test_a_picture_is_shrunk_and_keeps_its_shape(folder: Path) -> None:
    found = Pictures(folder).embed(folder / 'wide.jpg', 200)
    assert found is not None and (found.width, found.height) == (200, 150)
    head, _, data = found.uri.partition(',')
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert head == 'data:image/jpeg;base64' and pixels.shape == (150, 200, 3)


def test_there_is_room_for_so_much_and_no_more(folder: Path) -> None:
    first = Pictures(folder).embed(folder / 'wide.jpg', 200)
    assert first is not None
    size = len(base64.b64decode(first.uri.partition(',')[2]))
    pictures = Pictures(folder, room=2 * size + 1)
    found = [pictures.embed(folder / 'wide.jpg', 200) for _ in range(4)]
    assert [picture is not None for picture in found] == [True, True, False, False]
    assert pictures.left_out == 2


@pytest.mark.parametrize('name', ['missing.jpg', '../beside.jpg', 'broken.jpg', 'empty.jpg', '.'])
def test_what_is_no_picture_of_the_run_is_left_out(folder: Path, name: str) -> None:
    (folder / 'broken.jpg').write_bytes(b'no picture')
    (folder / 'empty.jpg').touch()
    (folder / 'link.jpg').symlink_to(folder.parent / 'beside.jpg')
    assert Pictures(folder).embed(folder / name, 200) is None
    assert Pictures(folder).embed(folder / 'link.jpg', 200) is None
