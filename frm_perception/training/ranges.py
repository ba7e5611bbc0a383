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
"""What the numbers of a configuration may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from frm_perception.training.config import TrainingConfig

_CROP_STEP = 32
_SEEDS = 2 ** 32

_RANGES: tuple[tuple[Callable[[Any], bool], str, tuple[str, ...]], ...] = (
    (lambda value: value >= 1, 'it must be at least 1',
     ('iterations', 'batch', 'evaluate_every', 'checkpoint_every')),
    (lambda value: 0 <= value < _SEEDS, f'it must be 0 to {_SEEDS - 1}', ('seed',)),
    (lambda value: value >= _CROP_STEP and value % _CROP_STEP == 0,
     f'it must divide by {_CROP_STEP}', ('augmentation.height', 'augmentation.width')),
    (lambda value: value > 0, 'it must be more than 0',
     ('augmentation.min_scale', 'optimiser.learning_rate', 'optimiser.gradient_norm',
      'loss.distillation.temperature')),
    (lambda value: value >= 0, 'it must not be negative',
     ('optimiser.backbone_rate', 'optimiser.weight_decay', 'optimiser.warm_up', 'loss.lovasz',
      'loss.contrast', 'loss.contrast_start', 'loss.auxiliary', 'loss.class_weights',
      'loss.distillation.weight')),
    (lambda value: 0 <= value <= 1, 'it is a share, 0 to 1',
     ('augmentation.photometric', 'augmentation.paste', 'optimiser.average_decay')),
    (lambda value: 0 <= value <= 1, 'it is a probability, 0 to 1', ('loss.hard_examples',)),
)


def check_ranges(config: TrainingConfig, where: str) -> None:
    """
    Refuse numbers that make no sense.

    :param where: what messages call the configuration.
    :raises ValueError: names the key, the number and what it may be.
    """
    for fits, words, keys in _RANGES:
        for key in keys:
            for name, value in _values(config, key):
                if not (math.isfinite(value) and fits(value)):
                    raise ValueError(f'{where}: {name} is {value}; {words}')
    augmentation = config.augmentation
    if not augmentation.min_scale <= augmentation.max_scale < math.inf:
        raise ValueError(f'{where}: augmentation: min_scale must be positive and no more than '
                         'max_scale')
    if (augmentation.paste > 0) != bool(augmentation.pasted):
        raise ValueError(f'{where}: augmentation: paste and pasted go together: how often, and '
                         'which classes')
    if not all(0 < source.weight < math.inf for source in config.sources):
        raise ValueError(f'{where}: sources: every weight must be positive; leave a source out '
                         'by removing it')


def _values(config: TrainingConfig, key: str) -> list[tuple[str, float]]:
    """Return the numbers under a dotted key, named as messages name keys; none where it is not."""
    value: Any = config
    for part in key.split('.'):
        value = getattr(value, part) if value is not None else None
    name = key.replace('.', ': ')
    if isinstance(value, dict):
        return [(f'{name}: {inner}', number) for inner, number in value.items()]
    return [] if value is None else [(name, value)]
