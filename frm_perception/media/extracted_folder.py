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
"""Folders of images that were taken out of bags, each with a note of where it comes from."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import MediaError
from frm_perception.media.files import replacing_folder
from frm_perception.media.files import write_image
from frm_perception.media.files import write_json
from frm_perception.media.frames import message_image

ORIGIN = 'origin.json'

Place = tuple[str, int]
"""Topic and number of a message in its bag."""


class ExtractedFolder:
    """
    A folder that is being filled.

    :param path: of the folder while it is.
    :param damage: why images are missing, a text each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        self.images: list[dict[str, Any]] = []
        self._names: dict[tuple[str, str], str] = {}

    def name(self, bag: str, topic: str, index: int) -> str:
        """
        Return a name for the files of an image, no two alike, without their suffix.

        Training tells drives apart by what comes before the first underscore, which is the bag
        and the camera.
        """
        if (bag, topic) not in self._names:
            base = name = re.sub('[^A-Za-z0-9.]+', '-', f'{bag}{topic}').strip('-')
            number = 2
            while name in self._names.values():
                name = f'{base}-{number}'
                number += 1
            self._names[bag, topic] = name
        return f'{self._names[bag, topic]}_{index:06}'

    def add(self, file: Path, image: NDArray[np.uint8], bag: Path, message: RecordedMessage,
            **facts: object) -> None:
        """
        Write an image, and note where it comes from.

        :param file: relative to the folder.
        :param facts: what else to note of it.
        """
        write_image(self.path / file, image)
        self.images.append({
            'image': file.as_posix(), 'bag': str(bag), 'topic': message.topic,
            'index': message.index, 'stamp_ns': message.stamp_ns, **facts})


@contextmanager
def extracting(folder: Path, overwrite: bool, **facts: object) -> Iterator[ExtractedFolder]:
    """
    Give a folder to fill, which is there at the end of the block or, after an error, not at all.

    :param overwrite: replace a folder that was extracted before.
    :param facts: how its images were chosen, for :data:`ORIGIN`.
    :raises MediaError: something is there already, or no image was added.
    """
    if folder.exists():
        if not (folder / ORIGIN).is_file():
            raise MediaError(f'{folder} is there already, and was not extracted from bags: choose '
                             f'another name')
        if not overwrite:
            raise MediaError(f'{folder} is there already: choose another name, or --overwrite it')
    with replacing_folder(folder) as path:
        extracted = ExtractedFolder(path)
        yield extracted
        if not extracted.images:
            raise MediaError('; '.join(['there is no image to extract', *extracted.damage]))
        write_json(path / ORIGIN, {**facts, 'images': extracted.images})


def read_images(recording: Recording, places: Collection[Place], damage: list[str]
                ) -> Iterator[tuple[RecordedMessage, NDArray[np.uint8]]]:
    """
    Yield some images of a bag at full size, in the order of recording.

    :param damage: takes up which of them cannot be read.
    :return: the message and its (H, W, 3) uint8 RGB.
    """
    missing = set(places)
    if not missing:
        return
    for message in recording.messages({topic for topic, _ in places}):
        place = message.topic, message.index
        if place not in missing:
            continue
        missing.remove(place)
        try:
            image = message_image(message, f'{recording.path} {place[0]} message {place[1]}')
        except MediaError as error:
            damage.append(str(error))
            continue
        yield message, image
        if not missing:
            return
    damage.append(f'{len(missing)} images of {recording.path} cannot be read any more')
