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
"""Where training images and their labels come from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.scenes import RenderedDrive
from frm_perception.training.augmentation import Augmentation
from frm_perception.training.config import FolderData
from frm_perception.training.config import FootageData
from frm_perception.training.config import RenderedData
from frm_perception.training.config import TrainingConfig
from frm_perception.training.teachers import CityscapesTeacher
from frm_perception.training.teachers import RoadTeacher
from frm_perception.training.teachers import agreed_labels

Image = NDArray[np.uint8]


class DataError(ValueError):
    """Training data that is missing, unreadable or labelled with ids that do not exist."""


@dataclass(frozen=True)
class LabelledImage:
    """Files of one training image and its labels."""

    image: Path
    labels: Path

    def read(self) -> tuple[Image, Image]:
        """
        Return (H, W, 3) uint8 RGB and (H, W) uint8 class ids.

        :raises DataError: unreadable, or the two differ in size.
        """
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        labels = cv2.imread(str(self.labels), cv2.IMREAD_UNCHANGED)
        for content, file in ((image, self.image), (labels, self.labels)):
            if content is None:
                raise DataError(f'{file}: not a readable image')
        if labels.ndim != 2 or labels.dtype != np.uint8 or labels.shape != image.shape[:2]:
            raise DataError(f'{self.labels}: 8-bit class ids of the size of {self.image} '
                            f'{image.shape[:2]} are needed, not {labels.dtype} {labels.shape}')
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8), labels.astype(np.uint8)


def folder_images(data: FolderData, space: LabelSpace) -> list[LabelledImage]:
    """
    List the labelled images of a folder, after reading every one of them once.

    Ids that the label space does not have are refused, except CamVid's void (its class count).

    :raises DataError: nothing there, labels missing, unreadable images or wrong ids, all named.
    """
    images = Path(data.images)
    files = [file for file in sorted(images.glob('*'))
             if _wanted(file.name.split('_')[0], data)]
    if not files:
        raise DataError(f'{images}: no images there of the sequences that are asked for')
    found = [LabelledImage(file, Path(data.labels) / f'{file.stem}.png') for file in files]
    problems = []
    for item in found:
        try:
            _, labels = item.read()
        except DataError as error:
            problems.append(str(error))
            continue
        ids = np.unique(labels)
        wrong = ids[(ids > len(space.classes)) & (ids != IGNORE)]
        if len(wrong):
            problems.append(f'{item.labels}: ids {wrong.tolist()} are not in {space.name!r}')
    if problems:
        listed = '\n  '.join(problems[:20])
        raise DataError(f'{len(problems)} of {len(found)} images cannot be used:\n  {listed}')
    return found


def _wanted(sequence: str, data: FolderData) -> bool:
    chosen = not data.sequences or sequence in data.sequences
    return chosen and sequence not in data.without


def rendered_images(data: RenderedData, cache: Path) -> list[LabelledImage]:
    """Render the drives once into ``cache`` and list their frames; resumes where it stopped."""
    folder = _cache_folder(cache, 'rendered', repr(sorted(asdict(data).items())))
    jobs = [(seed, index) for seed in range(data.first_seed, data.first_seed + data.drives)
            for index in range(data.frames)]
    found = []
    spread = 15
    drive: tuple[int, RenderedDrive] | None = None
    for seed, index in tqdm(jobs, 'rendering', unit='frame'):
        item = LabelledImage(folder / f'{seed}_{index:03}.jpg', folder / f'{seed}_{index:03}.png')
        found.append(item)
        if item.labels.exists():
            continue
        if drive is None or drive[0] != seed:
            drive = seed, RenderedDrive(seed, data.height, data.width, data.frames * spread)
        scene = drive[1][index * spread]
        _write(item, scene.image, scene.labels)
    return found


def footage_images(data: FootageData, cache: Path) -> list[LabelledImage]:
    """Label the frames of a video once into ``cache`` and list them."""
    folder = _cache_folder(cache, 'footage', repr(sorted(asdict(data).items())))
    video = cv2.VideoCapture(data.video)
    if not video.isOpened():
        raise DataError(f'{data.video}: not a readable video')
    teachers = (CityscapesTeacher(Path(data.cityscapes_teacher)),
                RoadTeacher(Path(data.road_teacher)))
    found = []
    frames = tqdm(_frames(video), 'labelling footage', unit='frame',
                  total=int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
    for index, frame in enumerate(frames):
        item = LabelledImage(folder / f'{index:06}.jpg', folder / f'{index:06}.png')
        found.append(item)
        if not item.labels.exists():
            _write(item, frame, agreed_labels(frame, *teachers))
    return found


def _frames(video: cv2.VideoCapture) -> Iterator[Image]:
    while True:
        read, frame = video.read()
        if not read:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)


def _cache_folder(cache: Path, kind: str, key: str) -> Path:
    folder = cache / f'{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}'
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(item: LabelledImage, image: Image, labels: Image) -> None:
    """Write the labels last and atomically: a frame with labels is complete."""
    cv2.imwrite(str(item.image), cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                [cv2.IMWRITE_JPEG_QUALITY, 92])
    partial = item.labels.with_suffix('.partial.png')
    cv2.imwrite(str(partial), labels)
    os.replace(partial, item.labels)


def collect(config: TrainingConfig, space: LabelSpace, cache: Path
            ) -> list[tuple[float, list[LabelledImage]]]:
    """
    Prepare every source of a configuration: its weight and its images.

    :raises DataError: see :func:`folder_images` and :func:`footage_images`.
    """
    if shutil.disk_usage(cache).free < 2 << 30:
        raise DataError(f'{cache}: less than 2 GiB free for rendered scenes and checkpoints')
    sources = [(data.weight, folder_images(data, space)) for data in config.folders]
    sources += [(data.weight, footage_images(data, cache)) for data in config.footage]
    sources += [(data.weight, rendered_images(data, cache)) for data in config.rendered]
    return sources


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """
    An endless, numbered row of augmented samples.

    Sample n depends on the seed and n alone, whatever was drawn before it: a run that is resumed
    at n sees exactly what it would have seen.
    """

    def __init__(self, sources: Sequence[tuple[float, list[LabelledImage]]],
                 augmentation: Augmentation, classes: int, seed: int) -> None:
        weights = np.array([weight for weight, _ in sources])
        self._probabilities = weights / weights.sum()
        self._sources = [images for _, images in sources]
        self._augmentation = augmentation
        self._classes = classes
        self._seed = seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (3, h, w) uint8 RGB and (h, w) int64 class ids of sample ``index``."""
        random = np.random.default_rng((self._seed, index))
        source = self._sources[random.choice(len(self._sources), p=self._probabilities)]
        image, labels = source[random.integers(len(source))].read()
        labels[labels >= self._classes] = IGNORE
        image, labels = self._augmentation(image, labels, random)
        return (torch.from_numpy(image).permute(2, 0, 1),
                torch.from_numpy(labels.astype(np.int64)))
