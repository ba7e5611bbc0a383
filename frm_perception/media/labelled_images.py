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
"""Images and their labels as they lie on disk."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.media.label_png import LabelFileError
from frm_perception.media.label_png import decode_ids

Image = NDArray[np.uint8]


class DataError(ValueError):
    """Labelled images that are missing, unreadable or labelled with ids that do not exist."""


@dataclass(frozen=True)
class LabelledImage:
    """Files of one image and its labels."""

    image: Path
    labels: Path

    @property
    def sequence(self) -> str:
        """
        The drive that the image is of.

        What stands before the first underscore of its name, as in CamVid, whose drives have
        numbers, and in Cityscapes, by cities; without underscores the folder it is in, which in
        BDD100K is the split.
        """
        name, underscore, _ = self.image.name.partition('_')
        return name if underscore else self.image.parent.name

    def read(self) -> tuple[Image, Image]:
        """
        Return (H, W, 3) uint8 RGB and (H, W) uint8 class ids.

        :raises DataError: unreadable, or the two differ in size.
        """
        image = cv2.imread(str(self.image), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f'{self.image}: not a readable image')
        try:
            labels = decode_ids(self.labels.read_bytes())
        except (OSError, LabelFileError) as error:
            raise DataError(f'{self.labels}: {error}') from error
        if labels.shape != image.shape[:2]:
            raise DataError(f'{self.labels}: ids of the size of {self.image} {image.shape[:2]} '
                            f'are needed, not {labels.shape}')
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8), labels


def with_labels(images: Iterable[Path], labels: Path) -> list[LabelledImage]:
    """Pair images with the PNGs of the same names in a folder, ``.png`` before ``.PNG``."""
    by_name = {file.stem: file for file in sorted(labels.iterdir())
               if file.suffix.lower() == '.png'}
    return [LabelledImage(file, by_name.get(file.stem, labels / f'{file.stem}.png'))
            for file in images]


@dataclass(frozen=True)
class LabelledSet:
    """
    Images that belong together.

    :param name: what messages and progress bars call them.
    :param known: (256,) bool, the ids that their labels may hold; ``meaning`` names what says so.
    :param wanted: (256,) bool, the ids of which one at least must occur in some of the labels:
        all others tell nothing.
    :param unlabelled: image files whose labels are not made yet.
    """

    name: str
    images: Sequence[LabelledImage]
    known: NDArray[np.bool_]
    meaning: str
    wanted: NDArray[np.bool_]
    unlabelled: Sequence[Path] = ()

    def image_files(self) -> list[Path]:
        """Return all images, labelled or not."""
        return [*(item.image for item in self.images), *self.unlabelled]
