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
"""Data sets are found in the layouts that they unpack to, and their ids mean what they say."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.labels import CITYSCAPES  # noqa: E402
from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.training.config import BDD100KData  # noqa: E402
from frm_perception.training.config import CamVidData  # noqa: E402
from frm_perception.training.config import CityscapesData  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.data import DataError  # noqa: E402
from frm_perception.training.data import held_out_sources  # noqa: E402

OFFICIAL_TRAIN_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
"""Id -> train id of labels.py in Cityscapes' own scripts; all others are ignored."""


def _put(file: Path, *ids: int) -> None:
    """Write a 16x16 image; with ids, a label image that holds just these."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.resize(np.array(ids, np.uint8), (16, 16)) if ids else np.random.default_rng(
        len(str(file))).integers(0, 255, (16, 16, 3), np.uint8)
    assert cv2.imwrite(str(file), pixels)


def _meaning(data, space=CITYSCAPES):
    """Return the data set's one source: its images and what ids become."""
    config = TrainingConfig('any', space.name, (), held_out=(data,))
    return held_out_sources(config, space)[0]


def _images(data, space):
    return _meaning(data, space).images


def _names(data, space=CAMVID):
    return [item.image.stem for item in _images(data, space)]


def _cityscapes(root: Path, kind: str = 'labelIds', ids: tuple[int, ...] = (7, 26)) -> Path:
    for city, frame in (('aachen', '000000_000019'), ('aachen', '000001_000019'),
                        ('jena', '000000_000019')):
        _put(root / f'leftImg8bit/train/{city}/{city}_{frame}_leftImg8bit.png')
        _put(root / f'gtFine/train/{city}/{city}_{frame}_gtFine_{kind}.png', *ids)
    return root


def test_cityscapes_is_found_city_by_city(tmp_path):
    images = _images(CityscapesData(str(_cityscapes(tmp_path))), CITYSCAPES)
    assert [item.sequence for item in images] == ['aachen', 'aachen', 'jena']
    for item in images:
        assert item.labels.parent.name == item.image.parent.name
        assert item.read()[1].max() == 26


def test_cityscapes_ids_become_the_official_train_ids(tmp_path):
    data = CityscapesData(str(_cityscapes(tmp_path, ids=(*range(34), 255))))
    table = _meaning(data).table
    assert {index: int(table[index]) for index in range(256) if table[index] != IGNORE
            } == OFFICIAL_TRAIN_IDS


def test_cityscapes_train_ids_are_read_where_there_are_no_other_labels(tmp_path):
    data = CityscapesData(str(_cityscapes(tmp_path, 'labelTrainIds', (*range(19), 255))))
    table = _meaning(data).table
    assert table[:19].tolist() == list(range(19))
    assert (table[19:] == IGNORE).all()


def test_cityscapes_train_ids_do_not_stand_in_for_single_missing_labels(tmp_path):
    _cityscapes(tmp_path, 'labelTrainIds', (0, 13))
    _put(tmp_path / 'gtFine/train/jena/jena_000000_000019_gtFine_labelIds.png', 7)
    with pytest.raises(DataError, match='labels missing: 2'):
        _images(CityscapesData(str(tmp_path)), CITYSCAPES)


def test_cityscapes_ids_beyond_the_official_ones_are_refused(tmp_path):
    _cityscapes(tmp_path, ids=(7, 34, 90))
    with pytest.raises(DataError, match=r'wrong ids: 3.*\n.*\[34, 90\].*0\.\.33, 255'):
        _images(CityscapesData(str(tmp_path)), CITYSCAPES)


@pytest.mark.parametrize('kind', [CityscapesData, BDD100KData])
def test_a_test_split_without_labels_is_refused_before_anything_is_read(tmp_path, kind):
    with pytest.raises(DataError, match="'test' are not published; use 'train' or 'val'"):
        _images(kind(str(tmp_path), split='test'), CITYSCAPES)


def _bdd100k(root: Path, images: str, labels: str, ending: str) -> Path:
    for name in ('0004a4c0-d4dff0ad', '00054602-3bf57337'):
        _put(root / images / f'{name}.jpg')
        _put(root / labels / f'{name}{ending}', *range(19), 255)
    return root


