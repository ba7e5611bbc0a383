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
"""What the page of a comparison shows, made ready for its template."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.comparison_text import difference_rows
from frm_perception.evaluation.report.comparison_text import figure_title
from frm_perception.evaluation.report.comparison_text import method_text
from frm_perception.evaluation.report.comparison_text import run_text
from frm_perception.evaluation.report.pictures import Picture
from frm_perception.evaluation.report.pictures import Pictures
from frm_perception.evaluation.report.tables import Table
from frm_perception.evaluation.report.wording import clock

_WIDTH = 640


@dataclass(frozen=True)
class Pair:
    """The overlays of one frame in both runs, and which frame it is, in words."""

    where: str
    a: Picture
    b: Picture


def comparison_content(a: RunFolder, b: RunFolder, comparison: Mapping[str, Any],
                       failures: Mapping[str, str | None]) -> dict[str, Any]:
    """
    Return what comparison.html names.

    :param failures: of each demand, why it is not met; None where it is.
    :raises RunFolderError: a folder is damaged.
    """
    models = [comparison[side]['model']['bundle'] for side in 'ab']
    return {
        'title': f'{models[1]} against {models[0]}', 'failures': failures,
        'runs': [f'{side.upper()}: {run_text(comparison[side])}' for side in 'ab'],
        'method': method_text(comparison), 'rows': difference_rows(comparison),
        'places': list(_places(comparison['places'])), 'pairs': list(_pairs(a, b, comparison))}


def _places(places: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    for word in ('fell', 'rose'):
        if places[word]:
            yield f'Where {figure_title(places["figure"])} {word} most', Table(
                ['bag', 'from', 'A %', 'B %', 'difference, points'],
                [[place['bag'], clock(place['begin_s']), percent(place['a']),
                  percent(place['b']), f'{100 * place["difference"]:+.2f}']
                 for place in places[word]], 2)


def _pairs(a: RunFolder, b: RunFolder, comparison: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield for each place where the figure fell a frame of each camera, if both runs show it."""
    pictures = Pictures(a.path), Pictures(b.path)
    bags = {bag['name']: bag for bag in a.read_report()['bags']}
    length_s = comparison['segments']['seconds']
    places = [(place['bag'], round(place['begin_s'] / length_s))
              for place in comparison['places']['fell']]
    frames = {name: _shown(a, b, bags[name], length_s) for name, _ in places}
    for name, segment in places:
        for camera in bags[name]['cameras']:
            frame = frames[name].get((camera, segment))
            if frame is None:
                continue
            first, second = (own.embed(run.overlay_file(name, camera, frame.index), _WIDTH)
                             for own, run in zip(pictures, (a, b)))
            if first and second:
                when = clock((frame.recorded_ns - bags[name]['begin_ns']) / 1e9)
                yield Pair(f'{name} {camera}, frame {frame.index} at {when}', first, second)


def _shown(a: RunFolder, b: RunFolder, bag: Mapping[str, Any], length_s: float
           ) -> dict[tuple[str, int], FrameRecord]:
    """Return by camera and segment the first frame that both runs have an overlay of."""
    found: dict[tuple[str, int], FrameRecord] = {}
    for camera in bag['cameras']:
        for record in a.each_record(bag['name'], camera):
            segment = (record.recorded_ns - bag['begin_ns']) // round(length_s * 1e9)
            if (camera, segment) not in found and all(
                    run.overlay_file(bag['name'], camera, record.index).exists()
                    for run in (a, b)):
                found[camera, segment] = record
    return found
