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
"""Pictures of failures show what was predicted and where that is wrong."""

import numpy as np
import pytest

from frm_perception.deploy.failures import Failure
from frm_perception.deploy.failures import failures_picture
from frm_perception.deploy.failures import worst
from frm_perception.labels import CAMVID
from frm_perception.labels import IGNORE

PHOTOGRAPH = (1, 254, 3)
ROAD, CAR, TREE = (CAMVID.classes.index(name) for name in ('road', 'car', 'tree'))


def _failure(name='0001TP_0', drivable=0.5, mean=0.5):
    """Predict road everywhere; it is so on the left, a car in the middle, unknown on the right."""
    target = np.full((60, 90), ROAD, np.uint8)
    target[:, 30:60] = CAR
    target[:, 60:] = IGNORE
    return Failure(name, np.full((60, 90, 3), PHOTOGRAPH, np.uint8), target,
                   np.full((60, 90), ROAD, np.uint8), {'drivable_iou': drivable, 'mean_iou': mean})


def _share(picture, color):
    return np.mean(np.all(picture == color, axis=2))


def test_wrong_pixels_have_the_true_color_and_right_ones_are_dark():
    picture = failures_picture({'drivable_iou': [_failure()]}, CAMVID, False, 90)
    # Beyond the legend's small patches: a third of a tile for the car and for what is unknown.
    tile = 60 * 90 / picture[..., 0].size
    assert _share(picture, CAMVID.palette[ROAD]) == pytest.approx(tile, rel=0.15)
    assert _share(picture, CAMVID.palette[CAR]) == pytest.approx(tile / 3, rel=0.3)
    assert _share(picture, (0, 0, 0)) == pytest.approx(tile / 3, rel=0.3)
    assert _share(picture, (20, 54, 32)) == pytest.approx(tile / 3, rel=0.3)


@pytest.mark.parametrize('photographs', [False, True])
def test_photographs_are_in_the_picture_only_where_asked_for(photographs):
    picture = failures_picture({'mean_iou': [_failure()]}, CAMVID, photographs, 90)
    assert (_share(picture, PHOTOGRAPH) > 0.02) == photographs


def test_the_worst_come_first_and_what_has_no_figure_is_left_out():
    failures = [_failure(str(index), drivable) for index, drivable in
                enumerate((0.9, None, 0.1, 0.5, 0.3, 0.7))]
    assert [failure.name for failure in worst(failures, 'drivable_iou')] == ['2', '4', '3', '5']


@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_any_number_of_images_and_any_length_of_names_fits(count):
    shown = [_failure('frankfurt_000001_' + 30 * 'x', None) for _ in range(count)]
    picture = failures_picture({'drivable_iou': [], 'mean_iou': shown}, CAMVID, False, 240)
    # Nothing is written over the right border: the margin stays empty.
    paper = picture[0, 0]
    assert (picture[:, -3:] == paper).all()
    assert picture.shape[1] <= 2 * 2 * 240 + 40
