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
"""Bags out of images, videos and rendered drives."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.labels import CAMVID
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.media.bag_storage import is_bag
from frm_perception.media.bag_writer import CameraTopics
from frm_perception.media.bag_writer import writing_bag
from frm_perception.media.camera_model import CameraModel
from frm_perception.media.files import MediaError
from frm_perception.media.frames import DEFAULT_RATE
from frm_perception.media.frames import Frame
from frm_perception.media.frames import VideoFrames
from frm_perception.media.frames import at_rate
from frm_perception.media.frames import read_frames
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.scenes import RenderedDrive

BEGIN_NS = 10**9
"""Stamp of a bag's first image; 0 would mean that it has none."""


@dataclass(frozen=True)
class Footage:
    """
    What becomes a bag.

    :param frames: their stamps begin at 0.
    :param count: how many there are, as far as that is known.
    :param space: what their labels mean; None where they have none.
    :param focal: focal length of the camera in pixels; 0.0 where it is not known.
    """

    frames: Iterable[Frame]
    count: int
    space: LabelSpace | None = None
    focal: float = 0.0


def unlabelled(source: Path, rate: float | None) -> Footage:
    """
    Return an image, a folder of images or a video as it is.

    :param rate: frames a second. Images are that far apart, :data:`.frames.DEFAULT_RATE` where
        it is None; of a video, those are taken that a camera of this rate would have seen.
    :raises MediaError: it is none of these, or cannot be read.
    """
    if is_bag(source):
        raise MediaError(f'{source} is a bag already')
    frames = read_frames(source)
    if not isinstance(frames, VideoFrames):
        return Footage(_paced(frames, rate), len(frames))
    if rate is None:
        return Footage(frames, len(frames))
    return Footage(at_rate(frames, rate), round(len(frames) * min(rate / frames.rate, 1.0)))


def labelled(images: Sequence[LabelledImage], space: LabelSpace, rate: float | None) -> Footage:
    """
    Return images with labels; ids that stand for nothing become 255.

    :param space: what the ids mean.
    :param rate: frames a second, :data:`.frames.DEFAULT_RATE` where it is None.
    """
    return Footage(_paced(_read_labelled(images, space), rate), len(images), space)


def rendered(seed: int, size: tuple[int, int], count: int, rate: float | None) -> Footage:
    """
    Return a rendered drive with its labels and its camera.

    :param size: (height, width) in pixels.
    :param rate: frames a second, :data:`.frames.DEFAULT_RATE` where it is None.
    :raises ValueError: a value that the renderer cannot have.
    """
    drive = RenderedDrive(seed, *size, count, rate or DEFAULT_RATE)
    return Footage(_paced(_render(drive), rate), count, CAMVID, drive.camera(0.0).focal)


def _paced(frames: Iterable[Frame], rate: float | None) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        yield replace(frame, stamp_ns=round(index * 1e9 / (rate or DEFAULT_RATE)))


def _read_labelled(images: Sequence[LabelledImage], space: LabelSpace) -> Iterator[Frame]:
    table = np.arange(256, dtype=np.uint8)
    table[list(space.ignore)] = IGNORE
    for item in images:
        image, labels = item.read()
        yield Frame(image, table[labels], 0, str(item.image))


def _render(drive: RenderedDrive) -> Iterator[Frame]:
    for index in range(len(drive)):
        scene = drive[index]
        yield Frame(scene.image, scene.labels, 0, f'frame {index}')


@dataclass(frozen=True)
class BagOptions:
    """
    How footage becomes a bag.

    :param storage: one of :data:`.bag_writer.STORAGES`.
    :param camera: name of the camera.
    :param compression: '' or one of :data:`.bag_writer.COMPRESSIONS`.
    :param model: of the camera; None takes what is known of the footage, or `view`.
    :param view: the camera's horizontal field of view in degrees, if it is known.
    :param most: frames at most; None takes all.
    :param overwrite: replace a bag that is there.
    """

    storage: str = 'mcap'
    camera: str = 'camera'
    compression: str = ''
    model: CameraModel | None = None
    view: float | None = None
    most: int | None = None
    overwrite: bool = False


def make_bag(bag: Path, footage: Footage, options: BagOptions) -> CameraTopics:
    """
    Write a bag, or nothing; a progress bar shows how far it is.

    :return: what the camera in it has.
    :raises MediaError: the bag is there already, a frame cannot be read, or there is none; or the
        images are not of the size that the camera's model is of.
    """
    camera = None
    count = footage.count if options.most is None else min(footage.count, options.most)
    with writing_bag(bag, options.storage, options.overwrite) as writer:
        for frame in tqdm(islice(footage.frames, options.most), 'writing', total=count,
                          unit='frame', disable=None):
            if camera is None:
                camera = CameraTopics(
                    options.camera, options.compression,
                    options.model or _model(frame.image, footage.focal, options.view),
                    footage.space)
            writer.write(camera, BEGIN_NS + frame.stamp_ns, frame.image, frame.labels)
        if camera is None:
            raise MediaError('there is no frame to write')
    return camera


def _model(image: NDArray[np.uint8], focal: float, view: float | None) -> CameraModel | None:
    height, width = image.shape[:2]
    if view is not None:
        return CameraModel.of_view(height, width, view)
    return CameraModel.pinhole(height, width, focal) if focal else None