BDD100K_LAYOUTS = pytest.mark.parametrize('layout', [
    ('images/10k/val', 'labels/sem_seg/masks/val', '.png'),
    ('seg/images/val', 'seg/labels/val', '_train_id.png')], ids=['new', 'first'])


@BDD100K_LAYOUTS
def test_bdd100k_is_found_as_it_unpacks(tmp_path, layout):
    source = _meaning(BDD100KData(str(_bdd100k(tmp_path, *layout)), split='val'))
    assert [item.image.name for item in source.images] == [
        '0004a4c0-d4dff0ad.jpg', '00054602-3bf57337.jpg']
    assert {item.sequence for item in source.images} == {'val'}
    assert source.table[:19].tolist() == list(range(19))
    assert (source.table[19:] == IGNORE).all()


@BDD100K_LAYOUTS
def test_bdd100k_images_without_labels_are_counted(tmp_path, layout):
    _bdd100k(tmp_path, *layout)
    _put(tmp_path / layout[0] / 'ffff.jpg')
    with pytest.raises(DataError, match=rf'labels missing: 1\).*\n.*ffff{layout[2]}'):
        _images(BDD100KData(str(tmp_path), split='val'), CITYSCAPES)


CAMVID_LAYOUTS = pytest.mark.parametrize('layout', [
    ('train', 'trainannot'), ('train/images', 'train/labels')], ids=['tutorial', 'folders'])


@CAMVID_LAYOUTS
def test_camvid_is_found_in_both_layouts_with_its_void(tmp_path, layout):
    for name in ('0001TP_006690', '0001TP_006720', '0006R0_f00930'):
        _put(tmp_path / layout[0] / f'{name}.png')
        _put(tmp_path / layout[1] / f'{name}.png', *range(12))
    data = CamVidData(str(tmp_path))
    source = _meaning(data, CAMVID)
    assert source.table[:11].tolist() == list(range(11))
    assert (source.table[11:] == IGNORE).all()
    assert [item.sequence for item in source.images] == ['0001TP', '0001TP', '0006R0']
    assert _names(CamVidData(str(tmp_path), without=('0001TP',))) == ['0006R0_f00930']


@CAMVID_LAYOUTS
def test_camvid_ids_beyond_void_are_refused(tmp_path, layout):
    _put(tmp_path / layout[0] / '0001TP_1.png')
    _put(tmp_path / layout[1] / '0001TP_1.png', 3, 12)
    with pytest.raises(DataError, match=r"\[12\] are not in label space 'camvid', .*0\.\.11, 255"):
        _images(CamVidData(str(tmp_path)), CAMVID)


@pytest.mark.parametrize(('kind', 'parent'), [
    (CamVidData, ''), (CityscapesData, 'leftImg8bit'), (BDD100KData, 'images/10k'),
    (BDD100KData, 'seg/images')])
def test_a_wrong_split_is_refused_with_those_that_are_there(tmp_path, kind, parent):
    for split in ('train', 'val'):
        (tmp_path / parent / split).mkdir(parents=True)
    for folder in ('gtFine/valid', 'labels/sem_seg/masks/valid', 'seg/labels/valid'):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match="no split 'valid'; there are .*train, val"):
        _images(kind(str(tmp_path), split='valid'), CITYSCAPES)


@pytest.mark.parametrize('kind', [CamVidData, CityscapesData, BDD100KData])
def test_a_root_that_is_not_there_is_named(tmp_path, kind):
    with pytest.raises(DataError, match="nowhere.* no split 'train'; there is none"):
        _images(kind(str(tmp_path / 'nowhere')), CITYSCAPES)


@pytest.mark.parametrize(('kind', 'images', 'labels'), [
    (CamVidData, 'train/images', 'train/labels'),
    (CityscapesData, 'leftImg8bit/train/jena', 'gtFine/train/jena'),
    (BDD100KData, 'images/10k/train', 'labels/sem_seg/masks/train'),
    (BDD100KData, 'seg/images/train', 'seg/labels/train')])
