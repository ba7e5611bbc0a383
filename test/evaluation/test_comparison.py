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
"""Label spaces that differ are compared as finely as both can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.comparison import DRIVABLE_CLASSES
from frm_perception.evaluation.comparison import Comparison
from frm_perception.labels import BDD100K
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace


def space(*classes: str, drivable: str = 'road') -> LabelSpace:
    """Return a label space of those classes, all black."""
    return LabelSpace('made up', classes, ((0, 0, 0),) * len(classes), (drivable,))


def name(comparison: Comparison, number: int) -> str | None:
    return None if number == IGNORE else comparison.classes[number]


def of_target(comparison: Comparison, data: LabelSpace) -> dict[str, str | None]:
    """Return what each of the data's classes is compared as."""
    return {label: name(comparison, comparison.target_table[index])
            for index, label in enumerate(data.classes)}


def of_prediction(comparison: Comparison, model: LabelSpace) -> dict[str, str | None]:
    """Return what each of the model's classes is compared as."""
    return {label: name(comparison, comparison.prediction_table[index])
            for index, label in enumerate(model.classes)}


CITYSCAPES_AS_CAMVID = {
    'road': 'road', 'sidewalk': 'pavement', 'building': 'building', 'wall': 'fence',
    'fence': 'fence', 'pole': 'pole', 'traffic light': 'sign', 'traffic sign': 'sign',
    'vegetation': 'tree', 'terrain': 'tree', 'sky': 'sky', 'person': 'pedestrian',
    'rider': 'bicyclist', 'car': 'car', 'truck': 'car', 'bus': 'car', 'train': 'car',
    'motorcycle': 'bicyclist', 'bicycle': 'bicyclist'}


@pytest.mark.parametrize('same', [CAMVID, CITYSCAPES])
def test_equal_spaces_are_compared_as_they_are(same: LabelSpace) -> None:
    comparison = Comparison.between(same, same)
    assert comparison.classes == same.classes
    count = len(same.classes)
    for table in (comparison.target_table, comparison.prediction_table):
        assert table[:count].tolist() == list(range(count)) and (table[count:] == IGNORE).all()


def test_spaces_of_the_same_classes_are_compared_by_name_not_by_number() -> None:
    model, data = space('sky', 'road', 'car'), space('car', 'sky', 'road')
    comparison = Comparison.between(model, data)
    assert comparison.classes == ('car', 'sky', 'road')
    assert of_prediction(comparison, model) == {name: name for name in model.classes}
    assert Comparison.between(CITYSCAPES, BDD100K).classes == BDD100K.classes


def test_a_camvid_model_on_cityscapes_is_compared_in_camvids_classes() -> None:
    comparison = Comparison.between(CAMVID, CITYSCAPES)
    assert of_target(comparison, CITYSCAPES) == CITYSCAPES_AS_CAMVID
    assert of_prediction(comparison, CAMVID) == {name: name for name in CAMVID.classes}
    assert comparison.only_in_model == comparison.only_in_data == ()


def test_a_cityscapes_model_on_camvid_is_compared_in_camvids_classes() -> None:
    comparison = Comparison.between(CITYSCAPES, CAMVID)
    assert comparison.classes == CAMVID.classes
    assert of_prediction(comparison, CITYSCAPES) == CITYSCAPES_AS_CAMVID


def test_classes_that_the_other_side_lacks_are_named_and_left_out() -> None:
    model, data = space('road', 'car', 'animal'), space('road', 'car', 'truck', 'tunnel')
    comparison = Comparison.between(model, data)
    assert comparison.only_in_model == ('animal',) and comparison.only_in_data == ('tunnel',)
    assert of_target(comparison, data) == {
        'road': 'road', 'car': 'car', 'truck': 'car', 'tunnel': None}
    assert of_prediction(comparison, model) == {'road': 'road', 'car': 'car', 'animal': None}


