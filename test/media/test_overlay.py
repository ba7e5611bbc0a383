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
"""Pictures for people to look at."""

import numpy as np
import pytest

from frm_perception.labels import CAMVID
from frm_perception.labels import IGNORE
from frm_perception.media.overlay import DRIVABLE_COLOR
from frm_perception.media.overlay import contact_sheet
from frm_perception.media.overlay import draw_overlay
from frm_perception.media.overlay import legend

ROAD = CAMVID.classes.index('road')
GREY = np.full((60, 80, 3), 100, np.uint8)


def _road() -> np.ndarray:
    labels = np.zeros((60, 80), np.uint8)
    labels[30:] = ROAD
    return labels


def test_classes_are_tinted_and_the_unlabelled_is_not() -> None:
    labels = _road()
    labels[:, :10] = IGNORE
    picture = draw_overlay(GREY, labels, CAMVID)
    assert (picture[:, :10] == 100).all()
    assert np.allclose(picture[10, 20], (100 + np.array(CAMVID.palette[0])) / 2, atol=1)
    assert np.allclose(picture[50, 20], (100 + np.array(CAMVID.palette[ROAD])) / 2, atol=1)


def test_no_strength_leaves_the_image() -> None:
    assert np.array_equal(draw_overlay(GREY, _road(), CAMVID, alpha=0), GREY)


def test_the_drivable_area_is_green_with_a_bright_outline() -> None:
    labels = _road()
    drivable = CAMVID.drivable_lut()[labels]
    picture = draw_overlay(GREY, labels, CAMVID, drivable).astype(int)
    inside, outline, outside = picture[50, 40], picture[30, 40], picture[10, 40]
    assert inside[1] > inside[0] + 40 and inside[1] > inside[2] + 20
    assert outline.sum() > inside.sum() + 100
    assert outside[2] > outside[1]


def test_lane_markings_stay_visible() -> None:
    image = GREY.copy()
    image[30:, 38:42] = 230
    labels = _road()
    picture = draw_overlay(image, labels, CAMVID, CAMVID.drivable_lut()[labels]).astype(int)
    assert picture[50, 40].sum() > picture[50, 20].sum() + 150


@pytest.mark.parametrize('drivable', [0, 255])
def test_nothing_and_everything_may_be_drivable(drivable: int) -> None:
    mask = np.full((60, 80), drivable, np.uint8)
    assert draw_overlay(GREY, _road(), CAMVID, mask).shape == GREY.shape


def test_one_pixel_can_be_drawn() -> None:
    pixel = np.zeros((1, 1), np.uint8)
    assert draw_overlay(GREY[:1, :1], pixel, CAMVID, pixel + 255).shape == (1, 1, 3)


def test_the_arguments_are_left_as_they_were() -> None:
    image, labels = GREY.copy(), _road()
    drivable = CAMVID.drivable_lut()[labels]
    copies = image.copy(), labels.copy(), drivable.copy()
    draw_overlay(image, labels, CAMVID, drivable)
    assert all(np.array_equal(*pair)
               for pair in zip((image, labels, drivable), copies, strict=True))


@pytest.mark.parametrize('width', [120, 480, 1920])
def test_the_legend_shows_every_colour_at_any_width(width: int) -> None:
    strip = legend(CAMVID, width)
    assert strip.shape[1] == width
    there = {tuple(rgb) for rgb in strip.reshape(-1, 3).tolist()}
    assert {DRIVABLE_COLOR, *CAMVID.palette} <= there


@pytest.mark.parametrize(('count', 'rows'), [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_a_contact_sheet_has_a_place_for_every_frame(count: int, rows: int) -> None:
    frames = [(f'frame {index}', np.full((90, 160, 3), 40 + 10 * index, np.uint8))
              for index in range(count)]
    sheet = contact_sheet(frames, columns=3, tile_width=160)
    shades = set(sheet.reshape(-1, 3)[:, 0].tolist())
    assert {40 + 10 * index for index in range(count)} <= shades
    assert rows * 90 < sheet.shape[0] < rows * 140
    assert sheet.shape[1] < min(count, 3) * 180 + 20


def test_frames_of_different_sizes_share_a_sheet() -> None:
    sheet = contact_sheet([('wide', GREY), ('tall', np.zeros((200, 30, 3), np.uint8)),
                           ('two pixels', GREY[:1, :2])])
    assert sheet.ndim == 3


def test_an_empty_contact_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match='at least one frame'):
        contact_sheet([])
