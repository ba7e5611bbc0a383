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
"""A folder of images and one of their labels, checked before anything is done with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frm_perception.media.frames import list_images
from frm_perception.media.label_checks import Problem
from frm_perception.media.label_checks import Reader
from frm_perception.media.label_checks import check
from frm_perception.media.label_checks import refuse
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.media.labelled_images import LabelledSet
from frm_perception.media.labelled_images import with_labels


def labelled_folder(images: Path, labels: Path, known: NDArray[np.bool_], meaning: str,
                    wanted: NDArray[np.bool_]) -> list[LabelledImage]:
    """
    Return every image of a folder with its labels: the PNG of the same name in another folder.

    All are read once, so that whatever is wrong with any of them is said now.

    :param known: (256,) the ids that the labels may hold; ``meaning`` names what says so.
    :param wanted: (256,) the ids of which one at least must occur, see :class:`LabelledSet`.
    :raises ValueError: no images, labels missing, files that cannot be read or differ in size,
        ids that are not known, none that is wanted; all counted, the first ones named.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise ValueError(f'{folder} is not a folder')
    problems = []
    by_name: dict[str, Path] = {}
    for file in list_images(images):
        first = by_name.setdefault(file.stem, file)
        if first != file:
            problems.append(Problem('same name', f'{first.name} and {file.name} in {images} '
                                    'would share their labels'))
    found = with_labels(by_name.values(), labels)
    whole = LabelledSet(str(images), found, known, meaning, wanted)
    refuse(problems + check([whole], Reader(None)))
    return found
