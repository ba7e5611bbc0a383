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

from dataclasses import replace

import numpy as np
import pytest

from frm_perception.labels import BDD100K
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
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


def test_labels_translate_by_name_and_by_synonym() -> None:
    table = CITYSCAPES.lut_to(CAMVID, {'sidewalk': 'pavement', 'truck': 'car'})
    for theirs, ours in (('road', 'road'), ('sidewalk', 'pavement'), ('truck', 'car')):
        assert table[CITYSCAPES.classes.index(theirs)] == CAMVID.classes.index(ours)
    assert table[CITYSCAPES.classes.index('train')] == IGNORE
    assert table[IGNORE] == IGNORE


@pytest.mark.parametrize('synonyms', [{'lawn': 'tree'}, {'terrain': 'lawn'}])
def test_a_synonym_of_neither_space_is_refused(synonyms: dict[str, str]) -> None:
    with pytest.raises(ValueError, match='lawn'):
        CITYSCAPES.lut_to(CAMVID, synonyms)


@pytest.mark.parametrize(('changes', 'complaint'), [
    ({'classes': (), 'palette': (), 'drivable': ()}, '0 classes'),
    ({'classes': ('a',) * 256, 'palette': ((0, 0, 0),) * 256}, '256 classes'),
    ({'classes': ('road', 'road')}, 'names a class twice'),
    ({'palette': ((0, 0, 0),)}, '2 classes but 1 colours'),
    ({'palette': ((0, 0, 0), (0, 0, 256))}, 'values beyond 0..255'),
    ({'drivable': ('lake',)}, "no class 'lake'"),
])
def test_a_space_that_contradicts_itself_is_refused(
        changes: dict[str, object], complaint: str) -> None:
    good = LabelSpace('two', ('road', 'rest'), ((1, 1, 1), (2, 2, 2)), ('road',))
    with pytest.raises(ValueError, match=complaint):
        replace(good, **changes)
