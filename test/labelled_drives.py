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
"""Small drives with true labels for tests: painted in the colours that the tiny model knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from recorded_bags import BEGIN_NS
from recorded_bags import PERIOD_NS
from recorded_bags import header
from recorded_bags import image_message
from recorded_bags import message
from recorded_bags import write_bag
from tiny_bundle import TINY

from frm_perception.media.legend import legend_text

SKY, ROAD, TREE, CAR = range(4)
SIZE = (96, 160)


def scene(number: int) -> NDArray[np.uint8]:
    """Return the true labels of a frame: a road among trees, and a car that moves on it."""
    labels = np.full(SIZE, SKY, np.uint8)
    labels[40:] = TREE
    labels[48:, 40:120] = ROAD
    labels[56:72, 44 + 2 * number:60 + 2 * number] = CAR
    return labels


def painted(labels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return an image of which the tiny model finds these labels, with noise of its own."""
    noise = np.random.default_rng(number).integers(-20, 21, (*labels.shape, 3))
    return (np.array(TINY.palette)[labels] + noise).clip(0, 255).astype(np.uint8)


def stamp(number: int) -> int:
    """Return when a frame was taken and recorded, in nanoseconds."""
    return BEGIN_NS + PERIOD_NS * number


def raw(camera: str, number: int, pixels: NDArray[np.uint8]) -> tuple[str, int, Any]:
    """Return a raw image for :func:`write_bag`."""
    return f'{camera}/image_raw', stamp(number), image_message(stamp(number), pixels)


def compressed(camera: str, number: int, pixels: NDArray[np.uint8], suffix: str = '.jpg'
               ) -> tuple[str, int, Any]:
    """Return a compressed image for :func:`write_bag`."""
    data = cv2.imencode(suffix, pixels[:, :, ::-1])[1].ravel()
    return f'{camera}/image_raw/compressed', stamp(number), message(
        'sensor_msgs/msg/CompressedImage', header=header(stamp(number)), format=suffix[1:],
        data=data)


def truth(camera: str, number: int, labels: NDArray[np.uint8], late_ns: int = 0
          ) -> tuple[str, int, Any]:
    """Return true labels for :func:`write_bag`."""
    return f'{camera}/ground_truth/label', stamp(number), image_message(
        stamp(number) + late_ns, labels, 'mono8')


def legend(camera: str) -> tuple[str, int, Any]:
    """Return what they mean for :func:`write_bag`."""
    return f'{camera}/ground_truth/legend', stamp(0), message(
        'std_msgs/msg/String', data=legend_text(TINY))


def labelled(camera: str, count: int) -> list[tuple[str, int, Any]]:
    """Return frames of a camera with their labels, and the legend."""
    messages = [legend(camera)]
    for number in range(count):
        messages += [raw(camera, number, painted(scene(number), number)),
                     truth(camera, number, scene(number))]
    return messages


def unlabelled(camera: str, count: int) -> list[tuple[str, int, Any]]:
    """Return compressed frames of a camera."""
    return [compressed(camera, number, painted(scene(number), number)) for number in range(count)]


def write_drive(bag: Path, *cameras: list[tuple[str, int, Any]], storage: str = 'mcap') -> Path:
    """Write what several cameras recorded at the same time into a bag."""
    messages = sorted((item for camera in cameras for item in camera), key=lambda item: item[1])
    return write_bag(bag, messages, storage)
