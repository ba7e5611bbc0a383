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
"""Sources of different label spaces become one row of samples that mean the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.labels import CITYSCAPES  # noqa: E402
from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.labels import LabelSpace  # noqa: E402
from frm_perception.labels import generated_palette  # noqa: E402
from frm_perception.training.augmentation import Augmentation  # noqa: E402
from frm_perception.training.config import AugmentationConfig  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.data import DataError  # noqa: E402
from frm_perception.training.data import Samples  # noqa: E402
from frm_perception.training.data import collect  # noqa: E402
from frm_perception.training.data import held_out_sources  # noqa: E402
from frm_perception.training.data.layouts import Listing  # noqa: E402
from frm_perception.training.data.targets import Targets  # noqa: E402


def _folder(root: Path, value: int, **settings) -> FolderData:
    """Write two images of one grey value, labelled as class 3."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    for index in range(2):
        cv2.imwrite(str(root / f'images/A_{index}.png'),
                    np.full((48, 64, 3), value + index, np.uint8))
        cv2.imwrite(str(root / f'labels/A_{index}.png'), np.full((48, 64), 3, np.uint8))
    return FolderData(str(root / 'images'), str(root / 'labels'), **settings)


def _config(space, *sources, held_out=()):
    return TrainingConfig('any', space.name, sources, held_out=held_out)


def _ids(space, *names):
    return tuple(space.classes.index(name) for name in names)


def test_a_coarse_class_is_a_target_of_its_own_that_sources_share(tmp_path):
    first = _folder(tmp_path / 'a', 10, label_space='camvid')
    second = _folder(tmp_path / 'b', 20, label_space='camvid')
    sources, targets = collect(_config(CITYSCAPES, first, second), CITYSCAPES, tmp_path)
    table = sources[0].table
    assert targets[:19] == [(index,) for index in range(19)]
    for name, finer in (('tree', ('vegetation', 'terrain')),
                        ('car', ('car', 'truck', 'bus', 'train')),
                        ('bicyclist', ('rider', 'motorcycle', 'bicycle')),
                        ('road', ('road',)), ('pedestrian', ('person',))):
        number = table[CAMVID.classes.index(name)]
        assert targets[number] == tuple(sorted(_ids(CITYSCAPES, *finer)))
        assert (number >= 19) == (len(finer) > 1)
    assert table[11] == table[255] == IGNORE
    assert (sources[1].table == table).all()
    assert len(set(targets)) == len(targets)


def test_exceptions_of_a_source_decide_over_names(tmp_path):
    data = _folder(tmp_path / 'a', 10, label_space='camvid',
                   classes={'tree': ('terrain',), 'car': (), 'sky': ('sky', 'building', 'sky')})
    sources, targets = collect(_config(CITYSCAPES, data), CITYSCAPES, tmp_path)
    meanings = [targets[number] if number != IGNORE else () for number in sources[0].table[:11]]
    assert meanings[CAMVID.classes.index('tree')] == _ids(CITYSCAPES, 'terrain')
    assert meanings[CAMVID.classes.index('car')] == ()
    assert meanings[CAMVID.classes.index('sky')] == tuple(
        sorted(_ids(CITYSCAPES, 'sky', 'building')))


def test_an_exception_that_is_no_class_is_refused_with_its_source(tmp_path):
    data = _folder(tmp_path / 'a', 10, classes={'lawn': ('tree',)})
    with pytest.raises(DataError, match="a/images: classes: .* no class 'lawn'"):
        collect(_config(CAMVID, data), CAMVID, tmp_path)


def test_a_source_that_means_nothing_to_the_run_is_refused_with_both_lists(tmp_path):
    pets = tmp_path / 'pets.yaml'
    pets.write_text('{name: pets, classes: [cat, dog], drivable: []}')
    data = _folder(tmp_path / 'a', 10, label_space=str(pets))
    with pytest.raises(DataError, match="none of its classes .*'camvid'.* cat, dog; .* sky, "):
        collect(_config(CAMVID, data), CAMVID, tmp_path)


def test_coarse_labels_that_are_held_out_have_numbers_beyond_the_classes(tmp_path):
    data = _folder(tmp_path / 'a', 10, label_space='camvid')
    table = held_out_sources(_config(CITYSCAPES, held_out=(data,)), CITYSCAPES)[0].table
    assert 19 <= table[CAMVID.classes.index('tree')] < IGNORE
    assert table[CAMVID.classes.index('road')] == CITYSCAPES.classes.index('road')


