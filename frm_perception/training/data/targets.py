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
"""What the labels of all sources mean to a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.media.labelled_images import DataError
from frm_perception.training.data.layouts import Listing


class Targets:
    """
    Numbers for what a pixel may be, shared by all sources.

    First every class of the run by itself, then the sets of classes that coarser labels stand
    for, each once, in the order in which sources bring them.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self.sets: list[tuple[int, ...]] = [(index,) for index in range(len(space.classes))]

    def table(self, listing: Listing) -> NDArray[np.uint8]:
        """
        Return a (256,) uint8 table from the ids in a data set's files to these numbers.

        :data:`IGNORE` where an id stands for nothing that the run has.
        :raises DataError: no class means anything to the run, an exception names a class that is
            not there, or there are more sets than numbers.
        """
        try:
            meanings = listing.space.classes_in(self.space, listing.classes)
        except ValueError as error:
            raise DataError(f'{listing.name}: classes: {error}') from error
        if not any(meanings):
            raise DataError(
                f'{listing.name}: none of its classes means anything to label space '
                f'{self.space.name!r}. It has {", ".join(listing.space.classes)}; the run has '
                f'{", ".join(self.space.classes)}. Say under `classes` which stands for which.')
        table = np.full(256, IGNORE, np.uint8)
        for index, classes in enumerate(meanings):
            if classes:
                table[index] = self._number(tuple(sorted(set(classes))))
        return table

    def _number(self, classes: tuple[int, ...]) -> int:
        if classes not in self.sets:
            if len(self.sets) == IGNORE:
                raise DataError(f'the sources have labels of more than {IGNORE} meanings, which '
                                '8 bits do not tell apart; drop the coarsest under `classes`')
            self.sets.append(classes)
        return self.sets.index(classes)
