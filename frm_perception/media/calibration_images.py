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
"""Images of bags for the calibration of 8-bit models: as different ones as there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from frm_perception.media.bag_reader import Recording
from frm_perception.media.extracted_folder import Place
from frm_perception.media.extracted_folder import extracting
from frm_perception.media.extracted_folder import read_images
from frm_perception.media.files import MediaError


def extract_calibration_images(bags: Sequence[Path], folder: Path, most: int,
                               topics: Sequence[str] = (), overwrite: bool = False) -> list[str]:
    """
    Write images that are evenly spread over all cameras of all bags, as PNG.

    :param most: so many, or all if there are fewer.
    :param topics: image topics; none takes all cameras, and of one that is there both raw and
        compressed the raw images.
    :param overwrite: replace a folder that was extracted before.
    :return: what could not be read, a text each.
    :raises MediaError: a bag cannot be opened or has no such topic, there are no images, or the
        folder is there already.
    """
    recordings = [Recording(bag) for bag in bags]
    chosen = _spread(recordings, most, topics)
    with extracting(folder, overwrite, purpose='calibration') as extracted, tqdm(
            total=sum(map(len, chosen)), desc='extracting', unit='image',
            disable=None) as progress:
        for number, (recording, places) in enumerate(zip(recordings, chosen)):
            bag = recording.path.stem if len(bags) == 1 else f'{number}-{recording.path.stem}'
            for message, image in read_images(recording, places, extracted.damage):
                name = extracted.name(bag, message.topic, message.index)
                extracted.add(Path(f'{name}.png'), image, recording.path, message)
                progress.update()
            extracted.damage += recording.damage
    return extracted.damage


def _spread(recordings: Sequence[Recording], most: int, topics: Sequence[str]
            ) -> list[list[Place]]:
    """Return for each bag the places of images that are evenly spread over all bags together."""
    cameras = [(number, topic, recording.topic(topic).count)
               for number, recording in enumerate(recordings)
               for topic in _topics(recording, topics)]
    every = [(number, (topic, index)) for number, topic, count in cameras
             for index in range(count)]
    step = max(len(every) / most, 1.0)
    chosen: list[list[Place]] = [[] for _ in recordings]
    for position in range(int(len(every) / step)):
        number, place = every[int((position + 0.5) * step)]
        chosen[number].append(place)
    return chosen


def _topics(recording: Recording, asked: Sequence[str]) -> list[str]:
    if asked:
        return [recording.topic(topic).name for topic in asked]
    cameras = sorted(recording.cameras, key=lambda camera: not camera.compressed)
    topics = {camera.images: camera.topic for camera in cameras}
    if not topics:
        raise MediaError(f'{recording.path} has no images of a camera; its topics are: '
                         f'{recording.list_topics()}')
    return list(topics.values())
