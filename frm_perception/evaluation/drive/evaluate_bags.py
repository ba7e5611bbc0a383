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
"""Evaluate a model on bags: every frame, and the same figures every time."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Protocol

from tqdm import tqdm

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.ahead import one_opencv_thread
from frm_perception.evaluation.drive.drive_camera import Choice
from frm_perception.evaluation.drive.drive_camera import DriveCamera
from frm_perception.evaluation.drive.drive_camera import choose_cameras
from frm_perception.evaluation.drive.frame_reader import FrameReader
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.labeller import Labeller
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError
from frm_perception.evaluation.drive.scorer import Scorer
from frm_perception.evaluation.drive.true_labels import TrueLabels
from frm_perception.evaluation.drive.true_labels import Unmatched
from frm_perception.labels import LabelSpace
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import MediaError
from frm_perception.media.segment_files import output_names


@dataclass(frozen=True)
class Options:
    """
    What is evaluated, and how.

    :param choice: which cameras, and what their labels are.
    :param tolerance_ms: most milliseconds between the stamps of an image and its labels.
    :param segment_s: length of the segments of a drive that have figures of their own, seconds.
    """

    choice: Choice = Choice()
    tolerance_ms: float = 5.0
    segment_s: float = 10.0


@dataclass
class DriveBag:
    """
    One bag of a run, and what came of it.

    :param name: the bag's in the run.
    :param cameras: those that are evaluated; none where the bag cannot be opened.
    :param left_out: why others are not, in words.
    :param begin_ns: when its first message was recorded; ``end_ns`` is the last one's.
    :param damage: what could not be read.
    :param unread: images that could not be read.
    :param finished: False where frames are missing for another reason than the bag's damage.
    """

    name: str
    path: Path
    cameras: list[DriveCamera] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    begin_ns: int = 0
    end_ns: int = 0
    images: int = 0
    damage: tuple[str, ...] = ()
    unread: int = 0
    unmatched: Unmatched = Unmatched()
    finished: bool = True


DoneRecords = Callable[[DriveBag], dict[str, list[FrameRecord]]]
"""Reads what is there of a bag's records, by camera."""


class Scoring(Protocol):
    """
    What scores bags: this process, or others that it hands them to.

    :ivar workers: how many other processes do; 0 where it is this one.
    """

    workers: int

    def records(self, bags: Sequence[DriveBag], done: DoneRecords
                ) -> Generator[FrameRecord, None, None]:
        """
        Yield the records that are not done, and note in the bags what was wrong with them.

        A camera's records come in the order of its frames; those of several bags may mix.

        :param bags: all of them have cameras.
        :param done: asked when a bag is begun, and whenever it is begun again.
        """


class EvaluateBags:
    """
    One run: some bags, and what their frames have labels from.

    :param live: for the report, what became of the images of a running node; None without one.
    :ivar scoring: what scores the bags: as it comes, this process.
    :raises MediaError: a bag is not there, none can be opened, or one has not what was asked for.
    :raises ValueError: the bags' labels, or the second model's, cannot be compared with the
        model's, or not in one run.
    """

    def __init__(self, bags: Sequence[Path], labeller: Labeller, options: Options,
                 live: Mapping[str, Any] | None = None) -> None:
        self.labeller = labeller
        self.options = options
        self.live = live
        paths = list(dict.fromkeys(bag.resolve() for bag in bags))
        self.bags = [_opened(path, name, options.choice, labeller.label_space) for path, name in
                     zip(paths, output_names(paths), strict=True)]
        if not any(bag.cameras for bag in self.bags):
            raise MediaError('\n'.join(text for bag in self.bags for text in bag.damage))
        self.comparison = _common(
            [camera for bag in self.bags for camera in bag.cameras if camera.truth])
        self.scoring: Scoring = ScoringInTurn(labeller, options.tolerance_ms)

    def run(self, folder: RunFolder) -> None:
        """
        Score every frame whose record is not in the folder yet, and remember the damage.

        :raises MediaError: a bag can no longer be read at all.
        :raises RunFolderError: the records that are there are damaged, or are not what the models
            find now.
        :raises EngineError: a network failed.
        :raises OSError: a record cannot be written.
        """
        done = sum(len(folder.recover(bag.name, camera.topic))
                   for bag in self.bags for camera in bag.cameras)

        def records_of(bag: DriveBag) -> dict[str, list[FrameRecord]]:
            return {camera.topic: folder.records(bag.name, camera.topic)
                    for camera in bag.cameras}

        bags = [bag for bag in self.bags if bag.cameras]
        with tqdm(total=sum(bag.images for bag in self.bags), desc='evaluating', unit='frame',
                  initial=done, disable=None) as progress, \
                closing(self.scoring.records(bags, records_of)) as records:
            for record in records:
                folder.append(record)
                progress.update()