def test_several_classes_that_only_together_are_the_same_have_all_their_names() -> None:
    # Terrain is tree to the model, vegetation is tree to the data.
    model, data = space('road', 'tree', 'vegetation'), space('road', 'tree', 'terrain')
    comparison = Comparison.between(model, data)
    assert comparison.classes == ('road', 'terrain + tree')
    assert comparison.target_table[:4].tolist() == [0, 1, 1, IGNORE]
    assert comparison.prediction_table[:4].tolist() == [0, 1, 1, IGNORE]


def test_ignored_classes_are_compared_with_nothing() -> None:
    data = LabelSpace('data', ('void', 'road', 'car'), ((0, 0, 0),) * 3, ('road',), ignore=(0, 7))
    for model in (space('road', 'car', 'void'), space('road', 'car')):
        comparison = Comparison.between(model, data)
        assert comparison.classes == ('road', 'car') and comparison.only_in_data == ()
        assert comparison.target_table[:3].tolist() == [IGNORE, 0, 1]
        assert comparison.drivable_target[[0, 1, 2, 7]].tolist() == [IGNORE, 0, 1, IGNORE]


def test_spaces_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(ValueError, match='no class in common: road, kerb; lane'):
        Comparison.between(space('road', 'kerb'), space('lane', drivable='lane'))


@given(st.sets(st.sampled_from(CAMVID.classes + CITYSCAPES.classes), min_size=1),
       st.sets(st.sampled_from(CAMVID.classes + CITYSCAPES.classes), min_size=1))
def test_both_sides_can_tell_every_class_that_is_compared(mine: set[str], its: set[str]) -> None:
    model, data = space(*sorted({'road', *mine})), space(*sorted({'road', *its}))
    comparison = Comparison.between(model, data)
    numbers = set(range(len(comparison.classes)))
    assert len(set(comparison.classes)) == len(comparison.classes)
    assert set(comparison.target_table.tolist()) - {IGNORE} == numbers
    assert set(comparison.prediction_table.tolist()) - {IGNORE} == numbers
    for names, left_out, table in (
            (model.classes, comparison.only_in_model, comparison.prediction_table),
            (data.classes, comparison.only_in_data, comparison.target_table)):
        assert left_out == tuple(label for index, label in enumerate(names)
                                 if table[index] == IGNORE)
    assert len(Comparison.between(data, model).classes) == len(comparison.classes)


def test_each_side_says_itself_what_is_drivable() -> None:
    model = space('road', 'pavement', 'car')
    data = space('road', 'sidewalk', 'car', 'grass', drivable='grass')
    comparison = Comparison.between(model, data)
    assert [DRIVABLE_CLASSES[number] for number in comparison.drivable_prediction[:3]] == [
        'drivable', 'not drivable', 'not drivable']
    # Grass is drivable to the data, though the model has no such class.
    assert [DRIVABLE_CLASSES[number] for number in comparison.drivable_target[:4]] == [
        'not drivable', 'not drivable', 'not drivable', 'drivable']
    assert comparison.drivable_target[4] == comparison.drivable_target[IGNORE] == IGNORE


def test_labels_that_only_tell_drivable_from_the_rest() -> None:
    comparison = Comparison.drivable_only(CAMVID, [0, 7], [255, 3])
    expected = np.ones(256, np.uint8)
    expected[[0, 7]] = 0
    expected[[255, 3]] = IGNORE
    assert np.array_equal(comparison.target_table, expected)
    assert comparison.drivable_alone and comparison.classes == DRIVABLE_CLASSES
    drivable = [name for index, name in enumerate(CAMVID.classes)
                if comparison.prediction_table[index] == 0]
    assert drivable == ['road']


@pytest.mark.parametrize(('drivable', 'ignored', 'complaint'), [
    ([0, 255], [255], r'\[255\] cannot be both'),
    ([], [255], 'no id is drivable'),
    ([0, 256], [], r'\[256\] are beyond'),
])
def test_ids_that_make_no_sense_are_refused(
        drivable: list[int], ignored: list[int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Comparison.drivable_only(CAMVID, drivable, ignored)
