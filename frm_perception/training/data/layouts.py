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
"""Where the files of a labelled data set lie, and what the ids in its labels mean."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import BDD100K
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import LabelSpace
from frm_perception.labels import generated_palette
from frm_perception.media.frames import IMAGE_SUFFIXES
from frm_perception.media.labelled_images import DataError
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.media.labelled_images import LabelledSet
from frm_perception.media.labelled_images import with_labels
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training.config import BDD100KData
from frm_perception.training.config import CamVidData
from frm_perception.training.config import CityscapesData
from frm_perception.training.config import FolderData
from frm_perception.training.config import LabelledData

_CITYSCAPES_NAMES = (
    'unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic',
    'ground', 'road', 'sidewalk', 'parking', 'rail track', 'building', 'wall', 'fence',
    'guard rail', 'bridge', 'tunnel', 'pole', 'polegroup', 'traffic light', 'traffic sign',
    'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'caravan',
    'trailer', 'train', 'motorcycle', 'bicycle')
CITYSCAPES_IDS = LabelSpace(
    'cityscapes-ids', _CITYSCAPES_NAMES, generated_palette(len(_CITYSCAPES_NAMES)), ('road',))
"""
Ids 0..33 of Cityscapes' ``labelIds`` files, from the official script ``labels.py``; -1, a licence
plate, is 255 in 8 bits. The 19 classes that are evaluated have the names of
:data:`CITYSCAPES`, so that names alone turn these ids into train ids and leave the rest out.
"""


@dataclass(frozen=True)
class Listing:
    """
    The files of a data set.

    :param name: what messages and progress bars call it.
    :param space: of the ids in the label files.
    :param classes: a class of ``space`` -> classes of the run, over what names say.
    :param unlabelled: image files whose labels are not made yet.
    """

    name: str
    images: list[LabelledImage]
    space: LabelSpace
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unlabelled: Sequence[Path] = ()

    def labelled_set(self, wanted: NDArray[np.bool_]) -> LabelledSet:
        """
        Return the files, to be checked.

        :param wanted: (256,) bool, the ids that tell the run something.
        """
        return LabelledSet(self.name, self.images, self.space.known_ids(),
                           f'label space {self.space.name!r}', wanted, self.unlabelled)


def list_labelled(data: LabelledData, space: LabelSpace) -> Listing:
    """
    List the images of a data set, by name; none of them is opened.

    :param space: of the run, which a folder without a label space of its own has too.
    :raises DataError: the layout, the split, the images or the label space is not there.
    """
    if isinstance(data, CamVidData):
        return _camvid(data)
    if isinstance(data, CityscapesData):
        return _cityscapes(data)
    if isinstance(data, BDD100KData):
        return _bdd100k(data)
    return _folder(data, space)


def _camvid(data: CamVidData) -> Listing:
    root = Path(data.root)
    images, labels = _split(root, data.split), root / f'{data.split}annot'
    if (images / 'images').is_dir():
        images, labels = images / 'images', images / 'labels'
    return Listing(f'camvid {root} {data.split}', _chosen(images, labels, data), CAMVID)


def _cityscapes(data: CityscapesData) -> Listing:
    """
    Take ``labelIds``, which every download has.

    Only where a split has not one of them, ``labelTrainIds``, which an official script makes.
    """
    root = Path(data.root)
    _refuse_test(root, data.split)
    folder = _split(root / 'leftImg8bit', data.split)
    labels = _existing(root / 'gtFine' / data.split, folder)
    mark = '_leftImg8bit'
    files = sorted(folder.glob(f'*/*{mark}.png'))
    if not files:
        raise DataError(f'{folder}: no images there; CITY/*{mark}.png is expected')
    candidates = [
        ([LabelledImage(file, labels / file.parent.name /
                        f'{file.stem.removesuffix(mark)}_gtFine_{kind}.png') for file in files],
         space)
        for kind, space in (('labelIds', CITYSCAPES_IDS), ('labelTrainIds', CITYSCAPES))]
    images, space = next(
        (candidate for candidate in candidates
         if any(item.labels.exists() for item in candidate[0])), candidates[0])
    return Listing(f'cityscapes {root} {data.split}', images, space, data.classes)


def _bdd100k(data: BDD100KData) -> Listing:
    root = Path(data.root)
    _refuse_test(root, data.split)
    # The first release of the segmentation labels was laid out in another way.
    first_release = (root / 'seg' / 'images').is_dir() and not (root / 'images' / '10k').is_dir()
    if first_release:
        images = _split(root / 'seg' / 'images', data.split)
        labels, ending = root / 'seg' / 'labels' / data.split, '_train_id.png'
    else:
        images = _split(root / 'images' / '10k', data.split)
        labels, ending = root / 'labels' / 'sem_seg' / 'masks' / data.split, '.png'
    _existing(labels, images)
    return Listing(
        f'bdd100k {root} {data.split}',
        [LabelledImage(file, labels / f'{file.stem}{ending}') for file in _images(images)],
        BDD100K, data.classes)


def _folder(data: FolderData, space: LabelSpace) -> Listing:
    images = Path(data.images)
    if not images.is_dir():
        raise DataError(f'{images}: there is no such folder')
    try:
        own = find_label_space(data.label_space) if data.label_space else space
    except ValueError as error:
        raise DataError(f'{images}: label_space: {error}') from error
    return Listing(str(images), _chosen(images, Path(data.labels), data), own, data.classes)


def _chosen(images: Path, labels: Path, data: CamVidData | FolderData) -> list[LabelledImage]:
    """List the images of the sequences that are asked for."""
    _existing(labels, images)
    found = with_labels(_images(images), labels)
    there = sorted({item.sequence for item in found})
    unknown = [name for name in data.sequences if name not in there]
    if unknown:
        raise DataError(f'{images}: no images of the sequences {", ".join(unknown)}; there are '
                        f'{", ".join(there)}')
    chosen = [item for item in found
              if (not data.sequences or item.sequence in data.sequences)
              and item.sequence not in data.without]
    if not chosen:
        raise DataError(f'{images}: no images are left of the sequences {", ".join(there)}')
    return chosen


def _images(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob('*')
                   if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith('.'))
    if not files:
        raise DataError(f'{folder}: no images there')
    return files


def _split(parent: Path, split: str) -> Path:
    folder = parent / split
    if not split or not folder.is_dir():
        there = sorted(entry.name for entry in parent.glob('*') if entry.is_dir())
        raise DataError(f'{parent}: no split {split!r}; '
                        + (f'there are {", ".join(there)}' if there else 'there is none'))
    return folder


def _existing(labels: Path, images: Path) -> Path:
    if not labels.is_dir():
        raise DataError(f'{labels}: there is no such folder; the labels of {images} are expected '
                        'there')
    return labels


def _refuse_test(root: Path, split: str) -> None:
    if split == 'test':
        raise DataError(f"{root}: the labels of the split 'test' are not published; use 'train' "
                        "or 'val'")