class ScoringInTurn:
    """
    Scores bags in this process, one after the other.

    :param tolerance_ms: most milliseconds between the stamps of an image and its labels.
    """

    workers = 0

    def __init__(self, labeller: Labeller, tolerance_ms: float) -> None:
        self.labeller = labeller
        self._tolerance_ns = round(tolerance_ms * 1e6)
        second = labeller.second_space
        self._second_comparison = None if second is None else Comparison.between(
            labeller.label_space, second)

    def records(self, bags: Sequence[DriveBag], done: DoneRecords
                ) -> Generator[FrameRecord, None, None]:
        """See :meth:`Scoring.records`."""
        for bag in bags:
            yield from self._score(bag, done(bag))

    def _score(self, bag: DriveBag, done: dict[str, list[FrameRecord]]
               ) -> Generator[FrameRecord, None, None]:
        """Yield the records that are not done; then note in the bag what was wrong with it."""
        recording = Recording(bag.path)
        if (recording.begin_ns, recording.end_ns) != (bag.begin_ns, bag.end_ns):
            raise MediaError(f'{bag.path} is not the bag any more that it was when the run began, '
                             f'or is another one here')
        labels = TrueLabels(bag.path, bag.cameras, self._tolerance_ns)
        reader = FrameReader(recording, bag.cameras, labels, done, self.labeller.reductions)
        scorers = {
            camera.topic: Scorer(
                bag.name, camera.topic, self.labeller.label_space.classes,
                None if camera.truth is None else camera.truth.comparison,
                self._second_comparison)
            for camera in bag.cameras}
        with one_opencv_thread(), closing(self.labeller.label(reader.frames())) as results:
            for frame, found in results:
                record = scorers[frame.camera].score(frame.frame, found)
                if frame.recorded is None:
                    yield record
                else:
                    _require_same(frame.recorded, record)
        bag.damage, bag.unread = reader.damage, reader.unread
        bag.unmatched = labels.unmatched


def _opened(path: Path, name: str, choice: Choice, model: LabelSpace) -> DriveBag:
    """
    Return a bag with its cameras; one that is damaged all over has none, and says why.

    :raises MediaError: it is not there, or has not what was asked for.
    """
    if not path.exists():
        raise MediaError(f'{path} does not exist')
    try:
        recording = Recording(path)
    except MediaError as error:
        return DriveBag(name, path, damage=(str(error),))
    cameras, left_out = choose_cameras(recording, name, choice, model)
    images = sum(recording.topic(camera.topic).count for camera in cameras)
    return DriveBag(name, path, cameras, left_out, recording.begin_ns, recording.end_ns, images)


def _common(labelled: Sequence[DriveCamera]) -> Comparison | None:
    """
    Return how all cameras with labels are compared; None where there are none.

    :raises ValueError: not all of them in the same way.
    """
    comparisons = [camera.truth.comparison for camera in labelled if camera.truth]
    for camera, comparison in zip(labelled, comparisons, strict=True):
        if comparison.classes != comparisons[0].classes:
            raise ValueError(
                f'the labels of {labelled[0].bag} {labelled[0].topic} and those of {camera.bag} '
                f'{camera.topic} have different classes in common with the model; evaluate them '
                f'in runs of their own')
    return comparisons[0] if comparisons else None


def _require_same(recorded: FrameRecord, found: FrameRecord) -> None:
    """Refuse to go on with records that another model or another runtime would have made."""
    if (recorded.labels_digest, recorded.drivable_digest) != (
            found.labels_digest, found.drivable_digest):
        raise RunFolderError(
            f'{found.bag} {found.camera}: frame {found.index} has other labels now than in the '
            f'records that are there; --restart does all of them anew')
