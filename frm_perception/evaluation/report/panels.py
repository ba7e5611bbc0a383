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
"""A camera's drive as one picture: overlays along time, and time lines that lie below them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.camera_frames import CameraFrames
from frm_perception.evaluation.report.columns import Columns
from frm_perception.evaluation.report.columns import Summary
from frm_perception.evaluation.report.drawing import Scale
from frm_perception.evaluation.report.drawing import band_path
from frm_perception.evaluation.report.drawing import line_path
from frm_perception.evaluation.report.drawing import marks
from frm_perception.evaluation.report.drawing import share_range
from frm_perception.evaluation.report.drawing import time_step
from frm_perception.evaluation.report.drawing import up_to
from frm_perception.evaluation.report.pictures import Pictures
from frm_perception.evaluation.report.wording import NOTHING
from frm_perception.evaluation.report.wording import clock
from frm_perception.evaluation.report.wording import count
from frm_perception.evaluation.report.wording import milliseconds

MOST_COLUMNS = 600
"""Time lines have no more points than that; frames share them where there are more."""

MOST_ALARMS = 200
"""Of a camera that are drawn."""

_WIDTH = 1000
_LEFT, _RIGHT = 132, 984

_SLOTS = 9
_SLOT_GAP = 4
_STRIP_TOP = 18
_TRACK, _TRACK_GAP = 44, 22
_PICTURE_WIDTH = 224
_LEAST_BAND = 2.0

_TITLES = {
    'mean_iou': 'mean IoU', 'drivable_iou': 'drivable IoU', 'stability': 'stability',
    'agreement': 'agreement', 'confidence': 'confidence', 'drivable_share': 'drivable area',
    'milliseconds': 'latency'}
"""The time lines from above to below; those that no frame has a value of are left out."""

_FROM_ZERO = ('drivable_share', 'milliseconds')

ALARM_TITLES = {'one_class': 'one class only', 'frozen': 'frozen image'}


@dataclass(frozen=True)
class Thumbnail:
    """A small overlay; ``at`` is the place of its time, the others those of the picture."""

    uri: str
    title: str
    at: float
    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Track:
    """One time line with the marks of its scale, (place, text) each."""

    title: str
    unit: str
    top: float
    bottom: float
    line: str
    band: str
    marks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class AlarmBand:
    """From where to where frames have an alarm."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Panel:
    """
    All that the picture of a camera's drive consists of; places are units of its ``viewBox``.

    :param strip: where the small overlays begin, and ``strip_end`` where they end.
    :param readings: what pointing at a column shows, ready for JSON: ``x`` of the columns, and
        ``rows`` of texts, in the order of ``heads``.
    :param alarms: at most :data:`MOST_ALARMS` of them; ``all_alarms``: how many there are.
    :param gathered: how many frames share a column at most; 1 where each has its own.
    :param left: where the time lines begin, and ``right`` where they end.
    """

    bag: str
    camera: str
    frames: int
    height: float
    strip: float
    strip_end: float
    thumbnails: Sequence[Thumbnail]
    tracks: Sequence[Track]
    alarms: Sequence[AlarmBand]
    all_alarms: int
    times: Sequence[tuple[float, str]]
    heads: Sequence[str]
    readings: Mapping[str, Any]
    gathered: int
    width: float = _WIDTH
    left: float = _LEFT
    right: float = _RIGHT


def figure_ranges(cameras: Sequence[CameraFrames]) -> dict[str, tuple[float, float]]:
    """Return for each figure that any frame has the ends of a scale that suits all cameras."""
    ranges = {}
    for name in _TITLES:
        known = [values[~np.isnan(values)] for values in
                 (camera.figures[name] for camera in cameras)]
        lows = [float(values.min()) for values in known if values.size]
        highs = [float(values.max()) for values in known if values.size]
        if not lows:
            continue
        ranges[name] = (0.0, up_to(max(highs))) if name in _FROM_ZERO else (
            share_range(lows, highs))
    return ranges


def panel(run: RunFolder, camera: CameraFrames, duration_s: float,
          ranges: Mapping[str, tuple[float, float]], alarms: Sequence[Mapping[str, Any]],
          pictures: Pictures) -> Panel:
    """
    Lay out the picture of a camera that has one frame at least.

    :param duration_s: of the bag, the same for all of its cameras, so that what lies below each
        other happened at the same time.
    :param alarms: of this camera, from report.json.
    """
    span = max(duration_s, float(camera.seconds[-1]))
    x = Scale(0.0, span, _LEFT, _RIGHT)
    thumbnails = _thumbnails(run, camera, x, pictures)
    strip_end = round(_STRIP_TOP + max((item.height for item in thumbnails), default=0.0), 1)
    columns = Columns.of(camera.seconds, MOST_COLUMNS)
    summaries = {name: columns.summary(camera.figures[name]) for name in ranges
                 if not np.isnan(camera.figures[name]).all()}
    tracks = []
    top = strip_end + (_TRACK_GAP if thumbnails else 0)
    for name, summary in summaries.items():
        tracks.append(_track(name, summary, columns, x, ranges[name], top))
        top += _TRACK + _TRACK_GAP
    return Panel(
        camera.bag, camera.camera, len(camera.index), round(top + 10, 1), _STRIP_TOP, strip_end,
        thumbnails, tracks, list(_alarm_bands(camera, alarms, x)), len(alarms),
        _time_marks(span, x),
        ['time', 'frame', *(_TITLES[name] for name in summaries)],
        _readings(camera, columns, summaries, x), int(columns.count.max()))


