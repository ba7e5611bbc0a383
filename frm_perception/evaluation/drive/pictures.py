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
"""Pictures of a run's frames, made after its figures so that nothing that is timed waits."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.evaluation.drive.evaluate_bags import DriveBag
from frm_perception.evaluation.drive.images import decode_message
from frm_perception.evaluation.drive.labeller import Labeller
from frm_perception.evaluation.drive.notable_frames import spread_frames
from frm_perception.evaluation.drive.notable_frames import worst_frames
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import write_image
from frm_perception.media.overlay import draw_overlay
from frm_perception.runtime.pixels import to_rgb

SMALL_WIDTH = 320
LARGE_WIDTH = 1280


def draw_pictures(bags: Sequence[DriveBag], labeller: Labeller, folder: RunFolder) -> None:
    """
    Draw what is not there yet: small pictures spread over the drive, large ones of worst frames.

    Bags that could not be finished have none: what ended other processes is not done in this one.

    :raises MediaError: a bag can no longer be read, or a picture not be written.
    :raises EngineError: the network failed.
    :raises OSError: a picture cannot be written.
    """
    missing = _missing(bags, folder)
    with tqdm(total=sum(map(len, missing.values())), desc='drawing', unit='frame',
              disable=None) as progress:
        for bag in filter(lambda bag: bag.finished, bags):
            cameras = [camera.topic for camera in bag.cameras
                       if any(frame[:2] == (bag.name, camera.topic) for frame in missing)]
            for message in Recording(bag.path).messages(cameras) if cameras else ():
                files = missing.get((bag.name, message.topic, message.index))
                if files:
                    overlay = _overlay(message, labeller)
                    for file, width in files:
                        write_image(file, _at_most(overlay, width))
                    progress.update()


def _missing(bags: Sequence[DriveBag], folder: RunFolder
             ) -> dict[tuple[str, str, int], list[tuple[Path, int]]]:
    """Return by bag, camera and index which pictures are to be made, and how wide."""
    wanted: dict[tuple[str, str, int], list[tuple[Path, int]]] = {}
    for frame, file, width in _pictures(bags, folder):
        if not file.exists():
            wanted.setdefault(frame, []).append((file, width))
    return wanted


def _pictures(bags: Sequence[DriveBag], folder: RunFolder
              ) -> Iterator[tuple[tuple[str, str, int], Path, int]]:
    every = []
    for bag in bags:
        for camera in bag.cameras:
            records = folder.records(bag.name, camera.topic)
            every += records
            for record in spread_frames(records):
                frame = record.bag, record.camera, record.index
                yield frame, folder.overlay_file(*frame), SMALL_WIDTH
    for worst in worst_frames(every):
        frame = worst.record.bag, worst.record.camera, worst.record.index
        yield frame, folder.worst_file(*frame), LARGE_WIDTH


def _overlay(message: RecordedMessage, labeller: Labeller) -> NDArray[np.uint8]:
    image = decode_message(message, labeller.reductions[0])
    found = labeller.show(message.topic, message.index, image)
    height, width = image.pixels.shape[:2]
    labels, drivable = (np.asarray(cv2.resize(pixels, (width, height),
                                              interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
                        for pixels in (found.labels, found.drivable))
    return draw_overlay(to_rgb(image.pixels, image.encoding), labels, labeller.label_space,
                        drivable)


def _at_most(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    if picture.shape[1] <= width:
        return picture
    height = max(round(picture.shape[0] * width / picture.shape[1]), 1)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
