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
"""Checkpoints as they are exported: what was trained, how, on what, and what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frm_perception.deploy.ancestors import Ancestor
from frm_perception.deploy.ancestors import ancestors
from frm_perception.deploy.ancestors import iterations_in_all
from frm_perception.deploy.data_sources import DataSource
from frm_perception.deploy.data_sources import data_sources
from frm_perception.deploy.validation import HeldOutImage
from frm_perception.deploy.validation import held_out_images
from frm_perception.labels import LabelSpace
from frm_perception.networks import SegmentationNetwork
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training.checkpoint import load_average
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import as_plain

SAME_RECIPE = ('network', 'label_space', 'loss', 'augmentation', 'optimiser')
"""Keys of a configuration that runs of one recipe have in common."""
_NAMED = ('sources', 'iterations', 'batch', 'precision', 'start', 'seed')
"""Keys that may differ, and that the card then names."""


@dataclass(frozen=True)
class TrainedRun:
    """
    A checkpoint that was read, with the data around it.

    :param iteration: how many it was trained for.
    :param commit: of the program that trained it.
    :param ancestors: the runs that it began with or learned from, and those before them.
    """

    checkpoint: Path
    network: SegmentationNetwork
    config: TrainingConfig
    iteration: int
    commit: str
    held_out: list[HeldOutImage]
    sources: list[DataSource]
    ancestors: list[Ancestor]

    @classmethod
    def load(cls, checkpoint: Path) -> TrainedRun:
        """
        Read a checkpoint and look for its data.

        :raises ValueError: the file is not a checkpoint of a training run, or what it holds out
            is not usable.
        """
        network, config, state = load_average(checkpoint)
        space = find_label_space(config.label_space)
        return cls(checkpoint, network, config, state['iteration'], state['commit'],
                   held_out_images(config, space), data_sources(config),
                   ancestors(config, checkpoint))

    @property
    def space(self) -> LabelSpace:
        """What its network tells apart."""
        return find_label_space(self.config.label_space)

    @property
    def iterations_in_all(self) -> int | None:
        """With those of the runs that it began with; None where one of them is not known."""
        return iterations_in_all(self.iteration, self.ancestors)

    def doubts(self) -> dict[str, Any]:
        """Return, for the manifest, what makes its held-out images less than unseen roads."""
        before = {file for ancestor in self.ancestors for source in ancestor.sources
                  for file in source.files()}
        return {
            'partly_trained_on': self.learned_from(self.held_out),
            'seen_before': sum(image.item.image.resolve() in before for image in self.held_out)}

    def learned_from(self, images: Sequence[HeldOutImage]) -> list[str]:
        """Return the names of the drives of those images that it also trained on."""
        learned = {drive for source in self.sources for drive in source.drives()}
        return sorted(name for _, name in learned & {image.drive for image in images})

    def check_validated_by(self, other: TrainedRun) -> None:
        """
        Refuse a run whose figures say nothing of this one.

        :raises ValueError: it is this one, it holds nothing out, or its recipe is another one;
            the message names the keys that differ.
        """
        if other.checkpoint.resolve() == self.checkpoint.resolve():
            raise ValueError(f'{self.checkpoint} cannot validate itself: what it holds out is '
                             'measured anyway, so leave it out')
        if not other.held_out:
            raise ValueError(f'{other.checkpoint} holds nothing out, so it cannot validate '
                             f'{self.checkpoint}: leave it out, or train it with held_out')
        own, its = (_flat({key: as_plain(run.config)[key] for key in SAME_RECIPE})
                    for run in (self, other))
        # A run without some sequences needs a teacher that did not see them either.
        keys = sorted({*own, *its} - {'loss.distillation.teacher'})
        differing = [f'{key} is {its.get(key)!r}, not {own.get(key)!r}' for key in keys
                     if own.get(key) != its.get(key)]
        if differing:
            raise ValueError(
                f'{other.checkpoint} cannot validate {self.checkpoint}, because its recipe is '
                f'another one: {"; ".join(differing)}. Leave it out, or train it with the same '
                f'{", ".join(SAME_RECIPE)}')

    def differs_in(self, other: TrainedRun) -> list[str]:
        """Return what else sets a run of the same recipe apart."""
        return [key for key in _NAMED
                if getattr(self.config, key) != getattr(other.config, key)]


def _flat(content: Mapping[str, Any], before: str = '') -> dict[str, Any]:
    """Return the values of nested mappings by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f'{before}{key}.')
        else:
            flat[f'{before}{key}'] = value
    return flat