def _thumbnails(run: RunFolder, camera: CameraFrames, x: Scale, pictures: Pictures
                ) -> list[Thumbnail]:
    """Return for each slot of the strip the overlay that is nearest to its middle, if any is."""
    folder = run.overlay_file(camera.bag, camera.camera, 0).parent
    shown = {int(file.stem) for file in folder.glob('*.jpg') if file.stem.isdecimal()}
    positions = np.flatnonzero(np.isin(camera.index, list(shown)))
    if not positions.size:
        return []
    places = x.places(camera.seconds[positions])
    pitch = (x.end - x.start) / _SLOTS
    slots = np.clip((places - x.start) / pitch, 0, _SLOTS - 1).astype(int)
    thumbnails = []
    for slot in np.unique(slots):
        middle = x.start + (slot + 0.5) * pitch
        mine = np.flatnonzero(slots == slot)
        chosen = mine[np.argmin(np.abs(places[mine] - middle))]
        position = int(positions[chosen])
        index = int(camera.index[position])
        embedded = pictures.embed(run.overlay_file(camera.bag, camera.camera, index),
                                  _PICTURE_WIDTH)
        if embedded:
            width = pitch - _SLOT_GAP
            thumbnails.append(Thumbnail(
                embedded.uri, camera.when(position), float(places[chosen]),
                round(middle - width / 2, 1), round(width, 1),
                round(width * embedded.height / embedded.width, 1)))
    return thumbnails


def _track(name: str, summary: Summary, columns: Columns, x: Scale, ends: tuple[float, float],
           top: float) -> Track:
    y = Scale(*ends, top + _TRACK, top)
    scale = 1 if name == 'milliseconds' else 100
    return Track(
        _TITLES[name], 'ms' if name == 'milliseconds' else '%', top, top + _TRACK,
        line_path(columns, summary.mean, x, y), band_path(columns, summary, x, y),
        [(y(value), f'{scale * value:g}') for value in (ends[0], sum(ends) / 2, ends[1])])


def _alarm_bands(camera: CameraFrames, alarms: Sequence[Mapping[str, Any]], x: Scale
                 ) -> Iterator[AlarmBand]:
    """Yield the alarms of the camera in the order of time, of too many the longest."""
    longest = sorted(alarms, key=lambda alarm: -alarm['frames'])[:MOST_ALARMS]
    for alarm in sorted(longest, key=lambda alarm: alarm['begin_ns']):
        places = [np.flatnonzero(camera.stamps == alarm[key]) for key in ('begin_ns', 'end_ns')]
        if not all(found.size for found in places):
            continue
        first, last = camera.seconds[[places[0][0], places[1][-1]]].tolist()
        title = ALARM_TITLES.get(alarm['kind'], alarm['kind'])
        yield AlarmBand(x(first), round(max(x(last) - x(first), _LEAST_BAND), 1),
                        f'{title}, {clock(first)} to {clock(last)}, '
                        f'{count(alarm["frames"], "frame")}')


def _time_marks(span: float, x: Scale) -> list[tuple[float, str]]:
    step = time_step(span, 10)
    end = '.0' if step >= 1 else ''
    return [(x(second), clock(second).removesuffix(end)) for second in marks(0.0, span, step)]


def _readings(camera: CameraFrames, columns: Columns, summaries: Mapping[str, Summary], x: Scale
              ) -> dict[str, Any]:
    texts = [[clock(second) for second in columns.seconds], [
        f'{camera.index[first]}' if count == 1 else
        f'{camera.index[first]}–{camera.index[first + count - 1]}'
        for first, count in zip(columns.first, columns.count)]]
    for name, summary in summaries.items():
        texts.append([_reading(name, *values) for values in
                      zip(summary.low, summary.mean, summary.high)])
    return {'x': x.places(columns.seconds).tolist(), 'rows': [list(row) for row in zip(*texts)]}


def _reading(name: str, low: float, mean: float, high: float) -> str:
    if np.isnan(mean):
        return NOTHING
    text, unit = (milliseconds, 'ms') if name == 'milliseconds' else (percent, '%')
    around = '' if low == high else f' ({text(low)} to {text(high)})'
    return f'{text(mean)} {unit}{around}'

