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
"""The sources of a run: checked, prepared, and mapped into its label space."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.media.label_checks import Problem
from frm_perception.media.label_checks import Reader
from frm_perception.media.label_checks import check
from frm_perception.media.label_checks import refuse
from frm_perception.media.labelled_images import DataError
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.media.labelled_images import LabelledSet
from frm_perception.training.config import Data
from frm_perception.training.config import RenderedData
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import UnlabelledData
from frm_perception.training.data.layouts import Listing
from frm_perception.training.data.layouts import list_labelled
from frm_perception.training.data.prepared import list_preparation
from frm_perception.training.data.prepared import prepared_images
from frm_perception.training.data.targets import Targets

Table = NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """
    Images that belong together, and what the ids of their labels mean to the run.

    :param weight: how often it is drawn, against the others.
    :param table: (256,) uint8 from ids in the files to positions in a run's targets.
    """

    weight: float
    images: list[LabelledImage]
    table: Table


def collect(config: TrainingConfig, space: LabelSpace, cache: Path
            ) -> tuple[list[Source], list[tuple[int, ...]]]:
    """
    Prepare every source of a configuration, after reading every file of it once.

    What is held out is read too, so that all that is wrong is refused at once.

    :param cache: folder where rendered scenes, teachers' labels and what was read are kept.
    :return: the sources, and the run's targets: at each position the classes of the run's label
        space that a pixel of that number may be; first every class by itself, then what coarser
        labels stand for.
    :raises DataError: names and counts everything that cannot be used: sources, missing labels,
        unreadable images, wrong ids and sizes, images that are held out as well.
    """
    cache.mkdir(parents=True, exist_ok=True)
    reader, problems = Reader(cache), list[Problem]()
    sources, targets = _listed(config.sources, space, cache, problems)
    held_out, _ = _listed(config.held_out, space, cache, problems)
    trained = [listing.labelled_set(table != IGNORE) for listing, table in sources]
    measured = _measurable(held_out, space)
    problems += check([*trained, *measured], reader)
    problems += _in_both(trained, measured, reader)
    refuse(problems)
    prepared = [
        replace(listing, images=prepared_images(data, cache), unlabelled=())
        if isinstance(data, (RenderedData, UnlabelledData)) else listing
        for data, (listing, _) in zip(config.sources, sources)]
    refuse(check([listing.labelled_set(table != IGNORE)
                  for listing, (_, table) in zip(prepared, sources)], reader))
    return [Source(data.weight, listing.images, table)
            for data, listing, (_, table) in zip(config.sources, prepared, sources)], targets


def held_out_sources(config: TrainingConfig, space: LabelSpace, cache: Path | None = None
                     ) -> list[Source]:
    """
    List the images that a configuration holds out, after reading every file of them once.

    Labels that stand for several classes have numbers beyond the classes.

    :param cache: folder where what :func:`collect` read is kept; None reads all again.
    :raises DataError: see :func:`collect`.
    """
    problems: list[Problem] = []
    found, _ = _listed(config.held_out, space, cache, problems)
    refuse(problems + check(_measurable(found, space), Reader(cache)))
    return [Source(1.0, listing.images, table) for listing, table in found]


def _measurable(found: Sequence[tuple[Listing, Table]], space: LabelSpace) -> list[LabelledSet]:
    # A label coarser than the classes says nothing of which of them is right.
    return [listing.labelled_set(table < len(space.classes)) for listing, table in found]


def _listed(sources: Sequence[Data], space: LabelSpace, cache: Path | None,
            problems: list[Problem]) -> tuple[list[tuple[Listing, Table]], list[tuple[int, ...]]]:
    """Return the sources that can be used with their tables, and the targets of the tables."""
    targets = Targets(space)
    found = []
    for data in sources:
        with _gathering(problems):
            if isinstance(data, (RenderedData, UnlabelledData)):
                assert cache is not None
                listing = list_preparation(data, cache)
            else:
                listing = list_labelled(data, space)
            found.append((listing, targets.table(listing)))
    return found, targets.sets


@contextmanager
def _gathering(problems: list[Problem]) -> Iterator[None]:
    """Turn a :class:`DataError` about a whole source into one of the problems."""
    try:
        yield
    except DataError as error:
        problems.append(Problem('unusable sources', str(error)))


def _in_both(trained: Sequence[LabelledSet], held_out: Sequence[LabelledSet], reader: Reader
             ) -> list[Problem]:
    """
    Return the images that are trained on and held out as well, told by their content.

    :param reader: has read all of them.
    """
    held = {reader.digest(file): file for one in held_out for file in one.image_files()}
    held.pop(None, None)
    return [Problem('trained on and held out', f'{file}: is also held out, as '
                    f'{held[reader.digest(file)]}')
            for one in trained for file in one.image_files()
            if reader.digest(file) in held]
