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
"""The figures of a model on a data set: every one against its own definition."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.metrics import BinaryIoU
from frm_perception.evaluation.segmentation_score import SegmentationScore
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.runtime.geometry import Geometry
from frm_perception.runtime.segmenter import Segmentation

TWO = LabelSpace('two', ('road', 'car'), ((0, 0, 0),) * 2, ('road',))


def segmentation(labels: object, confidence: object = None) -> Segmentation:
    ids = np.array(labels, np.uint8)
    geometry = Geometry.fit((ids.shape[0], ids.shape[1]), (64, 64), 4)
    return Segmentation(ids, np.zeros_like(ids), {}, geometry, geometry.view,
                        None if confidence is None else np.array(confidence, np.uint8))


def noise(seed: int, classes: int, void: bool = False) -> NDArray[np.uint8]:
    """Return (24, 32) ids in squares of 4 pixels, some of them unknown."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, classes, (6, 8))
    if void:
        ids[random.random(ids.shape) < 0.2] = IGNORE
    return ids.astype(np.uint8).repeat(4, 0).repeat(4, 1)


def test_a_perfect_model_is_perfect_in_every_figure() -> None:
    score = SegmentationScore(Comparison.between(CAMVID, CAMVID))
    for seed in range(3):
        truth = noise(seed, 11, void=True)
        labels = np.where(truth == IGNORE, 3, truth)
        assert score.update(truth, segmentation(labels, np.full(truth.shape, 255))) == 1
    result = score.result()
    assert result['images'] == 3
    for figure in ('mean_iou', 'pixel_accuracy', 'mean_boundary_iou', 'drivable_iou',
                   'drivable_precision', 'drivable_recall', 'drivable_boundary_iou'):
        assert result[figure] == 1, figure
    assert result['calibration']['ece'] == 0
    assert result['iou'] == result['boundary_iou'] == dict.fromkeys(CAMVID.classes, 1.0)
    counts = np.array(result['confusion']['counts'])
    assert counts.shape == (11, 11) and (counts == np.diag(np.diag(counts))).all()


def test_figures_of_a_small_example() -> None:
    score = SegmentationScore(Comparison.between(TWO, TWO))
    drivable = score.update(np.array([[0, 0, 1, 1, IGNORE]], np.uint8),
                            segmentation([[0, 1, 1, 1, 0]], [[255, 204, 102, 255, 0]]))
    result = score.result()
    assert drivable == result['drivable_iou'] == result['iou']['road'] == 1 / 2
    assert result['mean_iou'] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result['pixel_accuracy'] == 3 / 4
    assert (result['drivable_precision'], result['drivable_recall']) == (1, 1 / 2)
    assert result['confusion'] == {
        'classes': ['road', 'car'], 'counts': [[1, 1], [0, 2]], 'no_class': [0, 0]}
    # Claimed 1, 0.8, 0.4 and 1; right but for the second.
    assert result['calibration']['ece'] == pytest.approx((0 + 0.8 + 0.6 + 0) / 4)


def test_a_class_that_the_data_lack_is_wrong_and_one_that_the_model_lacks_does_not_count() -> None:
    model = LabelSpace('model', ('road', 'animal'), ((0, 0, 0),) * 2, ('road',))
    data = LabelSpace('data', ('road', 'car'), ((0, 0, 0),) * 2, ('road',))
    score = SegmentationScore(Comparison.between(model, data))
    score.update(np.array([[0, 0, 0, 1]], np.uint8), segmentation([[0, 0, 1, 0]]))
    result = score.result()
    assert result['confusion'] == {'classes': ['road'], 'counts': [[2]], 'no_class': [1]}
    assert result['iou'] == {'road': 2 / 3}
    # What is drivable is known of all four.
    assert result['drivable_iou'] == 2 / 4


def test_a_finer_model_is_right_where_its_class_belongs_to_the_true_one() -> None:
    score = SegmentationScore(Comparison.between(CITYSCAPES, CAMVID))
    truck, vegetation = (CITYSCAPES.classes.index(name) for name in ('truck', 'vegetation'))
    car, tree = (CAMVID.classes.index(name) for name in ('car', 'tree'))
    score.update(np.array([[car, tree, 11]], np.uint8),
                 segmentation([[truck, vegetation, vegetation]]))
    assert score.result()['iou']['car'] == score.result()['iou']['tree'] == 1


def test_only_drivable_figures_where_the_labels_tell_no_more() -> None:
    score = SegmentationScore(Comparison.drivable_only(CAMVID, [0], [255]))
    mask = BinaryIoU()
    for seed in range(3):
        truth, labels = noise(seed, 3, void=True), noise(seed + 10, 11)
        score.update(truth, segmentation(labels, np.full(truth.shape, 255)))
        mask.update(truth == 0, labels == CAMVID.classes.index('road'), truth != IGNORE)
    result = score.result()
    assert sorted(result) == [
        'calibration', 'confusion', 'drivable_boundary_iou', 'drivable_iou',
        'drivable_precision', 'drivable_recall', 'images']
    assert result['drivable_iou'] == mask.iou()
    counts = np.array(result['confusion']['counts'])
    assert counts.shape == (2, 2)
    wrong = counts[0, 1] + counts[1, 0]
    # It claims to be certain of everything.
    assert result['calibration']['ece'] == pytest.approx(wrong / counts.sum())


def test_nothing_seen_is_none_in_valid_json() -> None:
    for comparison in (Comparison.between(TWO, TWO), Comparison.drivable_only(TWO, [0], [255])):
        score = SegmentationScore(comparison)
        assert np.isnan(score.update(np.full((2, 2), IGNORE, np.uint8),
                                     segmentation([[1, 1], [1, 1]])))
        result = json.loads(json.dumps(score.result(), allow_nan=False))
        assert result['drivable_iou'] is None and result['calibration']['ece'] is None
