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
"""The worst frames are chosen, and not the same scene again and again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.extract import Selection
from frm_perception.evaluation.drive.extract import choose_frames
from frm_perception.evaluation.drive.frame_record import FrameRecord


def record(index: int, camera: str = '/front', **figures: object) -> FrameRecord:
    """Return the record of a frame; a camera takes ten a second."""
    values: dict[str, object] = {
        'confidence': None, 'confusion': None, 'drivable_confusion': None, 'stability': None,
        'agreement': None, 'alarms': (), **figures}
    return FrameRecord(
        bag='drive', camera=camera, index=index, stamp_ns=index * 10**8, recorded_ns=0, height=1,
        width=1, labels_digest='', drivable_digest='', class_pixels=(1,), drivable_share=0.0,
        milliseconds={}, **values)  # type: ignore[arg-type]


def chosen(records: list[FrameRecord], **selection: object) -> tuple[str, list[int]]:
    by, found = choose_frames(records, Selection(**selection))  # type: ignore[arg-type]
    return by, [item.index for item in found]


def test_the_worst_come_first_and_apart_from_each_other() -> None:
    records = [record(index, confidence=1 - index / 100) for index in range(40)]
    assert chosen(records, most=3, apart_s=1.0) == ('confidence', [39, 29, 19])
    assert chosen(records, most=3, apart_s=0.05) == ('confidence', [39, 38, 37])
    assert chosen(records, most=30, apart_s=1.5) == ('confidence', [39, 24, 9])


def test_cameras_do_not_take_each_others_place() -> None:
    records = [record(0, '/front', stability=0.2), record(0, '/rear', stability=0.1)]
    assert chosen(records) == ('stability', [0, 0])


def test_iou_counts_first_and_of_the_drivable_area_where_there_is_no_other() -> None:
    good, bad = ((9, 1, 0), (0, 10, 0)), ((1, 9, 0), (0, 10, 0))
    records = [record(0, confidence=0.1, drivable_confusion=good),
               record(10, confidence=0.9, drivable_confusion=bad),
               record(20, confidence=0.0)]
    assert chosen(records) == ('iou', [10, 0])
    assert chosen(records, by='confidence') == ('confidence', [20, 0, 10])
    # The mean over classes decides where it is known.
    records[0] = record(0, drivable_confusion=good, confusion=((0, 9, 0), (9, 0, 0)))
    assert chosen(records) == ('iou', [0, 10])


def test_frames_with_alarms_are_chosen_and_no_others() -> None:
    records = [record(0), record(10, alarms=('one_class',)), record(20),
               record(30, alarms=('one_class', 'frozen'))]
    assert chosen(records) == ('alarms', [30, 10])
    with pytest.raises(ValueError, match='no frame of the run has stability'):
        chosen(records, by='stability')
    with pytest.raises(ValueError, match='has iou or confidence or stability or alarms'):
        chosen([record(0)])


@given(values=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=60),
       most=st.integers(1, 20), apart=st.floats(0.01, 3))
def test_nothing_worse_is_left_out_without_need(
        values: list[float | None], most: int, apart: float) -> None:
    records = [record(index, confidence=value) for index, value in enumerate(values)]
    if not any(value is not None for value in values):
        return
    _, found = chosen(records, by='confidence', most=most, apart_s=apart)
    assert 1 <= len(found) <= most
    worst = [values[index] for index in found]
    assert None not in worst and worst == sorted(worst)  # type: ignore[type-var]
    assert all(second - first >= apart * 10 - 1e-6 for first, second in pairwise(sorted(found)))
    for index, value in enumerate(values):
        if value is not None and index not in found and (len(found) < most or value < worst[-1]):
            assert any(abs(index - other) * 10**8 < apart * 1e9 for other in found)
