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
"""Folders of images and of their labels, checked before anything is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.media.files import MediaError
from frm_perception.media.frames import list_images
from frm_perception.media.frames import read_image

_LISTED = 20
"""Problems that a message names; it counts the others."""


@dataclass(frozen=True)
class LabelledImage:
    """Files of one image and its labels."""

    image: Path
    labels: Path

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """
        Return (H, W, 3) uint8 RGB and (H, W) uint8 ids.

        :raises MediaError: one cannot be read, is no 8-bit index image, or they differ in size.
        """
        if not self.labels.is_file():
            raise MediaError(f'{self.image.name} has no labels: there is no {self.labels}')
        image, labels = read_image(self.image), _read_labels(self.labels)
        if labels.shape != image.shape[:2]:
            raise MediaError(f'{self.labels} has {_size(labels)} pixels, but {self.image} has '
                             f'{_size(image)} (height x width)')
        return image, labels


def labelled_images(images: Path, labels: Path, known: NDArray[np.bool_]) -> list[LabelledImage]:
    """
    Return every image of a folder with its labels: the PNG of the same name in another folder.

    All are read once, so that whatever is wrong with any of them is said now.

    :param known: (256,) the ids that the labels may hold.
    :raises MediaError: no images, labels missing, files that cannot be read or differ in size,
        ids that are not known; all counted, the first ones named.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise MediaError(f'{folder} is not a folder')
    files = list_images(images)
    first: dict[str, Path] = {}
    found, problems = [], []
    for file in tqdm(files, 'checking', unit='image', disable=None):
        if first.setdefault(file.stem, file) != file:
            problems.append(f'{first[file.stem].name} and {file.name} in {images} would share '
                            f'their labels')
            continue
        item = LabelledImage(file, labels / f'{file.stem}.png')
        try:
            _, ids = item.read()
        except MediaError as error:
            problems.append(str(error))
            continue
        unknown = np.flatnonzero(np.bincount(ids.ravel(), minlength=256).astype(bool) & ~known)
        if unknown.size:
            problems.append(f'{item.labels} has ids that the label space does not have: '
                            f'{", ".join(map(str, unknown))}')
        found.append(item)
    if problems:
        more = [f'and {len(problems) - _LISTED} more'] if len(problems) > _LISTED else []
        raise MediaError('\n  '.join([f'{len(problems)} of {len(files)} images cannot be used:',
                                      *problems[:_LISTED], *more]))
    return found


def _read_labels(file: Path) -> NDArray[np.uint8]:
    try:
        labels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as error:  # an empty file too
        raise MediaError(f'cannot read {file}: not an image, or damaged') from error
    if labels is None:
        raise MediaError(f'cannot read {file}: not an image, or damaged')
    if labels.ndim != 2 or labels.dtype != np.uint8:
        channels = 1 if labels.ndim == 2 else labels.shape[2]
        raise MediaError(f'{file} holds no class ids: one channel of 8 bits is needed, this has '
                         f'{channels} of {labels.dtype.itemsize * 8} (a PNG with a palette is '
                         f'read as colours; save its indices instead)')
    return np.asarray(labels, np.uint8)


def _size(image: NDArray[np.uint8]) -> str:
    return f'{image.shape[0]}x{image.shape[1]}'
