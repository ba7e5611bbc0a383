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
"""The frames of a finished run on which a model is worst or least sure, to label and to learn."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.drive_camera import DriveCamera
from frm_perception.evaluation.drive.drive_camera import Truth
from frm_perception.evaluation.drive.figures import drivable_iou
from frm_perception.evaluation.drive.figures import mean_iou
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.true_labels import TrueLabels
from frm_perception.labels import LabelSpace
from frm_perception.media.bag_reader import Recording
from frm_perception.media.extracted_folder import ExtractedFolder
from frm_perception.media.extracted_folder import extracting
from frm_perception.media.extracted_folder import read_images
from frm_perception.media.files import MediaError
from frm_perception.media.files import write_image
from frm_perception.media.legend import legend_space
from frm_perception.runtime.segmenter import Segmenter

LABEL_SPACE = 'label_space.yaml'
DRAFT_SPACE = 'draft_label_space.yaml'


def _iou(record: FrameRecord) -> float | None:
    return drivable_iou(record) if record.confusion is None else mean_iou(record)


def _alarms(record: FrameRecord) -> float | None:
    return -float(len(record.alarms)) if record.alarms else None


FIGURES: Mapping[str, Callable[[FrameRecord], float | None]] = {
    'iou': _iou, 'confidence': lambda record: record.confidence,
    'stability': lambda record: record.stability, 'alarms': _alarms}
"""What frames are chosen by, the lowest first; None is not chosen."""


@dataclass(frozen=True)
class Selection:
    """
    Which frames are wanted.

    :param most: so many, or fewer if there are not as many.
    :param by: one of :data:`FIGURES`; '' takes the first one that the run has.
    :param apart_s: seconds between any two of a camera, at least.
    """

    most: int = 50
    by: str = ''
    apart_s: float = 1.0


def choose_frames(records: Sequence[FrameRecord], selection: Selection
                  ) -> tuple[str, list[FrameRecord]]:
    """
    Return what was chosen by, and the frames, the worst first.

    Of frames that are equally bad, the earlier one comes first.

    :raises ValueError: the run has no such figure.
    """
    for by in [selection.by] if selection.by else FIGURES:
        valued = [(value, record.bag, record.camera, record.index, record)
                  for record in records if (value := FIGURES[by](record)) is not None]
        if valued:
            break
    else:
        raise ValueError(f'no frame of the run has {selection.by or " or ".join(FIGURES)}')
    chosen: list[FrameRecord] = []
    for *_, record in sorted(valued, key=lambda item: item[:-1]):
        if len(chosen) < selection.most and not any(
                _near(record, other, selection.apart_s) for other in chosen):
            chosen.append(record)
    return by, chosen


def extract_frames(run: RunFolder, folder: Path, selection: Selection,
                   truth: LabelSpace | None = None, drafts: Segmenter | None = None,
                   overwrite: bool = False) -> tuple[dict[str, int], list[str]]:
    """
    Write frames as a folder to label and to train on.

    There are `images/` (PNG, at full size), `labels/` of those that have true ones, with
    :data:`LABEL_SPACE`, and `drafts/`, with :data:`DRAFT_SPACE`.

    :param truth: what true labels mean; None lets the bag's legend tell.
    :param drafts: whose labels to write as drafts; None writes none.
    :param overwrite: replace a folder that was extracted before.
    :return: how many images, and labels, there are, and what could not be read.
    :raises RunFolderError: no run, or a damaged one.
    :raises MediaError: a bag cannot be read, bags have labels of different meanings, or the
        folder is there already.
    :raises ValueError: the run has no such figure.
    :raises EngineError: the network failed.
    """
    report = run.read_report()
    records = [record for bag in report['bags'] for camera in bag['cameras']
               for record in run.records(bag['name'], camera)]
    by, chosen = choose_frames(records, selection)
    figure = FIGURES[by]
    wanted = {(record.bag, record.camera, record.index): figure(record) for record in chosen}
    facts = {'run': str(run.path), 'model': report['model'],
             'chosen': {**asdict(selection), 'by': by}}
    with extracting(folder, overwrite, **facts) as extracted, tqdm(
            total=len(chosen), desc='extracting', unit='image', disable=None) as progress:
        writer = _Writer(extracted, truth, drafts)
        for bag in report['bags']:
            values = {(camera, index): value for (name, camera, index), value in wanted.items()
                      if name == bag['name']}
            writer.take(bag, values, by, report['options']['tolerance_ms'], progress)
        writer.finish()
    return {'images': len(extracted.images), 'labels': writer.labelled}, extracted.damage


class _Writer:
    def __init__(self, extracted: ExtractedFolder, truth: LabelSpace | None,
                 drafts: Segmenter | None) -> None:
        self.labelled = 0
        self._extracted = extracted
        self._truth = truth
        self._drafts = drafts
        self._space: LabelSpace | None = None

    def take(self, bag: Mapping[str, Any], values: Mapping[tuple[str, int], float | None], by: str,
             tolerance_ms: float, progress: tqdm[Any]) -> None:
        """Write the frames of one bag."""
        path = Path(bag['path'])
        if not path.exists():
            raise MediaError(f'{path}, a bag of the run, is not there: go to where the run was '
                             f'made, or put it back')
        recording = Recording(path)
        labels = self._true_labels(recording, bag, tolerance_ms)
        for message, image in read_images(recording, values.keys(), self._extracted.damage):
            name = self._extracted.name(bag['name'], message.topic, message.index)
            height, width = image.shape[:2]
            true = labels.of(message.topic, message.index, (height, width))
            if true is not None:
                self._write('labels', name, true)
                self.labelled += 1
            if self._drafts is not None:
                self._write('drafts', name, self._drafts.segment(image).labels)
            self._extracted.add(
                Path('images') / f'{name}.png', image, recording.path, message,
                **{by: values[message.topic, message.index]}, labels=true is not None)
            progress.update()

    def finish(self) -> None:
        """Write what labels and drafts mean."""
        if self.labelled and self._space is not None:
            _write_space(self._extracted.path / LABEL_SPACE, self._space)
        if self._drafts is not None:
            _write_space(self._extracted.path / DRAFT_SPACE, self._drafts.label_space)

    def _write(self, kind: str, name: str, labels: NDArray[np.uint8]) -> None:
        write_image(self._extracted.path / kind / f'{name}.png', labels)

    def _true_labels(self, recording: Recording, bag: Mapping[str, Any], tolerance_ms: float
                     ) -> TrueLabels:
        cameras = []
        for topic, labels in bag['labels'].items():
            space = self._truth or _told_by_legend(recording, topic)
            if space is None:
                self._extracted.damage.append(
                    f'the labels on {labels} are left out: {recording.path} has no legend for '
                    f'them; --label-space says what they mean')
                continue
            if self._space is not None and space != self._space:
                raise MediaError(
                    f'{recording.path} has labels of {space.name!r} on {labels}, but others are '
                    f'of {self._space.name!r}: extract from one run for each')
            self._space = space
            truth = Truth(Comparison.between(space, space), space.known_ids(), space.name)
            cameras.append(DriveCamera(bag['name'], topic, labels, truth))
        return TrueLabels(recording.path, cameras, round(tolerance_ms * 1e6))


def _told_by_legend(recording: Recording, topic: str) -> LabelSpace | None:
    legends = {camera.topic: camera.legend for camera in recording.cameras}
    if not legends.get(topic):
        return None
    for message in recording.messages([legends[topic]]):
        try:
            return legend_space(str(message.fields.data))
        except ValueError as error:
            raise MediaError(f'{recording.path} {legends[topic]}: {error}') from error
    return None


def _near(one: FrameRecord, other: FrameRecord, apart_s: float) -> bool:
    return ((one.bag, one.camera) == (other.bag, other.camera)
            and abs(one.stamp_ns - other.stamp_ns) < apart_s * 1e9)


def _write_space(file: Path, space: LabelSpace) -> None:
    content = {'name': space.name, 'classes': list(space.classes),
               'drivable': list(space.drivable), 'palette': [list(c) for c in space.palette]}
    file.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=95),
                    encoding='utf-8')