NAMES = st.lists(st.sampled_from(sorted({*CAMVID.classes, *CITYSCAPES.classes, 'lawn'})),
                 min_size=1, unique=True)


def _space(names: list[str], ignore: tuple[int, ...] = ()) -> LabelSpace:
    return LabelSpace('any', tuple(names), generated_palette(len(names)), (), ignore)


@given(st.data(), NAMES, st.lists(NAMES, min_size=1, max_size=4),
       st.sets(st.integers(0, 255), max_size=3))
def test_every_table_leads_to_targets_that_mean_the_same(data, run, sources, ignored):
    targets = Targets(_space(run))
    tables = []
    for names in sources:
        exceptions = data.draw(st.dictionaries(
            st.sampled_from(names), st.lists(st.sampled_from(run), max_size=3), max_size=2))
        space = _space(names, tuple(ignored))
        try:
            table = targets.table(Listing('any', [], space, exceptions))
        except DataError:
            assert not any(space.classes_in(targets.space, exceptions))
            continue
        tables.append((space, exceptions, table))
    assert targets.sets[:len(run)] == [(index,) for index in range(len(run))]
    assert len(set(targets.sets)) == len(targets.sets) <= IGNORE
    for space, exceptions, table in tables:
        meanings = space.classes_in(targets.space, exceptions)
        for index, number in enumerate(table):
            meaning = set(meanings[index]) if index < len(meanings) else set()
            assert set(targets.sets[number] if number != IGNORE else ()) == meaning
        for name in set(space.classes) & set(run) - set(exceptions):
            index = space.classes.index(name)
            if index not in ignored:
                assert run.index(name) in targets.sets[table[index]]


def test_more_meanings_than_eight_bits_tell_apart_are_refused():
    run = _space([f'class {index}' for index in range(254)])
    targets = Targets(run)
    coarse = _space(['one', 'two'])
    with pytest.raises(DataError, match='more than 255 meanings'):
        targets.table(Listing('any', [], coarse, {'one': run.classes[:2],
                                                  'two': run.classes[:3]}))


@pytest.fixture
def sources(tmp_path):
    return collect(_config(CAMVID, _folder(tmp_path / 'a', 10, weight=3.0),
                           _folder(tmp_path / 'b', 200, weight=1.0)), CAMVID, tmp_path)[0]


def test_sample_n_is_the_same_whatever_was_drawn_before(sources):
    samples = Samples(sources, Augmentation(AugmentationConfig(32, 32, 0.7, 2.0)), seed=4)
    expected = samples[17]
    for index in range(5):
        samples[index]
    again = Samples(sources, Augmentation(AugmentationConfig(32, 32, 0.7, 2.0)), seed=4)[17]
    assert torch.equal(expected[0], again[0])
    assert torch.equal(expected[1], again[1])
    other = Samples(sources, Augmentation(AugmentationConfig(32, 32, 0.7, 2.0)), seed=5)[17]
    assert not torch.equal(expected[0], other[0])


def test_sources_are_drawn_by_their_weights(sources):
    plain = Augmentation(AugmentationConfig(32, 32, 1.0, 1.0, photometric=0))
    samples = Samples(sources, plain, seed=0)
    bright = sum(bool((samples[index][0] >= 200).any()) for index in range(400))
    assert 60 < bright < 140  # of 400, one in four; 4.6 standard deviations


@pytest.mark.parametrize(('share', 'pasted', 'changed'), [
    (0.0, [3], False), (1.0, [2], False), (1.0, [3], True)])
def test_pixels_of_pasted_classes_come_from_another_sample(sources, share, pasted, changed):
    def images(share):
        config = AugmentationConfig(32, 32, 1.0, 1.0, photometric=0.0, paste=share)
        samples = Samples(sources, Augmentation(config), seed=0, pasted=pasted)
        return torch.stack([samples[index][0] for index in range(20)])

    # All pixels of these images are of class 3.
    assert torch.equal(images(0.0), images(share)) is not changed


def test_samples_hold_targets_and_not_the_ids_of_files(tmp_path):
    data = _folder(tmp_path / 'a', 10, label_space='cityscapes')
    sources, _ = collect(_config(CAMVID, data), CAMVID, tmp_path)
    image, labels = Samples(sources, Augmentation(AugmentationConfig(32, 32, 1.0, 1.0)), seed=0)[0]
    assert image.shape == (3, 32, 32) and image.dtype == torch.uint8
    assert labels.shape == (32, 32) and labels.dtype == torch.uint8
    assert set(labels.unique().tolist()) <= {CAMVID.classes.index('fence'), IGNORE}
    assert CAMVID.classes.index('fence') in labels
