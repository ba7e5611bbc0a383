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
"""The true labels of a bag, each for the image that was taken at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.drive.drive_camera import DriveCamera
from frm_perception.evaluation.drive.stamps import match_stamps
from frm_perception.evaluation.metrics import count_values
from frm_perception.media.bag_reader import COMPRESSED_IMAGE
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.runtime.pictures import read_header
from frm_perception.runtime.pixels import image_view

_ENCODINGS = ('mono8', '8UC1')


@dataclass(frozen=True)
class Unmatched:
    """
    What has no partner within the tolerance, of the cameras with labels.

    :param images: so many images have no labels.
    :param labels: so many labels have no image.
    """

    images: int = 0
    labels: int = 0


class TrueLabels:
    """
    Labels by the number of their image; images are asked for in the order of the bag.

    The bag is read once for the stamps, and then again along with the images.

    :param bag: the bag.
    :param cameras: those without labels are of no concern.
    :param tolerance_ns: see :func:`.stamps.match_stamps`.
    """

    def __init__(self, bag: Path, cameras: Collection[DriveCamera], tolerance_ns: int) -> None:
        self._known_ids = {camera.topic: camera.truth.known_ids for camera in cameras
                           if camera.truth}
        self._topics = {camera.topic: camera.labels for camera in cameras if camera.truth}
        self._problems: dict[str, tuple[int, str]] = {}
        self.unmatched = Unmatched()
        self._unread: tuple[str, ...] = ()
        self._labels: dict[str, dict[int, int]] = {}
        self._messages: Iterator[RecordedMessage] = iter(())
        self._waiting: dict[tuple[str, int], RecordedMessage] = {}
        self._next: Counter[str] = Counter()  # images before it are asked for no more
        if not self._topics:
            return
        stamped = Recording(bag)
        self._match(stamped, tolerance_ns)
        self._unread = stamped.damage
        self._wanted: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for camera, labels in self._topics.items():
            for image, number in self._labels[camera].items():
                self._wanted.setdefault((labels, number), []).append((camera, image))
        self._messages = Recording(bag).messages(set(self._topics.values()))

    def of(self, camera: str, index: int, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """
        Return the labels of an image; None if it has none that can be used.

        :param camera: topic of the image.
        :param index: number of the image.
        :param size: its (height, width).
        """
        self._next[camera] = index
        if index not in self._labels.get(camera, ()):
            return None
        message = self._message(camera, index)
        if message is None:
            self._note(camera, f'those of image {index} cannot be read')
            return None
        try:
            return _usable(_pixels(message), size, self._known_ids[camera])
        except ValueError as error:
            self._note(camera, f'those of image {index}: {error}')
            return None

    def skip(self, camera: str, index: int) -> None:
        """Go past an image whose labels are not needed, so that they are not kept for it."""
        self._next[camera] = index + 1

    def stop(self) -> None:
        """Read no more; SQLite wants that said by the thread that read."""
        self._messages = iter(())

    @property
    def damage(self) -> tuple[str, ...]:
        """What of the bag could not be read, and what was wrong with labels so far."""
        return self._unread + tuple(f'{count} labels of {camera} are left out, such as {example}'
                                    for camera, (count, example) in sorted(self._problems.items()))

    def _match(self, recording: Recording, tolerance_ns: int) -> None:
        topics = {*self._topics, *self._topics.values()}
        stamps: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for message in recording.messages(topics):
            stamps[message.topic][message.index] = message.stamp_ns
        missing: Counter[str] = Counter()
        for camera, labels in self._topics.items():
            found = match_stamps(stamps[camera], stamps[labels], tolerance_ns)
            self._labels[camera] = found
            missing['images'] += len(stamps[camera]) - len(found)
            missing['labels'] += len(stamps[labels]) - len(found)
        self.unmatched = Unmatched(**missing)

    def _message(self, camera: str, index: int) -> RecordedMessage | None:
        """Return the message with the labels of an image; None if it is not there any more."""
        # Of images that were skipped, or could not be read.
        for place in [place for place in self._waiting if place[1] < self._next[place[0]]]:
            del self._waiting[place]
        while (camera, index) not in self._waiting:
            message = next(self._messages, None)
            if message is None:
                return None
            for place in self._wanted.get((message.topic, message.index), ()):
                if place[1] >= self._next[place[0]]:
                    self._waiting[place] = message
        return self._waiting.pop((camera, index))

    def _note(self, camera: str, text: str) -> None:
        count, example = self._problems.get(camera, (0, text))
        self._problems[camera] = count + 1, example


def _pixels(message: RecordedMessage) -> NDArray[np.uint8]:
    """
    Return the pixels of a label message.

    :raises ValueError: it holds no image of one byte a pixel.
    """
    fields = message.fields
    if message.type == COMPRESSED_IMAGE:
        if read_header(memoryview(fields.data)).reducible:
            raise ValueError('JPEG does not keep class ids; PNG does')
        image = cv2.imdecode(np.asarray(fields.data), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError('OpenCV cannot decode them')
        if image.dtype != np.uint8 or image.ndim != 2:
            raise ValueError(f'{image.dtype} {image.shape} is not one byte a pixel')
        return np.asarray(image, np.uint8)
    if fields.encoding not in _ENCODINGS:
        raise ValueError(f'encoding {fields.encoding!r} is none of {", ".join(_ENCODINGS)}')
    return image_view(fields.data, fields.height, fields.width, fields.step, 'mono8')


def _usable(labels: NDArray[np.uint8], size: tuple[int, int], known: NDArray[np.bool_]
            ) -> NDArray[np.uint8]:
    """
    Return labels that fit the image and mean something.

    :raises ValueError: another size, or an id that the label space does not have.
    """
    if labels.shape != size:
        raise ValueError(f'they have {labels.shape[1]}x{labels.shape[0]} pixels, the image '
                         f'{size[1]}x{size[0]}')
    unknown = np.flatnonzero((count_values(labels) > 0) & ~known)
    if unknown.size:
        raise ValueError(f'id {unknown[0]} is not in the label space')
    return labels
