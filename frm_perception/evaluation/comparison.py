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
"""What a model's labels and a data set's have in common, so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace

DRIVABLE_CLASSES = ('drivable', 'not drivable')
"""What the drivable tables lead to: 0 and 1, or :data:`IGNORE` where it is not known."""


@dataclass(frozen=True)
class Comparison:
    """
    Tables that lead ids of a model and ids of a data set's labels to the same numbers.

    :param classes: names of what is compared; the position is the number.
    :param target_table: (256,) uint8 from the data's ids to numbers, :data:`IGNORE` where the
        truth is unknown or is a class that the model lacks.
    :param prediction_table: (256,) uint8 from the model's ids to numbers, :data:`IGNORE` for a
        class that the data lack: wrong wherever the truth is known.
    :param drivable_target: as ``target_table``, to the numbers of :data:`DRIVABLE_CLASSES`.
    :param drivable_prediction: as ``prediction_table``, to those numbers.
    :param only_in_model: names of the model's classes that the data lack.
    :param only_in_data: names of the data's classes that the model lacks.
    :param drivable_alone: the labels tell drivable from not drivable and nothing else.
    """

    classes: tuple[str, ...]
    target_table: NDArray[np.uint8]
    prediction_table: NDArray[np.uint8]
    drivable_target: NDArray[np.uint8]
    drivable_prediction: NDArray[np.uint8]
    only_in_model: tuple[str, ...] = ()
    only_in_data: tuple[str, ...] = ()
    drivable_alone: bool = False

    @property
    def informative(self) -> NDArray[np.bool_]:
        """(256,) the data's ids of which one at least must occur, or there is no figure."""
        if self.drivable_alone:
            return self.drivable_target == DRIVABLE_CLASSES.index('drivable')
        return (self.target_table != IGNORE) | (self.drivable_target != IGNORE)

    @classmethod
    def between(cls, model: LabelSpace, data: LabelSpace) -> Comparison:
        """
        Compare by name, as finely as both can tell.

        Classes that stand for each other (:meth:`LabelSpace.classes_in`, either way) belong to
        one group, and so do classes that stand for the same third one: 'car', 'truck' and 'bus'
        of one side are one class where the other has 'car' alone. A group goes by the name of the
        side that has one class in it; where both have, by the coarser space's. What is drivable
        each side's own label space says, and what is to be ignored.

        :raises ValueError: the two have no class in common.
        """
        groups = sorted(_groups(model, data), key=lambda group: min(group[1]))
        if not groups:
            raise ValueError(
                f'label spaces {model.name!r} and {data.name!r} have no class in common: '
                f'{", ".join(model.classes)}; {", ".join(data.classes)}')
        tables = np.full((2, 256), IGNORE, np.uint8)
        for number, group in enumerate(groups):
            for table, ids in zip(tables, group):
                table[list(ids)] = number
        drivable = np.full((2, 256), IGNORE, np.uint8)
        left_out = []
        for side, space in enumerate((model, data)):
            count = len(space.classes)
            drivable[side, :count] = space.drivable_lut()[:count] == 0
            drivable[side, list(space.ignore)] = IGNORE
            left_out.append(tuple(
                name for index, name in enumerate(space.classes)
                if tables[side, index] == IGNORE and index not in space.ignore))
        return cls(tuple(_name(model, data, *group) for group in groups), tables[1], tables[0],
                   drivable[1], drivable[0], left_out[0], left_out[1])

    @classmethod
    def drivable_only(cls, model: LabelSpace, drivable_ids: Sequence[int],
                      ignore_ids: Sequence[int]) -> Comparison:
        """
        Compare the model's drivable classes with labels that tell nothing else.

        :param drivable_ids: the labels' ids of what is drivable, 0..255.
        :param ignore_ids: their ids where it is not known; all others are not drivable.
        :raises ValueError: an id that is both or beyond 0..255, or nothing that is drivable.
        """
        both = sorted(set(drivable_ids) & set(ignore_ids))
        if both:
            raise ValueError(f'ids {both} cannot be both drivable and ignored')
        beyond = sorted(value for value in (*drivable_ids, *ignore_ids) if not 0 <= value <= 255)
        if beyond:
            raise ValueError(f'ids {beyond} are beyond 0..255')
        if not drivable_ids:
            raise ValueError('no id is drivable; give one at least')
        target = np.ones(256, np.uint8)
        target[list(drivable_ids)] = 0
        target[list(ignore_ids)] = IGNORE
        prediction = np.full(256, IGNORE, np.uint8)
        count = len(model.classes)
        prediction[:count] = model.drivable_lut()[:count] == 0
        return cls(DRIVABLE_CLASSES, target, prediction, target, prediction,
                   drivable_alone=True)


def _groups(model: LabelSpace, data: LabelSpace) -> Iterator[tuple[set[int], set[int]]]:
    """Yield (model ids, data ids) of what belongs together, both with one id at least."""
    pairs = {(mine, its) for mine, found in enumerate(model.classes_in(data)) for its in found}
    pairs |= {(mine, its) for its, found in enumerate(data.classes_in(model)) for mine in found}
    pairs -= {(mine, its) for mine, its in pairs if mine in model.ignore or its in data.ignore}
    while pairs:
        group = {pairs.pop()}
        ids: tuple[set[int], set[int]] = (set(), set())
        while group:
            for mine, its in group:
                ids[0].add(mine)
                ids[1].add(its)
            group = {pair for pair in pairs if pair[0] in ids[0] or pair[1] in ids[1]}
            pairs -= group
        yield ids


def _name(model: LabelSpace, data: LabelSpace, model_ids: set[int], data_ids: set[int]) -> str:
    sides = [(len(data_ids), len(data.classes), [data.classes[index] for index in data_ids]),
             (len(model_ids), len(model.classes), [model.classes[index] for index in model_ids])]
    return ' + '.join(sorted(min(sides, key=lambda side: side[:2])[2]))
