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
"""Label spaces: what the numbers in a label image mean, how they look, and which are drivable."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""Label of a pixel that has no class (`vision_msgs/LabelInfo` calls it UNLABELED)."""


@dataclass(frozen=True)
class LabelSpace:
    """
    Class names in the order of their ids, their colours, and the classes a vehicle may drive on.

    :param name: how manifests, commands and messages refer to it.
    :param classes: class names; the position is the class id (0..254).
    :param palette: one ``(red, green, blue)`` per class, 0..255.
    :param drivable: names of the classes a vehicle may drive on.
    :param ignore: ids of label images that stand for nothing, such as void, beside
        :data:`IGNORE`, which always does; a class of such an id is a name and no more. It is how
        files are written and not what the classes are, so spaces that differ in it are equal.
    :raises ValueError: names twice, colours missing, a drivable class that does not exist, or an
        id beyond 0..255.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    drivable: tuple[str, ...]
    ignore: tuple[int, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= IGNORE:
            raise ValueError(
                f'label space {self.name!r} has {len(self.classes)} classes; 1 to {IGNORE} fit')
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f'label space {self.name!r} names a class twice: {self.classes}')
        if len(self.palette) != len(self.classes):
            raise ValueError(
                f'label space {self.name!r} has {len(self.classes)} classes '
                f'but {len(self.palette)} colours')
        if not all(0 <= value <= 255 for rgb in self.palette for value in rgb):
            raise ValueError(f'label space {self.name!r}: a colour has values beyond 0..255')
        if not all(0 <= value <= 255 for value in self.ignore):
            raise ValueError(
                f'label space {self.name!r} ignores ids beyond 0..255: {list(self.ignore)}')
        self._require_classes(self.drivable)

    def _require_classes(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise ValueError(
                f'label space {self.name!r} has no class {", ".join(map(repr, unknown))}; '
                f'it has {", ".join(self.classes)}')

    def colors(self) -> NDArray[np.uint8]:
        """Return a (256, 3) uint8 RGB table; ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[:len(self.palette)] = self.palette
        return table

    def known_ids(self) -> NDArray[np.bool_]:
        """Return a (256,) table of the ids that label images may hold: classes and ignored."""
        table = np.zeros(256, np.bool_)
        table[:len(self.classes)] = True
        table[[*self.ignore, IGNORE]] = True
        return table

    def drivable_lut(self, classes: Sequence[str] = ()) -> NDArray[np.uint8]:
        """
        Return a (256,) uint8 table from class id to 255 (drivable) or 0.

        :param classes: names that count as drivable; empty means the label space's own.
        :raises ValueError: a name that is not in the label space.
        """
        names = tuple(classes) or self.drivable
        self._require_classes(names)
        table = np.zeros(256, np.uint8)
        table[[self.classes.index(name) for name in names]] = 255
        return table

    def classes_in(self, other: LabelSpace, exceptions: Mapping[str, Sequence[str]] | None = None
                   ) -> tuple[tuple[int, ...], ...]:
        """
        Return for each class the ids of another space's classes that it stands for.

        Names decide: the same name, or names that :data:`SYNONYMS` knows as the same thing, such
        as CamVid's 'tree', which stands for two classes of Cityscapes; no ids where there are
        none, or where this space ignores the class.

        :param exceptions: this space's name -> the other's names, where names do not decide.
        :raises ValueError: an exception that one of the two spaces does not have.
        """
        chosen = dict(exceptions or {})
        self._require_classes(tuple(chosen))
        for names in chosen.values():
            other._require_classes(names)
        return tuple(
            () if index in self.ignore else
            tuple(other.classes.index(found)
                  for found in chosen.get(name, self._names_in(other, name)))
            for index, name in enumerate(self.classes))

    def _names_in(self, other: LabelSpace, name: str) -> tuple[str, ...]:
        # A finer name that this space has itself is not what its coarser one stands for.
        finer = (name, *(part for part in SYNONYMS.get(name, ()) if part not in self.classes))
        found = tuple(part for part in finer if part in other.classes)
        return found or tuple(whole for whole, parts in SYNONYMS.items()
                              if name in parts and whole in other.classes)


SYNONYMS: Mapping[str, tuple[str, ...]] = {
    'pavement': ('sidewalk',),
    'tree': ('vegetation', 'terrain'),
    'sign': ('traffic light', 'traffic sign'),
    'fence': ('wall',),
    'car': ('truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'motorcycle', 'bicycle'),
}
"""CamVid's name of a class -> Cityscapes' names of the same, beside that very name."""

CAMVID = LabelSpace(
    name='camvid',
    classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
             'pedestrian', 'bicyclist'),
    palette=((70, 130, 180), (70, 70, 70), (153, 153, 153), (128, 64, 128), (244, 35, 232),
             (107, 142, 35), (220, 220, 0), (190, 153, 153), (0, 0, 142), (220, 20, 60),
             (119, 11, 32)),
    drivable=('road',),
    ignore=(11,))
"""
CamVid's 11 classes, in the order of the SegNet re-release, which writes void as 11; colours
follow Cityscapes.
"""

_CITYSCAPES_CLASSES = (
    'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign',
    'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'train',
    'motorcycle', 'bicycle')
_CITYSCAPES_PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32))

CITYSCAPES = LabelSpace('cityscapes', _CITYSCAPES_CLASSES, _CITYSCAPES_PALETTE, ('road',))
"""The 19 train ids of Cityscapes."""

BDD100K = LabelSpace('bdd100k', _CITYSCAPES_CLASSES, _CITYSCAPES_PALETTE, ('road',))
"""BDD100K's semantic segmentation uses the 19 train ids of Cityscapes."""

_SPACES = {space.name: space for space in (CAMVID, CITYSCAPES, BDD100K)}


def label_space(name: str) -> LabelSpace:
    """
    Return the label space of that name.

    :raises ValueError: no such name; the message lists those that exist.
    """
    if name not in _SPACES:
        raise ValueError(f'no label space {name!r}; there are {", ".join(_SPACES)}')
    return _SPACES[name]


def generated_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """
    Return that many different colours, none of them black: PASCAL VOC's, from its second on.

    Bits 0, 1 and 2 of a number are the highest of red, green and blue, the next three the next.

    :param count: 0..255.
    """
    return tuple((_spread(number), _spread(number >> 1), _spread(number >> 2))
                 for number in range(1, count + 1))


def _spread(number: int) -> int:
    """Return bits 0, 3 and 6 as bits 7, 6 and 5."""
    return (number & 1) << 7 | (number >> 3 & 1) << 6 | (number >> 6 & 1) << 5
