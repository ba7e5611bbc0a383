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
"""Small drives for a tiny model, as bags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from tiny_bundle import TINY

from frm_perception.media.bag_writer import CameraTopics
from frm_perception.media.bag_writer import writing_bag

BEGIN_NS, PERIOD_NS = 1_700_000_000 * 10**9, 10**8
SIZE = (96, 160)
FRONT = MappingProxyType({'/front': ''})


def damage(bag: Path) -> Path:
    """Overwrite the second half of a bag of sqlite3."""
    file, = bag.glob('*.db3')
    data = bytearray(file.read_bytes())
    data[len(data) // 2:] = bytes(len(data) - len(data) // 2)
    file.write_bytes(data)
    return bag


def picture(number: int) -> NDArray[np.uint8]:
    """Return an image in the tiny model's colours that no other number has, (96, 160, 3) uint8."""
    image = np.full((*SIZE, 3), TINY.palette[0], np.uint8)
    image[60 - number:] = TINY.palette[1]
    image[40:72, 8 * (number % 16):8 * (number % 16) + 24] = TINY.palette[3]
    return image


def labels(number: int) -> NDArray[np.uint8]:
    """Return the true labels of that image, (96, 160) uint8."""
    image = picture(number)
    found = np.zeros(SIZE, np.uint8)
    for index, color in enumerate(TINY.palette):
        found[(image == color).all(axis=2)] = index
    return found


def write_drive(bag: Path, frames: int = 8, storage: str = 'mcap', scale: int = 1,
                cameras: Mapping[str, str] = FRONT) -> Path:
    """
    Write a drive at 10 Hz, with true labels; images may be so much larger.

    :param cameras: name -> how its images are compressed, if they are.
    """
    topics = [CameraTopics(name, compression, None, TINY) for name, compression in cameras.items()]
    with writing_bag(bag, storage) as writer:
        for number in range(frames):
            image, truth = (pixels.repeat(scale, 0).repeat(scale, 1)
                            for pixels in (picture(number), labels(number)))
            for camera in topics:
                writer.write(camera, BEGIN_NS + number * PERIOD_NS, image, truth)
    return bag
