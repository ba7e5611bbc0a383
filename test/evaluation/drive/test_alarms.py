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
"""Alarms that need no truth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.alarms import FROZEN_FRAMES
from frm_perception.evaluation.drive.alarms import AlarmSpan
from frm_perception.evaluation.drive.alarms import FrozenImages
from frm_perception.evaluation.drive.alarms import alarm_spans
from frm_perception.evaluation.drive.alarms import shows_one_class
from frm_perception.evaluation.drive.frame_record import FrameRecord

FRAME = FrameRecord(
    bag='drive', camera='/front/image_raw', index=0, stamp_ns=0, recorded_ns=0, height=4, width=6,
    labels_digest='', drivable_digest='', class_pixels=(20, 4), drivable_share=0.25,
    confidence=None, confusion=None, drivable_confusion=None, stability=None, agreement=None,
    alarms=(), milliseconds={})


@pytest.mark.parametrize(('pixels', 'unlabelled', 'alarm'), [
    ((9, 0), 0, True), ((9, 0), 3, True), ((0, 0), 9, True), ((8, 1), 0, False)])
def test_one_class_is_all_that_the_network_saw(
        pixels: tuple[int, ...], unlabelled: int, alarm: bool) -> None:
    assert shows_one_class(pixels, unlabelled) is alarm


@given(st.lists(st.integers(0, 1), max_size=20))
def test_an_image_is_frozen_when_enough_before_it_are_the_same(which: list[int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 40), dtype=np.uint8)
    frozen = FrozenImages()

    found = [frozen.update(images[number]) for number in which]

    assert found == [len(set(which[:end][-FROZEN_FRAMES:])) == 1 and end >= FROZEN_FRAMES
                     for end in range(1, len(which) + 1)]


def test_an_image_with_little_noise_is_nearly_the_same_and_a_moving_one_is_not() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (180, 320), dtype=np.uint8)
    clock, noisy = FrozenImages(), FrozenImages()
    for number in range(FROZEN_FRAMES):
        stamped = image.copy()
        stamped[:5, :20] = number * 10  # a clock in the corner
        grain = np.clip(image + random.normal(0, 1, image.shape), 0, 255).astype(np.uint8)
        still, moving = clock.update(stamped), noisy.update(grain)
    assert still and not moving


def test_an_image_of_another_size_begins_anew() -> None:
    frozen = FrozenImages()
    for _ in range(FROZEN_FRAMES - 1):
        frozen.update(np.zeros((4, 4), np.uint8))
    assert not frozen.update(np.zeros((4, 5), np.uint8))


def test_frames_in_succession_are_one_span() -> None:
    alarms: list[tuple[str, ...]] = [(), ('frozen',), ('one_class', 'frozen'), (), ('frozen',)]
    records = [replace(FRAME, index=index, stamp_ns=10 * index, alarms=names)
               for index, names in enumerate(alarms)]
    where = ('drive', '/front/image_raw')

    assert alarm_spans(records) == [
        AlarmSpan('one_class', *where, 20, 20, 1), AlarmSpan('frozen', *where, 10, 20, 2),
        AlarmSpan('frozen', *where, 40, 40, 1)]
