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
"""What the numbers of a label image mean."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.labels import BDD100K
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.labels import generated_palette
from frm_perception.labels import label_space

SPACES = (CAMVID, CITYSCAPES, BDD100K)


@pytest.mark.parametrize('space', SPACES, ids=lambda space: space.name)
def test_a_space_is_found_by_its_name(space: LabelSpace) -> None:
    assert label_space(space.name) is space


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match='camvid, cityscapes, bdd100k'):
        label_space('kitti')


@pytest.mark.parametrize('space', SPACES, ids=lambda space: space.name)
def test_colors_tell_all_classes_apart(space: LabelSpace) -> None:
    table = space.colors()
    assert table.shape == (256, 3) and table.dtype == np.uint8
    assert len({tuple(rgb) for rgb in table[:len(space.classes)]}) == len(space.classes)
    assert not table[len(space.classes):].any()


@pytest.mark.parametrize('space', SPACES, ids=lambda space: space.name)
def test_road_is_drivable_and_the_unlabelled_is_not(space: LabelSpace) -> None:
    table = space.drivable_lut()
    assert np.flatnonzero(table).tolist() == [space.classes.index('road')]
    assert table[space.classes.index('road')] == 255
    assert table[IGNORE] == 0


def test_drivable_classes_can_be_chosen() -> None:
    table = CITYSCAPES.drivable_lut(['road', 'terrain'])
    assert [CITYSCAPES.classes[index] for index in np.flatnonzero(table)] == ['road', 'terrain']


def test_a_drivable_class_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="no class 'grass'; it has sky, building"):
        CAMVID.drivable_lut(['grass'])


def _names(source: LabelSpace, target: LabelSpace, name: str, **exceptions: Sequence[str]
           ) -> list[str]:
    ids = source.classes_in(target, exceptions)[source.classes.index(name)]
    return [target.classes[index] for index in ids]


@pytest.mark.parametrize(('theirs', 'ours'), [
    ('road', 'road'), ('sidewalk', 'pavement'), ('vegetation', 'tree'), ('terrain', 'tree'),
    ('traffic light', 'sign'), ('wall', 'fence'), ('truck', 'car'), ('train', 'car'),
    ('person', 'pedestrian'), ('rider', 'bicyclist'), ('motorcycle', 'bicyclist')])
def test_a_fine_class_stands_for_the_coarse_one_of_the_same_thing(theirs: str, ours: str) -> None:
    assert _names(CITYSCAPES, CAMVID, theirs) == [ours]


@pytest.mark.parametrize(('theirs', 'ours'), [
    ('road', ['road']), ('pavement', ['sidewalk']), ('tree', ['vegetation', 'terrain']),
    ('car', ['car', 'truck', 'bus', 'train']), ('pedestrian', ['person']),
    ('bicyclist', ['rider', 'motorcycle', 'bicycle'])])
def test_a_coarse_class_stands_for_all_the_fine_ones(theirs: str, ours: list[str]) -> None:
    assert _names(CAMVID, CITYSCAPES, theirs) == ours


def test_a_class_that_has_its_finer_ones_beside_it_stands_for_itself_alone() -> None:
    assert _names(CITYSCAPES, BDD100K, 'fence') == ['fence']
    assert _names(CITYSCAPES, BDD100K, 'car') == ['car']


def test_exceptions_decide_over_names() -> None:
    assert _names(CITYSCAPES, CAMVID, 'terrain', terrain=('pavement', 'road')) == [
        'pavement', 'road']
    assert _names(CITYSCAPES, CAMVID, 'rider', rider=()) == []


@pytest.mark.parametrize('exceptions', [{'lawn': ['tree']}, {'terrain': ['lawn']}])
def test_an_exception_of_neither_space_is_refused(exceptions: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match='lawn'):
        CITYSCAPES.classes_in(CAMVID, exceptions)


def test_an_ignored_class_stands_for_nothing() -> None:
    space = LabelSpace('own', ('void', 'road'), ((0, 0, 0), (1, 1, 1)), ('road',), ignore=(0, 9))
    assert space.classes_in(space) == ((), (1,))
    assert np.flatnonzero(space.known_ids()).tolist() == [0, 1, 9, IGNORE]


def test_void_is_a_known_id_of_camvid_and_no_class() -> None:
    assert np.flatnonzero(CAMVID.known_ids()).tolist() == [*range(12), IGNORE]
    assert 'void' not in CAMVID.classes


NAMES = st.lists(st.sampled_from(sorted({*CAMVID.classes, *CITYSCAPES.classes, 'lawn', 'lake'})),
                 min_size=1, unique=True)


def _space(names: list[str]) -> LabelSpace:
    return LabelSpace('any', tuple(names), generated_palette(len(names)), ())


@given(NAMES, NAMES)
def test_every_name_that_both_have_stands_for_itself(mine: list[str], theirs: list[str]) -> None:
    source, target = _space(mine), _space(theirs)
    meanings = source.classes_in(target)
    assert len(meanings) == len(mine)
    for name, ids in zip(mine, meanings):
        assert all(0 <= index < len(theirs) for index in ids)
        assert len(set(ids)) == len(ids)
        assert (name in theirs) == (name in [theirs[index] for index in ids])


@given(NAMES)
def test_a_space_means_itself(names: list[str]) -> None:
    assert _space(names).classes_in(_space(names)) == tuple((index,) for index in
                                                           range(len(names)))


def test_generated_colours_are_all_different_and_never_black() -> None:
    palette = generated_palette(255)
    assert len(set(palette)) == 255
    assert (0, 0, 0) not in palette
    assert generated_palette(3) == palette[:3] == ((128, 0, 0), (0, 128, 0), (128, 128, 0))


@pytest.mark.parametrize(('changes', 'complaint'), [
    ({'classes': (), 'palette': (), 'drivable': ()}, '0 classes'),
    ({'classes': ('a',) * 256, 'palette': ((0, 0, 0),) * 256}, '256 classes'),
    ({'classes': ('road', 'road')}, 'names a class twice'),
    ({'palette': ((0, 0, 0),)}, '2 classes but 1 colours'),
    ({'palette': ((0, 0, 0), (0, 0, 256))}, 'values beyond 0..255'),
    ({'drivable': ('lake',)}, "no class 'lake'"),
    ({'ignore': (256,)}, r'beyond 0..255: \[256\]'),
])
def test_a_space_that_contradicts_itself_is_refused(
        changes: dict[str, object], complaint: str) -> None:
    good = LabelSpace('two', ('road', 'rest'), ((1, 1, 1), (2, 2, 2)), ('road',))
    with pytest.raises(ValueError, match=complaint):
        replace(good, **changes)
