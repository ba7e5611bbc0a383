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
"""What a network learned from, in words, with counts and licences."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from frm_perception.media.frames import read_frames
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training.config import BDD100KData
from frm_perception.training.config import CamVidData
from frm_perception.training.config import CityscapesData
from frm_perception.training.config import Data
from frm_perception.training.config import FolderData
from frm_perception.training.config import RenderedData
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import UnlabelledData
from frm_perception.training.data import LabelledImage
from frm_perception.training.data.layouts import list_labelled

RESEARCH_LICENCES = {
    'camvid': 'CC BY-NC 4.0: research use',
    'cityscapes': "Cityscapes' own terms: non-commercial use, nothing of it passed on "
                  '(cityscapes-dataset.com/license)',
    'bdd100k': "BDD100K's own licence: education, research and not-for-profit use, with its "
               'notice (bdd100k/bdd100k on GitHub, doc/source/license.rst)',
}
"""Licences by the kind of data; none of them lets everybody do everything."""
RENDERED_LICENCE = 'Apache-2.0, like the program that draws them'
NOT_STATED = 'not stated'
TEACHERS = 'which learned from Cityscapes, and from data that its maker Intel does not name'
"""What is known of the two public networks that a source without labels takes for teachers."""
_OF_TEACHERS = 'labels by networks that learned from Cityscapes and from data not named'


@dataclass(frozen=True)
class DataSource:
    """
    A source of a run's configuration, as it lies on this machine.

    :param images: how many it has; None where that cannot be told here.
    :param labelled: those that somebody labelled; empty where they are not there.
    """

    config: TrainingConfig
    data: Data
    images: int | None
    labelled: list[LabelledImage]

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {'data': _words(self.data, self.config), 'images': self.images,
                'weight': self.data.weight, 'licence': licence(self.data)}

    def files(self) -> set[Path]:
        """Return the files of its labelled images, without links."""
        return {item.image.resolve() for item in self.labelled}

    def drives(self) -> set[tuple[str, str]]:
        """Return the drives that its labelled images are of."""
        return {drive(self.data, item) for item in self.labelled}


def data_sources(config: TrainingConfig) -> list[DataSource]:
    """Look for everything that a run trained on."""
    return [_source(data, config) for data in config.sources]


def drive(data: Data, item: LabelledImage) -> tuple[str, str]:
    """Return what tells the drive of an image apart: where its name counts, and the name."""
    # CamVid's splits share drives; another folder's names mean something else.
    where = data.kind if isinstance(data, CamVidData) else str(item.image.parent.resolve())
    return where, item.sequence


def licence_of_weights(licences: Set[str]) -> str:
    """Say under which licence weights are that learned from data of those licences."""
    if not licences.isdisjoint(RESEARCH_LICENCES.values()):
        return ('research use, until they are trained again on data that allow more; '
                'see the licences of the data')
    if any(one.startswith(NOT_STATED) for one in licences):
        return 'not stated for all of the data: find out before you use them'
    others = sorted(licences - {RENDERED_LICENCE})
    return f'as the data allow: {", ".join(others)}' if others else 'Apache-2.0'


def licence(data: Data) -> str:
    """Return the licence that the data come with, as their kind or the configuration tells."""
    if isinstance(data, RenderedData):
        return RENDERED_LICENCE
    if isinstance(data, UnlabelledData):
        return f'{data.licence or NOT_STATED}; {_OF_TEACHERS}'
    if isinstance(data, FolderData):
        return data.licence or NOT_STATED
    return RESEARCH_LICENCES.get(data.kind, NOT_STATED)


def _source(data: Data, config: TrainingConfig) -> DataSource:
    if isinstance(data, RenderedData):
        return DataSource(config, data, data.drives * data.frames, [])
    try:
        if isinstance(data, UnlabelledData):
            frames = tqdm(read_frames(Path(data.path)), f'counting {data.path}', unit='frame')
            return DataSource(config, data, sum(1 for _ in frames), [])
        labelled = list_labelled(data, find_label_space(config.label_space)).images
    except ValueError:
        # A checkpoint may well be exported where its data are not. The card says so.
        return DataSource(config, data, None, [])
    return DataSource(config, data, len(labelled), labelled)


def _words(data: Data, config: TrainingConfig) -> str:
    if isinstance(data, CamVidData):
        return f'CamVid, {data.split}{_chosen(data)}'
    if isinstance(data, CityscapesData):
        return f'Cityscapes, {data.split}, fine labels'
    if isinstance(data, BDD100KData):
        return f'BDD100K, semantic segmentation, {data.split}'
    if isinstance(data, FolderData):
        return (f'{data.images}{_chosen(data)}, labelled with '
                f'{data.label_space or config.label_space}')
    if isinstance(data, RenderedData):
        return (f'{data.drives} rendered drives, {data.frames} frames each, seeds from '
                f'{data.first_seed}')
    teachers = ' and '.join(Path(file).name for file in
                            (data.cityscapes_teacher, data.road_teacher))
    return f'{data.path}, labelled by {teachers} where they agree, {TEACHERS}'


def _chosen(data: CamVidData | FolderData) -> str:
    only = f', only {", ".join(data.sequences)}' if data.sequences else ''
    return only + (f', without {", ".join(data.without)}' if data.without else '')
