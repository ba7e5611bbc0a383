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
"""The frames of a bag that are to be scored, decoded one after the other."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from frm_perception.evaluation.drive.drive_camera import DriveCamera
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.images import DecodedImage
from frm_perception.evaluation.drive.images import Reduction
from frm_perception.evaluation.drive.images import decode_message
from frm_perception.evaluation.drive.scorer import MEMORY
from frm_perception.evaluation.drive.scorer import DriveFrame
from frm_perception.evaluation.drive.stability import small_grey
from frm_perception.evaluation.drive.true_labels import TrueLabels
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording


@dataclass(frozen=True)
class FrameImage:
    """
    A frame, decoded for each of the models.

    :param camera: topic of the image.
    :param images: one for each model.
    :param decode_ms: milliseconds that decoding for the first model took.
    :param recorded: its record where it is there already, and only what scorers remember is not.
    """

    camera: str
    frame: DriveFrame
    images: tuple[DecodedImage, ...]
    decode_ms: float
    recorded: FrameRecord | None


class FrameReader:
    """
    Reads the images of a bag's cameras, and leaves out what is there already.

    The damage that it meets is the same whether or not an earlier run got some of the way.

    :param recording: the bag.
    :param labels: the true labels of the same bag.
    :param done: by camera, the records that are there.
    :param reductions: one for each model.
    """

    def __init__(self, recording: Recording, cameras: Collection[DriveCamera], labels: TrueLabels,
                 done: Mapping[str, Sequence[FrameRecord]], reductions: Sequence[Reduction]
                 ) -> None:
        self._recording = recording
        self._cameras = cameras
        self._labels = labels
        self._done = {camera: {record.index: record for record in records}
                      for camera, records in done.items()}
        self._remembered = {camera: {record.index for record in records[-MEMORY:]}
                            for camera, records in done.items()}
        self._reductions = reductions
        self._problems: dict[str, tuple[int, str]] = {}

    def frames(self) -> Generator[FrameImage, None, None]:
        """Yield the frames in the order of recording; those without a whole image are counted."""
        try:
            for message in self._recording.messages([camera.topic for camera in self._cameras]):
                recorded = self._done[message.topic].get(message.index)
                if recorded is None or message.index in self._remembered[message.topic]:
                    frame = self._decoded(message, recorded)
                    if frame is not None:
                        yield frame
                elif recorded.drivable_confusion is None:
                    # Labels that it should have had are damaged, which is to be said again.
                    self._labels.of(message.topic, message.index,
                                    (recorded.height, recorded.width))
                else:
                    self._labels.skip(message.topic, message.index)
        finally:
            self._labels.stop()

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read, a text each; all of it when :meth:`frames` has ended."""
        return tuple(dict.fromkeys([
            *self._recording.damage,
            *(f'{count} images of {camera} cannot be decoded, such as {example}'
              for camera, (count, example) in sorted(self._problems.items())),
            *self._labels.damage]))

    @property
    def unread(self) -> int:
        """How many images are missing or cannot be decoded, so far as :attr:`damage` goes."""
        missing = self._recording.unread
        return (sum(missing.get(camera.topic, 0) for camera in self._cameras)
                + sum(count for count, _ in self._problems.values()))

    def _decoded(self, message: RecordedMessage, recorded: FrameRecord | None
                 ) -> FrameImage | None:
        begin = perf_counter()
        try:
            images = [decode_message(message, self._reductions[0])]
            decode_ms = (perf_counter() - begin) * 1e3
            images += [decode_message(message, other) for other in self._reductions[1:]]
        except ValueError as error:
            count, example = self._problems.get(
                message.topic, (0, f'message {message.index}: {error}'))
            self._problems[message.topic] = count + 1, example
            return None
        frame = DriveFrame(
            message.index, message.stamp_ns, message.recorded_ns,
            small_grey(images[0].pixels, images[0].encoding),
            self._labels.of(message.topic, message.index, images[0].size))
        return FrameImage(message.topic, frame, tuple(images), decode_ms, recorded)
