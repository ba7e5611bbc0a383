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
"""Which frames of a drive deserve a look."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.notable_frames import STRIP_FRAMES
from frm_perception.evaluation.drive.notable_frames import WORST_OF_EACH
from frm_perception.evaluation.drive.notable_frames import spread_frames
from frm_perception.evaluation.drive.notable_frames import worst_frames

FRAME = FrameRecord(
    bag='drive', camera='/front/image_raw', index=0, stamp_ns=0, recorded_ns=0, height=4, width=6,
    labels_digest='', drivable_digest='', class_pixels=(20, 4), drivable_share=0.25,
    confidence=None, confusion=None, drivable_confusion=None, stability=None, agreement=None,
    alarms=(), milliseconds={})


def frame(index: int, **figures: float | tuple[tuple[int, ...], ...]) -> FrameRecord:
    """Return a frame of a camera of 2 Hz."""
    return replace(FRAME, index=index, stamp_ns=index * 500_000_000, **figures)  # type: ignore


def test_the_worst_of_each_figure_come_first_and_a_second_apart() -> None:
    stabilities = [0.9, 0.2, 0.1, 0.3, 0.8, 0.7, 0.6, 0.95, 0.99, 0.99, 0.5]
    records = [frame(index, stability=value) for index, value in enumerate(stabilities)]
    records[8] = frame(8, stability=0.99, drivable_confusion=((1, 3, 0), (0, 4, 0)))

    worst = worst_frames(records)

    assert [(found.record.index, found.why) for found in worst] == [
        (8, 'drivable IoU 25.0 %'), (2, 'stability 10.0 %'), (10, 'stability 50.0 %'),
        (6, 'stability 60.0 %'), (4, 'stability 80.0 %')]


def test_frames_of_other_cameras_at_the_same_time_are_other_frames() -> None:
    records = [frame(0, confidence=0.5), replace(frame(0, confidence=0.6), camera='/rear')]
    assert len(worst_frames(records)) == 2


@given(st.integers(0, 500))
def test_frames_of_the_strip_are_spread_evenly(count: int) -> None:
    found = [record.index for record in spread_frames([frame(index) for index in range(count)])]

    assert len(found) == min(count, STRIP_FRAMES)
    assert len(set(found)) == len(found)
    if count > STRIP_FRAMES:
        steps = {after - before for before, after in zip(found, found[1:])}
        assert max(steps) - min(steps) <= 1
        assert found[0] <= max(steps) and count - found[-1] <= max(steps)


def test_no_more_than_a_few_of_each_figure() -> None:
    records = [frame(10 * index, confidence=0.5) for index in range(20)]
    assert len(worst_frames(records)) == WORST_OF_EACH
