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
"""The picture of a camera's drive."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_run import PERIOD_NS
from synthetic_run import START_NS
from synthetic_run import SyntheticRun

from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.report.camera_frames import CameraFrames
from frm_perception.evaluation.report.panels import MOST_ALARMS
from frm_perception.evaluation.report.panels import MOST_COLUMNS
from frm_perception.evaluation.report.panels import Panel
from frm_perception.evaluation.report.panels import figure_ranges
from frm_perception.evaluation.report.panels import panel
from frm_perception.evaluation.report.pictures import Pictures

RUN = SyntheticRun(frames=60)
CAMERA = RUN.cameras[0]


def laid_out(folder: Path, run: SyntheticRun, alarms: list[dict[str, Any]] | None = None) -> Panel:
    """Return the picture of a run's camera."""
    written = run.write(folder)
    camera = frames_of(written, run)
    return panel(written, camera, run.frames / 10, figure_ranges([camera]), alarms or [],
                 Pictures(folder))


def frames_of(written: RunFolder, run: SyntheticRun) -> CameraFrames:
    """Return the frames of a run's camera."""
    return CameraFrames.of('drive', CAMERA, START_NS, written.each_record('drive', CAMERA),
                           len(run.space.classes))


def alarm(first: int, last: int) -> dict[str, Any]:
    """Return an alarm from one frame to another."""
    return {'kind': 'frozen', 'begin_ns': START_NS + first * PERIOD_NS,
            'end_ns': START_NS + last * PERIOD_NS, 'frames': last - first + 1}


def test_overlays_lie_in_their_slots_and_point_at_their_times(tmp_path: Path) -> None:
    found = laid_out(tmp_path, RUN)
    assert len(found.thumbnails) == 9
    ends = [(item.x, item.x + item.width) for item in found.thumbnails]
    assert all(left[1] < right[0] for left, right in zip(ends, ends[1:]))
    assert found.left <= ends[0][0] and ends[-1][1] <= found.right
    assert [item.at for item in found.thumbnails] == sorted(item.at for item in found.thumbnails)


def test_a_drive_without_overlays_has_its_time_lines(tmp_path: Path) -> None:
    found = laid_out(tmp_path, replace(RUN, overlays=0))
    assert not found.thumbnails
    assert [track.title for track in found.tracks] == [
        'mean IoU', 'drivable IoU', 'stability', 'confidence', 'drivable area', 'latency']


def test_what_no_frame_has_is_no_time_line(tmp_path: Path) -> None:
    found = laid_out(tmp_path, replace(RUN, labelled=False, confident=False))
    assert [track.title for track in found.tracks] == ['stability', 'drivable area', 'latency']
    assert found.heads == ['time', 'frame', *(track.title for track in found.tracks)]


def test_lines_lie_within_their_tracks_and_tracks_below_each_other(tmp_path: Path) -> None:
    found = laid_out(tmp_path, RUN)
    places = [(track.top, track.bottom) for track in found.tracks]
    assert all(above[1] < below[0] for above, below in zip(places, places[1:]))
    assert found.strip_end < places[0][0] and places[-1][1] < found.height
    for track in found.tracks:
        points = np.array([point.split() for point in track.line.strip('M').split('L')], float)
        assert track.top <= points[:, 1].min() and points[:, 1].max() <= track.bottom
        assert found.left <= points[:, 0].min() and points[:, 0].max() <= found.right


def test_every_frame_can_be_read_until_they_share_columns(tmp_path: Path) -> None:
    few = laid_out(tmp_path / 'few', RUN)
    assert few.gathered == 1 and not any(track.band for track in few.tracks)
    assert [row[1] for row in few.readings['rows']] == [str(index) for index in range(60)]

    many = laid_out(tmp_path / 'many', replace(RUN, frames=3 * MOST_COLUMNS, overlays=0))
    assert many.gathered >= 3 and all(track.band for track in many.tracks)
    assert len(many.readings['x']) <= MOST_COLUMNS
    assert many.readings['rows'][0][1] == '0–2'
    assert ' to ' in many.readings['rows'][5][2]
    json.dumps(many.readings, allow_nan=False)


def test_an_alarm_is_marked_where_its_frames_are(tmp_path: Path) -> None:
    band, = laid_out(tmp_path, RUN, [alarm(15, 30)]).alarms
    width = 984 - 132
    assert band.x == pytest.approx(132 + width * 1.5 / 6, abs=0.1)
    assert band.width == pytest.approx(width * 1.5 / 6, abs=0.2)
    assert band.text == 'frozen image, 0:01.5 to 0:03.0, 16 frames'


def test_an_alarm_of_one_frame_can_be_seen(tmp_path: Path) -> None:
    band, = laid_out(tmp_path, RUN, [alarm(15, 15)]).alarms
    assert band.width == 2


def test_of_very_many_alarms_the_longest_are_drawn_and_all_are_counted(tmp_path: Path) -> None:
    run = replace(RUN, frames=3 * MOST_ALARMS)
    alarms = [alarm(index, index + index % 2) for index in range(3 * MOST_ALARMS - 1)]
    found = laid_out(tmp_path, run, alarms)
    assert len(found.alarms) == MOST_ALARMS and found.all_alarms == len(alarms)
    assert all('2 frames' in band.text for band in found.alarms)


def test_all_cameras_have_the_same_scale(tmp_path: Path) -> None:
    runs = [replace(RUN, right=right) for right in (0.3, 0.9)]
    cameras = [frames_of(run.write(tmp_path / str(run.right)), run) for run in runs]
    low, high = figure_ranges(cameras)['mean_iou']
    for camera in cameras:
        assert low <= np.nanmin(camera.figures['mean_iou'])
        assert np.nanmax(camera.figures['mean_iou']) <= high
