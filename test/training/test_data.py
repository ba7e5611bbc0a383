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
"""Training data is checked before the first step."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.training.augmentation import Augmentation  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import RenderedData  # noqa: E402
from frm_perception.training.data import DataError  # noqa: E402
from frm_perception.training.data import Samples  # noqa: E402
from frm_perception.training.data import folder_images  # noqa: E402
from frm_perception.training.data import rendered_images  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels').mkdir()
    for name in ('A_1', 'A_2', 'B_1'):
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), np.full((48, 64, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / 'labels' / f'{name}.png'), np.full((48, 64), 3, np.uint8))
    return tmp_path


def _data(folder, **changes):
    return FolderData(str(folder / 'images'), str(folder / 'labels'), **changes)


def _names(items):
    return [item.image.stem for item in items]


def test_whole_sequences_are_chosen_or_left_out(folder):
    assert _names(folder_images(_data(folder), CAMVID)) == ['A_1', 'A_2', 'B_1']
    assert _names(folder_images(_data(folder, sequences=('B',)), CAMVID)) == ['B_1']
    assert _names(folder_images(_data(folder, without=('B',)), CAMVID)) == ['A_1', 'A_2']


def test_every_unusable_image_is_named_before_training(folder):
    (folder / 'labels' / 'A_1.png').unlink()
    (folder / 'images' / 'A_2.png').write_bytes(b'not an image')
    cv2.imwrite(str(folder / 'labels' / 'B_1.png'), np.full((48, 64), 77, np.uint8))
    with pytest.raises(DataError, match='3 of 3') as error:
        folder_images(_data(folder), CAMVID)
    for part in ('A_1.png', 'A_2.png', r'ids [77]'):
        assert part in str(error.value)


def test_labels_of_another_size_are_refused(folder):
    cv2.imwrite(str(folder / 'labels' / 'A_1.png'), np.zeros((10, 10), np.uint8))
    with pytest.raises(DataError, match=r'A_1.*\(48, 64\)'):
        folder_images(_data(folder), CAMVID)


def test_an_empty_choice_is_refused(folder):
    with pytest.raises(DataError, match='no images'):
        folder_images(_data(folder, sequences=('Z',)), CAMVID)


def test_rendered_drives_are_rendered_once_and_completed_after_an_interruption(tmp_path):
    data = RenderedData(drives=2, frames=2, height=96, width=128, first_seed=5)
    first = rendered_images(data, tmp_path)
    times = [item.labels.stat().st_mtime_ns for item in first]
    first[3].labels.unlink()
    second = rendered_images(data, tmp_path)
    assert second == first
    assert [item.labels.stat().st_mtime_ns for item in second][:3] == times[:3]
    image, labels = second[3].read()
    assert image.shape == (96, 128, 3)
    assert labels.max() < len(CAMVID.classes)


def test_sample_n_is_the_same_whatever_was_drawn_before(folder):
    images = folder_images(_data(folder), CAMVID)
    samples = Samples([(1.0, images)], Augmentation(32, 32, 0.7, 2.0), 11, seed=4)
    expected = samples[17]
    for index in range(5):
        samples[index]
    again = samples[17]
    assert torch.equal(expected[0], again[0])
    assert torch.equal(expected[1], again[1])
