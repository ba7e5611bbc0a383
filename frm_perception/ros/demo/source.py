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
"""What the demo's camera sees: a rendered drive, a video or a bag, at a steady rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from frm_perception.media.files import MediaError
from frm_perception.media.frames import BagFrames
from frm_perception.media.frames import Frame
from frm_perception.media.frames import FrameSource
from frm_perception.media.frames import VideoFrames
from frm_perception.media.frames import at_rate
from frm_perception.scenes import RenderedDrive

_IMAGES = 'images.npy'
_LABELS = 'labels.npy'

DRIVE_PIXEL_BYTES = 4
"""What :func:`render_drive` writes for a pixel: its colour and its label."""


@dataclass(frozen=True)
class Source:
    """
    Frames to publish; iterating yields the same ones every time.

    :param kind: 'video', 'bag', or 'drive' for a rendered one.
    :param path: of the video or bag, or a folder that :func:`render_drive` filled.
    :param count: at most so many frames.
    :param rate: frames a second. Of a video or bag that has more, those are left out that a
        camera of this rate would not have taken.
    :param topic: image topic of a bag; '' for what has none.
    """

    kind: str
    path: Path
    count: int
    rate: float
    topic: str = ''

    def __iter__(self) -> Iterator[Frame]:
        frames = (_read_drive(self.path) if self.kind == 'drive'
                  else at_rate(_reader(self.kind, self.path, self.topic), self.rate))
        return islice(frames, self.count)

    def arguments(self) -> list[str]:
        """Return what :meth:`parse` turns back into this source."""
        return [self.kind, str(self.path), str(self.count), str(self.rate), self.topic]

    @classmethod
    def parse(cls, arguments: list[str]) -> Source:
        """Return the source that wrote these arguments."""
        kind, path, count, rate, topic = arguments
        return cls(kind, Path(path), int(count), float(rate), topic)


def open_recording(kind: str, path: Path, count: int, rate: float,
                   topic: str = '') -> tuple[Source, tuple[int, int]]:
    """
    Return the source that plays a 'video' or a 'bag', and (height, width) of its first frame.

    :param topic: image topic of a bag; '' takes the first one that can be read.
    :raises frm_perception.media.files.MediaError: it cannot be read.
    """
    if not path.exists():
        raise MediaError(f'{path} does not exist')
    frames = _reader(kind, path, topic)
    first = next(iter(frames), None)
    if first is None:
        raise MediaError(f'{path} holds no frame')
    expected = math.ceil(len(frames) * min(rate / frames.rate, 1.0))
    source = Source(kind, path, min(count, max(expected, 1)), rate,
                    frames.topic if isinstance(frames, BagFrames) else '')
    return source, (first.image.shape[0], first.image.shape[1])


def _reader(kind: str, path: Path, topic: str) -> FrameSource:
    return BagFrames(path, topic) if kind == 'bag' else VideoFrames(path)


def render_drive(folder: Path, seed: int, size: tuple[int, int], count: int,
                 rate: float) -> Source:
    """
    Render a drive into files beforehand, so that rendering takes no time from the segmenter.

    :param size: (height, width) in pixels.
    """
    height, width = size
    drive = RenderedDrive(seed, height, width, count, rate)
    images = np.lib.format.open_memmap(
        folder / _IMAGES, 'w+', np.uint8, (count, height, width, 3))
    labels = np.lib.format.open_memmap(folder / _LABELS, 'w+', np.uint8, (count, height, width))
    for index in tqdm(range(count), desc='rendering the drive', unit='frame'):
        scene = drive[index]
        images[index] = scene.image
        labels[index] = scene.labels
    return Source('drive', folder, count, rate)


def _read_drive(folder: Path) -> Iterator[Frame]:
    images = np.load(folder / _IMAGES, mmap_mode='r')
    labels = np.load(folder / _LABELS, mmap_mode='r')
    for index, (image, label) in enumerate(zip(images, labels)):
        yield Frame(np.asarray(image), np.asarray(label), 0, f'frame {index}')
