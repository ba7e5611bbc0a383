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
"""What ``report.json`` holds: the figures of a run by bag, camera and segment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frm_perception.evaluation.drive.alarms import alarm_spans
from frm_perception.evaluation.drive.evaluate_bags import DriveBag
from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
from frm_perception.evaluation.drive.figures import figures
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.notable_frames import WorstFrame
from frm_perception.evaluation.drive.notable_frames import worst_frames
from frm_perception.evaluation.drive.run_folder import FORMAT
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance

PACKAGES = ('frm-perception', 'numpy', 'onnxruntime', 'onnxruntime-gpu',
            'opencv-python-headless', 'rosbags')


Records = Mapping[tuple[str, str], Sequence[FrameRecord]]
"""By bag and camera, in the order of the frames."""


def drive_report(run: EvaluateBags, by_camera: Records, complete: bool, seconds: float
                 ) -> dict[str, Any]:
    """
    Return the whole report of a run's records, ready for JSON.

    :param complete: the run came to its end.
    :param seconds: how long it took this time.
    """
    every = [record for records in by_camera.values() for record in records]
    by_topic = _grouped(every)
    truth = run.comparison
    compared = () if truth is None or truth.drivable_alone else truth.classes
    choice = run.options.choice
    space = run.labeller.label_space
    model, second = run.labeller.describe()
    origin = provenance(PACKAGES)
    machine = dict(origin.pop('machine'))  # type: ignore[call-overload]
    load = machine.pop('load')
    return {
        'format': FORMAT, 'complete': complete,
        'model': model, 'second': second,
        'options': {
            'topics': list(choice.topics), 'labels_topic': choice.labels_topic,
            'labels': choice.truth and choice.truth.meaning,
            'tolerance_ms': run.options.tolerance_ms, 'segment_s': run.options.segment_s},
        'compared': None if truth is None else {
            'classes': list(truth.classes), 'only_in_model': list(truth.only_in_model),
            'only_in_data': list(truth.only_in_data)},
        'bags': [_bag(bag, by_camera) for bag in run.bags],
        'classes': list(space.classes), 'colors': [list(color) for color in space.palette],
        'figures': figures(every, compared),
        'cameras': {topic: figures(records, compared) for topic, records in by_topic.items()},
        'segments': [segment for bag in run.bags for camera in bag.cameras
                     for segment in _segments(bag, by_camera.get((bag.name, camera.topic), ()),
                                              run.options.segment_s, compared)],
        'worst': [_worst(frame) for frame in worst_frames(every)],
        'alarms': [asdict(span) for records in by_camera.values()
                   for span in alarm_spans(records)],
        'timings': {
            'milliseconds': _milliseconds(every),
            'cameras': {topic: _milliseconds(records) for topic, records in by_topic.items()},
            'seconds': seconds, 'load': load, 'workers': run.scoring.workers},
        'origin': {'machine': machine, **origin},
        **({} if run.live is None else {'live': run.live})}


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """
    Return in words how a report is not of the same as another; '' where a run may go on.

    :param one: a report, of which the models, the options and the bags count.
    """
    before, now = (dict(_subject(json.loads(json.dumps(report)))) for report in (one, other))
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            return f'{name} is {before.get(name)!r} there and {now.get(name)!r} here'
    return ''


def require_same_bags(bags: Sequence[DriveBag], baseline: Mapping[str, Any]) -> None:
    """
    Refuse a report of other recordings, whose figures would be different for that reason.

    :raises ValueError: the report is not of these bags; the folders that they are in may differ.
    """
    mine = [(bag.name, bag.begin_ns, bag.end_ns, bag.images) for bag in bags]
    its = [tuple(bag.get(name) for name in ('name', 'begin_ns', 'end_ns', 'images'))
           for bag in baseline['bags']]
    if mine != its:
        raise ValueError(f'the baseline is of {", ".join(str(bag[0]) for bag in its)}, not of '
                         f'the same recordings as {", ".join(bag[0] for bag in mine)}')


def _subject(report: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for part in ('model', 'second', 'options', 'compared'):
        for name, value in (report.get(part) or {'': None}).items():
            yield f'{part} {name}'.strip(), value
    yield 'the list of bags', [bag['name'] for bag in report['bags']]
    for bag in report['bags']:
        for name in ('path', 'begin_ns', 'end_ns', 'images', 'cameras', 'labels'):
            yield f'{name} of bag {bag["name"]}', bag.get(name)


def _bag(bag: DriveBag, by_camera: Records) -> dict[str, Any]:
    records = [record for camera in bag.cameras
               for record in by_camera.get((bag.name, camera.topic), ())]
    return {
        'name': bag.name, 'path': str(bag.path), 'duration_s': (bag.end_ns - bag.begin_ns) / 1e9,
        'begin_ns': bag.begin_ns, 'end_ns': bag.end_ns, 'images': bag.images,
        'damage': list(bag.damage), 'left_out': bag.left_out,
        'cameras': [camera.topic for camera in bag.cameras],
        'labels': {camera.topic: camera.labels for camera in bag.cameras if camera.labels},
        'frames': len(records),
        'labelled': sum(record.drivable_confusion is not None for record in records),
        'unread': bag.unread, 'unmatched': asdict(bag.unmatched)}


def _worst(frame: WorstFrame) -> dict[str, Any]:
    record = frame.record
    picture = RunFolder(Path()).worst_file(record.bag, record.camera, record.index)
    return {'bag': record.bag, 'camera': record.camera, 'index': record.index,
            'stamp_ns': record.stamp_ns, 'why': frame.why,
            'overlay': picture.as_posix()}


def _segments(bag: DriveBag, records: Sequence[FrameRecord], length_s: float,
              compared: Sequence[str]) -> list[dict[str, Any]]:
    numbered: dict[int, list[FrameRecord]] = {}
    for record in records:
        number = int((record.recorded_ns - bag.begin_ns) / 1e9 / length_s)
        numbered.setdefault(number, []).append(record)
    return [{'bag': bag.name, 'camera': mine[0].camera, 'begin_s': number * length_s,
             'end_s': (number + 1) * length_s, 'figures': figures(mine, compared)}
            for number, mine in sorted(numbered.items())]


def _grouped(records: Sequence[FrameRecord]) -> dict[str, list[FrameRecord]]:
    groups: dict[str, list[FrameRecord]] = {}
    for record in records:
        groups.setdefault(record.camera, []).append(record)
    return groups


def _milliseconds(records: Sequence[FrameRecord]) -> dict[str, Mapping[str, float]]:
    stages: dict[str, list[float]] = {}
    for record in records:
        for stage, value in record.milliseconds.items():
            stages.setdefault(stage, []).append(value)
    return {stage: percentiles(values) for stage, values in stages.items()}
