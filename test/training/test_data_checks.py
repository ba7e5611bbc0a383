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
"""Every file is read before the first step, and what is wrong is refused at once, by name."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.media import label_checks  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.data import DataError  # noqa: E402
from frm_perception.training.data import collect  # noqa: E402
from frm_perception.training.data import held_out_sources  # noqa: E402


def _folder(root: Path, count: int = 3, seed: int = 0) -> FolderData:
    random = np.random.default_rng(seed)
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(root / f'images/A_{index}.png'),
                    random.integers(0, 255, (16, 24, 3), np.uint8))
        cv2.imwrite(str(root / f'labels/A_{index}.png'), np.full((16, 24), 3, np.uint8))
    return FolderData(str(root / 'images'), str(root / 'labels'))


def _config(*sources, held_out=()):
    return TrainingConfig('any', 'camvid', sources, held_out=held_out)


def _labels(root: Path, index: int, labels: object) -> None:
    assert cv2.imwrite(str(root / f'labels/A_{index}.png'), np.asarray(labels))


def test_all_problems_of_all_sources_are_counted_by_kind_and_named(tmp_path):
    a, b, c = (tmp_path / name for name in 'abc')
    sources = [_folder(a, 3, 1), _folder(b, 4, 2)]
    held_out = _folder(c, 2, 3)
    (a / 'labels/A_0.png').unlink()
    (a / 'images/A_1.png').write_bytes(b'not an image')
    (a / 'images/A_2.png').write_bytes(b'')
    _labels(b, 0, np.full((16, 24), 77, np.uint8))
    _labels(b, 1, np.zeros((8, 24), np.uint8))
    _labels(b, 2, np.zeros((16, 24), np.uint16))
    _labels(b, 3, np.zeros((16, 24, 3), np.uint8))
    file = c / 'images/A_0.png'
    file.write_bytes(file.read_bytes()[:-200])
    nowhere = FolderData(str(tmp_path / 'nowhere'), '')
    with pytest.raises(DataError) as error:
        collect(_config(*sources, nowhere, held_out=(held_out,)), CAMVID, tmp_path / 'cache')
    message = str(error.value)
    for part in ('unreadable: 3', 'labels missing: 1', 'wrong ids: 1', 'wrong size: 1',
                 'not 8-bit ids: 2', 'unusable sources: 1', 'nowhere',
                 f'{a}/labels/A_0.png: there is no such file', f'{a}/images/A_1.png',
                 f'{a}/images/A_2.png', f'{b}/labels/A_0.png: ids [77]',
                 f'{b}/labels/A_1.png: 24x8 pixels, but {b}/images/A_1.png has 24x16',
                 f'{b}/labels/A_2.png', 'not 16-bit grey', f'{b}/labels/A_3.png', 'not 8-bit RGB',
                 f'{c}/images/A_0.png'):
        assert part in message


@pytest.mark.parametrize('value', [11, 255])
def test_sources_without_a_pixel_to_learn_or_to_measure_are_named(tmp_path, value):
    good, void, measured = (_folder(tmp_path / name, 2, seed) for seed, name in enumerate('abc'))
    for name in 'bc':
        for index in range(2):
            _labels(tmp_path / name, index, np.full((16, 24), value, np.uint8))
    with pytest.raises(DataError, match='nothing that counts: 2') as error:
        collect(_config(good, void, held_out=(measured,)), CAMVID, tmp_path / 'cache')
    for data in (void, measured):
        assert (f'{data.images}: its 2 labels have none of the ids that count here, 0..10; they '
                f'hold {value}') in str(error.value)
    assert good.images not in str(error.value)


def test_where_all_labels_are_missing_it_is_said_what_is_there_instead(tmp_path):
    data = _folder(tmp_path, 7)
    for file in (tmp_path / 'labels').iterdir():
        file.rename(file.with_name(f'{file.stem}_color.png'))
    with pytest.raises(DataError, match='all labels missing: 1') as error:
        held_out_sources(_config(held_out=(data,)), CAMVID)
    assert str(error.value).endswith(
        f'its 7 images have no labels, such as {tmp_path}/labels/A_0.png; {tmp_path}/labels holds '
        'A_0_color.png, A_1_color.png, A_2_color.png, A_3_color.png, A_4_color.png and 2 more')


def test_suffixes_may_be_in_capitals(tmp_path):
    data = _folder(tmp_path, 2)
    for folder in ('images', 'labels'):
        file = tmp_path / folder / 'A_1.png'
        file.rename(file.with_suffix('.PNG'))
    (source,) = held_out_sources(_config(held_out=(data,)), CAMVID)
    assert {item.labels.name for item in source.images} == {'A_0.png', 'A_1.PNG'}


def test_only_the_first_problems_are_named_and_the_others_counted(tmp_path):
    data = _folder(tmp_path, 26)
    for index in range(25):
        (tmp_path / f'labels/A_{index}.png').unlink()
    with pytest.raises(DataError, match='labels missing: 25') as error:
        held_out_sources(_config(held_out=(data,)), CAMVID)
    assert str(error.value).count('there is no such file') == 20
    assert str(error.value).endswith('and 5 more')


@pytest.fixture
def opened(monkeypatch):
    """Names of the files whose content was read."""
    names = []
    read = Path.read_bytes

    def note(file):
        names.append(file.name)
        return read(file)

    monkeypatch.setattr(Path, 'read_bytes', note)
    return names


def test_a_second_start_reads_only_what_has_changed(tmp_path, opened):
    config = _config(_folder(tmp_path / 'a'), held_out=(_folder(tmp_path / 'b', 1, 5),))
    first = collect(config, CAMVID, tmp_path / 'cache')
    assert len(opened) == 8
    opened.clear()
    second = collect(config, CAMVID, tmp_path / 'cache')
    held_out_sources(config, CAMVID, tmp_path / 'cache')
    assert not opened
    assert second[0][0].images == first[0][0].images
    _labels(tmp_path / 'a', 1, np.full((16, 24), 55, np.uint8))
    with pytest.raises(DataError, match=r'ids \[55\]'):
        collect(config, CAMVID, tmp_path / 'cache')
    assert opened == ['A_1.png']


def test_a_file_of_the_same_size_and_another_time_is_read_again(tmp_path, opened):
    config = _config(_folder(tmp_path / 'a'))
    collect(config, CAMVID, tmp_path / 'cache')
    opened.clear()
    os.utime(tmp_path / 'a/images/A_2.png', ns=(1, 1))
    collect(config, CAMVID, tmp_path / 'cache')
    assert opened == ['A_2.png']


def test_what_was_read_before_an_interruption_is_not_read_again(tmp_path, opened, monkeypatch):
    config = _config(_folder(tmp_path / 'a', 8))

    def interrupted(results, title, **settings):
        for number, result in enumerate(results):
            if title.startswith('checking labels') and number == 3:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(label_checks, 'tqdm', interrupted)
        with pytest.raises(KeyboardInterrupt):
            collect(config, CAMVID, tmp_path / 'cache')
    opened.clear()
    collect(config, CAMVID, tmp_path / 'cache')
    assert len(opened) == 5  # of the labels


def test_what_cannot_be_used_is_not_remembered_as_good(tmp_path):
    config = _config(_folder(tmp_path / 'a'))
    (tmp_path / 'a/images/A_2.png').write_bytes(b'nothing')
    for _ in range(2):
        with pytest.raises(DataError, match='unreadable: 1'):
            collect(config, CAMVID, tmp_path / 'cache')


@pytest.mark.parametrize('content', ['', '{"format": 0}', '[]', '{"format": 1, "fi'])
def test_a_damaged_memory_costs_time_and_nothing_else(tmp_path, content):
    config = _config(_folder(tmp_path / 'a'))
    collect(config, CAMVID, tmp_path / 'cache')
    (tmp_path / 'cache/checked.json').write_text(content)
    sources, _ = collect(config, CAMVID, tmp_path / 'cache')
    assert len(sources[0].images) == 3


def test_a_memory_serves_every_label_space(tmp_path):
    data = _folder(tmp_path / 'a')
    _labels(tmp_path / 'a', 0, np.full((16, 24), 18, np.uint8))
    cityscapes = FolderData(data.images, data.labels, label_space='cityscapes')
    collect(_config(cityscapes), CAMVID, tmp_path / 'cache')
    with pytest.raises(DataError, match=r"\[18\] are not in label space 'camvid'"):
        collect(_config(data), CAMVID, tmp_path / 'cache')


def test_an_image_that_is_held_out_is_not_trained_on(tmp_path):
    data = _folder(tmp_path / 'a')
    with pytest.raises(DataError, match='trained on and held out: 3') as error:
        collect(_config(data, held_out=(data,)), CAMVID, tmp_path / 'cache')
    assert f'{tmp_path}/a/images/A_2.png: is also held out' in str(error.value)


@pytest.mark.parametrize('link', [True, False], ids=['link', 'copy'])
def test_a_held_out_image_under_another_name_is_found(tmp_path, link):
    trained, held_out = _folder(tmp_path / 'a', 3, 1), _folder(tmp_path / 'b', 3, 2)
    mine, theirs = tmp_path / 'a/images/A_1.png', tmp_path / 'b/images/A_0.png'
    theirs.unlink()
    if link:
        theirs.symlink_to(mine)
    else:
        theirs.write_bytes(mine.read_bytes())
    with pytest.raises(DataError, match=rf'held out: 1\).*\n.*{mine}: is also held out, as '
                                        rf'{theirs}'):
        collect(_config(trained, held_out=(held_out,)), CAMVID, tmp_path / 'cache')


def test_sequences_that_are_told_apart_may_be_held_out_of_one_folder(tmp_path):
    data = _folder(tmp_path / 'a')
    for name in ('images', 'labels'):
        (tmp_path / f'a/{name}/A_2.png').rename(tmp_path / f'a/{name}/B_0.png')
    trained = FolderData(data.images, data.labels, without=('B',))
    held_out = FolderData(data.images, data.labels, sequences=('B',))
    config = _config(trained, held_out=(held_out,))
    sources, _ = collect(config, CAMVID, tmp_path / 'cache')
    assert len(sources[0].images) == 2
    assert len(held_out_sources(config, CAMVID)[0].images) == 1
