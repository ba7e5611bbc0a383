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
"""The demo's pictures."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies

from frm_perception.labels import CAMVID
from frm_perception.ros.demo.pictures import answered_picture
from frm_perception.ros.demo.pictures import choose
from frm_perception.ros.demo.pictures import sheet
from frm_perception.ros.demo.pictures import unanswered_picture
from frm_perception.ros.demo.pictures import video_frame

_IMAGE = np.full((90, 160, 3), 120, np.uint8)
_ROAD = np.full((45, 80), CAMVID.classes.index('road'), np.uint8)
_MASK = np.full((45, 80), 255, np.uint8)


@given(strategies.integers(0, 200))
def test_the_chosen_frames_are_spread_and_fill_whole_rows(count: int) -> None:
    chosen = choose(list(range(count)))
    assert len(chosen) == min(count, 9) if count <= 3 or count >= 9 else len(chosen) in (3, 6)
    assert chosen == sorted(set(chosen))
    if len(chosen) > 1:
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1


def test_masks_of_another_size_are_drawn_on_the_whole_image() -> None:
    picture = answered_picture(_IMAGE, _ROAD, _MASK, CAMVID)
    assert picture.shape == _IMAGE.shape
    inner = picture[4:-4, 4:-4].astype(int)
    assert (inner[:, :, 1] > inner[:, :, 0]).all()


def test_masks_are_not_shifted_when_they_are_drawn_smaller() -> None:
    # The middle of three columns is the one that a third of the size shows.
    label = np.zeros((90, 2400), np.uint8)
    label[:, 1::3] = CAMVID.classes.index('road')
    image = np.full((90, 2400, 3), 120, np.uint8)
    whole = answered_picture(image, np.full_like(label, CAMVID.classes.index('road')),
                             np.zeros_like(label), CAMVID)
    striped = answered_picture(image, label, np.zeros_like(label), CAMVID)
    np.testing.assert_array_equal(striped, whole)


def test_a_frame_without_an_answer_is_dark_and_without_colour() -> None:
    picture = unanswered_picture(_IMAGE)
    assert picture.max() < 60
    assert (picture[:, :, 0] == picture[:, :, 2]).all()


def test_all_frames_of_a_video_have_one_size_answered_or_not() -> None:
    frames = [video_frame(_IMAGE, picture, 'caption', 'note', answered, CAMVID)
              for picture, answered in ((answered_picture(_IMAGE, _ROAD, _MASK, CAMVID), True),
                                        (unanswered_picture(_IMAGE), False))]
    assert frames[0].shape == frames[1].shape
    assert (frames[0] != frames[1]).any()


@given(strategies.integers(1, 9))
def test_a_contact_sheet_of_any_number_of_frames_has_one_width(count: int) -> None:
    picture = sheet([('caption', _IMAGE)] * count, 'title', ['a line'], CAMVID)
    assert picture.shape[1] == sheet(
        [('caption', _IMAGE)] * 3, 'title', ['a line'], CAMVID).shape[1]
