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
"""What a run began with or learned from: checkpoints, bundles, pretrained weights."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any

from frm_perception.deploy.data_sources import NOT_STATED
from frm_perception.deploy.data_sources import DataSource
from frm_perception.deploy.data_sources import data_sources
from frm_perception.runtime.bundle import Bundle
from frm_perception.training.checkpoint import read_checkpoint
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import as_plain
from frm_perception.training.config import parse_config

START, TEACHER, PRETRAINED = 'start', 'teacher', 'pretrained'
OF_A_TEACHER = "teacher's "
"""Before the role of what a teacher in turn began with or learned from."""

IMAGENET = {
    'data': 'ImageNet (ILSVRC 2012), classification: MobileNetV2 as published, in int8',
    'images': None, 'weight': None,
    'licence': 'the weights Apache-2.0; the images non-commercial research and education '
               '(image-net.org/download)'}
"""What the manifest says of the only pretrained weights that training reads."""


@dataclass(frozen=True)
class Ancestor:
    """
    A run that another one began with or learned from, or pretrained weights.

    :param role: :data:`START`, :data:`TEACHER` or :data:`PRETRAINED`; after
        :data:`OF_A_TEACHER` what a teacher came from.
    :param checkpoint: its file, or the folder of the bundle that it was exported to.
    :param data: as the manifest has it; None where nobody knows any more.
    :param iterations: how many it was trained for, without those before it; None if not known.
    :param commit: of the program that trained it; None if not known.
    :param config: as YAML has it; None if not known.
    :param sources: its data, so far as they lie on this machine.
    """

    role: str
    checkpoint: Path
    data: list[Mapping[str, Any]] | None = None
    iterations: int | None = None
    commit: str | None = None
    config: Mapping[str, Any] | None = None
    sources: list[DataSource] = field(default_factory=list, compare=False)

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        data = None if self.data is None else [dict(item) for item in self.data]
        return {'role': self.role, 'checkpoint': str(self.checkpoint), 'data': data,
                'iterations': self.iterations, 'commit': self.commit, 'config': self.config}

    def licences(self) -> set[str]:
        """Return the licences of what it learned from."""
        return {NOT_STATED} if self.data is None else {item['licence'] for item in self.data}


def ancestors(config: TrainingConfig, checkpoint: Path) -> list[Ancestor]:
    """
    Return what a run came from, and what that came from, each once.

    A bundle's manifest is believed also where what it names is gone.

    :param checkpoint: of the run itself.
    :raises ValueError: what is there is no checkpoint of a training run, and no bundle of one.
    """
    found: list[Ancestor] = []
    for one in _before(config, {checkpoint.resolve()}):
        if one not in found:
            found.append(one)
    return found


def iterations_in_all(iterations: int, before: Sequence[Ancestor]) -> int | None:
    """Add those of the runs that a run began with; None where one of them is not known."""
    starts = [one.iterations for one in before if one.role == START]
    if None in starts:
        return None
    return iterations + sum(count for count in starts if count)


def _before(config: TrainingConfig, known: set[Path]) -> Iterator[Ancestor]:
    """
    Yield what a run came from, nearest first.

    :param known: files and folders that were told of already; those that are found are added.
    """
    if config.start:
        yield from _of(START, Path(config.start), config, known)
    if config.loss.distillation:
        file = Path(config.loss.distillation.teacher)
        for one in _of(TEACHER, file, config, known):
            yield one if one.role == TEACHER else replace(one, role=OF_A_TEACHER + one.role)


def _of(role: str, file: Path, config: TrainingConfig, known: set[Path]) -> Iterator[Ancestor]:
    if file.resolve() in known:
        return
    known.add(file.resolve())
    if file.suffix == '.tflite':
        yield Ancestor(PRETRAINED, file, [IMAGENET])
    elif not file.exists():
        yield Ancestor(role, file)
    elif file.is_dir():
        yield from _of_bundle(role, file, config, known)
    else:
        yield from _of_checkpoint(role, file, known)


def _of_bundle(role: str, folder: Path, config: TrainingConfig, known: set[Path]
               ) -> Iterator[Ancestor]:
    training: Mapping[str, Any] = Bundle.load(folder).training
    before = parse_config(training.get('config'), str(folder))
    # A run may be exported to the very bundle that it began with; made again, it finds itself.
    if before != config:
        yield Ancestor(role, folder, training['data'], training['iterations'],
                       training['commit'], as_plain(before), data_sources(before))
    for record in training['learned_from']:
        yield from _recorded(record, known)
    # Older manifests do not tell of pretrained weights.
    yield from _before(before, known)


def _recorded(record: Mapping[str, Any], known: set[Path]) -> Iterator[Ancestor]:
    file, config = Path(record['checkpoint']), record.get('config')
    if 'config' not in record:
        # Of an older manifest, without recipes; a checkpoint has its own.
        if file.resolve() in known:
            return
        if file.is_file():
            yield from _of_checkpoint(record['role'], file, known)
            return
    known.add(file.resolve())
    yield Ancestor(record['role'], file, record['data'], record.get('iterations'),
                   record.get('commit'), config,
                   data_sources(parse_config(config, str(file))) if config else [])


def _of_checkpoint(role: str, file: Path, known: set[Path]) -> Iterator[Ancestor]:
    known.add(file.resolve())
    config, state = read_checkpoint(file)
    sources = data_sources(config)
    yield Ancestor(role, file, [source.manifest() for source in sources], state['iteration'],
                   state['commit'], as_plain(config), sources)
    yield from _before(config, known)
