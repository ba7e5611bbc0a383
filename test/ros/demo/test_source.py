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
"""Which frames of a recording the demo's camera plays, and how it passes them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies

from frm_perception.media.frames import Frame
from frm_perception.media.frames import at_rate
from frm_perception.ros.demo.source import Source
from frm_perception.ros.demo.source import render_drive
from frm_perception.scenes import RenderedDrive

_IMAGE = np.zeros((1, 1, 3), np.uint8)


def taken(stamps: list[int], rate: float) -> list[int]:
    return [frame.stamp_ns for frame in
            at_rate((Frame(_IMAGE, None, stamp, '') for stamp in stamps), rate)]


def test_of_a_video_at_25_frames_a_second_a_camera_at_10_takes_two_of_five() -> None:
    stamps = [index * 40_000_000 for index in range(250)]
    assert len(taken(stamps, 10.0)) == 100


def test_a_recording_slower_than_the_camera_is_played_whole() -> None:
    stamps = [index * 200_000_000 for index in range(20)]
    assert taken(stamps, 10.0) == stamps


def test_jitter_loses_no_frame_of_a_recording_at_the_cameras_own_rate() -> None:
    stamps = [index * 100_000_000 + (index * 7919) % 9_000_000 for index in range(100)]
    assert taken(stamps, 10.0) == stamps


def test_a_gap_is_not_made_up_for_by_a_burst() -> None:
    stamps = [0, *range(10**9, 2 * 10**9, 10_000_000)]
    assert np.diff(taken(stamps, 10.0)).min() >= 90_000_000


@given(strategies.lists(strategies.integers(0, 10**10), min_size=1), strategies.floats(0.5, 200))
def test_frames_keep_their_order_and_come_no_faster_than_the_camera(
        stamps: list[int], rate: float) -> None:
    stamps = sorted(stamps)
    found = taken(stamps, rate)
    assert found[0] == stamps[0]
    remaining = iter(stamps)
    assert all(stamp in remaining for stamp in found)
    assert len(found) <= (stamps[-1] - stamps[0]) / 1e9 * rate + 2


def test_a_rendered_drive_comes_back_from_its_files_as_it_was_rendered(tmp_path: Path) -> None:
    source = render_drive(tmp_path, seed=5, size=(64, 96), count=3, rate=10.0)

    frames = list(Source.parse(source.arguments()))

    drive = RenderedDrive(5, 64, 96, 3, 10.0)
    assert len(frames) == 3
    for frame, scene in zip(frames, (drive[index] for index in range(3))):
        np.testing.assert_array_equal(frame.image, scene.image)
        assert frame.labels is not None
        np.testing.assert_array_equal(frame.labels, scene.labels)