def test_a_split_without_images_is_refused(tmp_path, kind, images, labels):
    for folder in (images, labels):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match='no images there'):
        _images(kind(str(tmp_path)), CITYSCAPES)


@pytest.mark.parametrize(('kind', 'image'), [
    (CamVidData, 'train/images/a.png'),
    (CityscapesData, 'leftImg8bit/train/jena/jena_000000_000019_leftImg8bit.png'),
    (BDD100KData, 'images/10k/train/a.jpg'), (BDD100KData, 'seg/images/train/a.jpg')])
def test_a_folder_of_labels_that_is_not_there_is_named_once(tmp_path, kind, image):
    _put(tmp_path / image)
    with pytest.raises(DataError, match='no such folder; the labels of .* are expected there'):
        _images(kind(str(tmp_path)), CITYSCAPES)


@pytest.fixture
def folder(tmp_path):
    for name in ('A_1', 'A_2', 'B_1'):
        _put(tmp_path / 'images' / f'{name}.jpg')
        _put(tmp_path / 'labels' / f'{name}.png', 3)
    return tmp_path


def _data(folder, **changes):
    return FolderData(str(folder / 'images'), str(folder / 'labels'), **changes)


def test_whole_sequences_are_chosen_or_left_out(folder):
    assert _names(_data(folder)) == ['A_1', 'A_2', 'B_1']
    assert _names(_data(folder, sequences=('B',))) == ['B_1']
    assert _names(_data(folder, without=('B',))) == ['A_1', 'A_2']


def test_a_sequence_that_is_not_there_is_refused_with_those_that_are(folder):
    with pytest.raises(DataError, match='sequences Z; there are A, B'):
        _images(_data(folder, sequences=('A', 'Z')), CAMVID)


def test_an_empty_choice_is_refused(folder):
    with pytest.raises(DataError, match='no images are left'):
        _images(_data(folder, without=('A', 'B')), CAMVID)


def test_what_is_no_image_is_passed_over(folder):
    for name in ('README.txt', '.DS_Store', '._A_1.jpg', 'Thumbs.db'):
        (folder / 'images' / name).write_text('')
    assert _names(_data(folder)) == ['A_1', 'A_2', 'B_1']


def test_a_folder_has_the_label_space_of_the_run_where_it_names_none(folder):
    assert _meaning(_data(folder), CAMVID).table[3] == CAMVID.classes.index('road') == 3
    assert _meaning(_data(folder), CITYSCAPES).table[3] == CITYSCAPES.classes.index('wall') == 3


def test_a_folder_may_name_a_known_label_space(folder):
    table = _meaning(_data(folder, label_space='camvid'), CITYSCAPES).table
    assert table[3] == CITYSCAPES.classes.index('road')


def test_a_folder_may_name_a_file_of_a_label_space(folder):
    file = folder / 'own.yaml'
    file.write_text(yaml.safe_dump({
        'name': 'own', 'classes': ['ego', 'lawn', 'lane', 'road'], 'drivable': ['road'],
        'ignore': [9]}))
    _put(folder / 'labels' / 'B_1.png', 0, 1, 2, 3, 9, 255)
    data = _data(folder, label_space=str(file), classes={'lawn': ('terrain',)})
    table = _meaning(data).table
    assert table[:4].tolist() == [IGNORE, CITYSCAPES.classes.index('terrain'), IGNORE,
                                  CITYSCAPES.classes.index('road')]
    assert (table[4:] == IGNORE).all()
    _put(folder / 'labels' / 'B_1.png', 4)
    with pytest.raises(DataError, match=r"\[4\] are not in label space 'own', .* 0\.\.3, 9, 255"):
        _images(data, CITYSCAPES)


@pytest.mark.parametrize(('name', 'complaint'), [
    ('kitti', "label_space: no label space 'kitti'"), ('nowhere.yaml', 'cannot read nowhere')])
def test_a_label_space_that_is_not_there_is_named_with_the_folder(folder, name, complaint):
    with pytest.raises(DataError, match=rf'images: label_space: .*{complaint[13:]}'):
        _images(_data(folder, label_space=name), CAMVID)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match='images: there is no such folder'):
        _images(_data(tmp_path), CAMVID)
