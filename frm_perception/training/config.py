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
"""A training run as a YAML file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import get_args
from typing import get_type_hints

import yaml


@dataclass(frozen=True)
class FolderData:
    """
    Labelled images in a folder.

    :param images: folder of the images.
    :param labels: folder of index PNGs of the same names.
    :param weight: how often this source is drawn, against the others.
    :param sequences: prefixes of the file names before the first underscore; empty means all.
    :param without: prefixes that are left out.
    """

    images: str
    labels: str
    weight: float = 1.0
    sequences: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class RenderedData:
    """
    Rendered drives, each with its own seed, with exact labels.

    :param drives: how many seeds, from ``first_seed``.
    :param frames: frames taken from each drive, evenly spread.
    """

    drives: int
    frames: int
    height: int
    width: int
    first_seed: int = 1000
    weight: float = 1.0


@dataclass(frozen=True)
class FootageData:
    """
    Unlabelled video that the teachers label once.

    :param cityscapes_teacher: DeepLab's TFLite file.
    :param road_teacher: Open Model Zoo's ``.xml``.
    """

    video: str
    cityscapes_teacher: str
    road_teacher: str
    weight: float = 1.0


@dataclass(frozen=True)
class TrainingConfig:
    """
    Everything that decides what a run computes.

    :param network: a name of :data:`frm_perception.networks.NETWORKS`.
    :param pretrained: MobileNetV2's TFLite file, or empty for a random start.
    :param held_out: labelled images to measure on, never trained on.
    :param crop_height: rows of a training crop, a multiple of 32, for CGRSeg's heads of 64.
    :param min_scale: smallest image height over the crop's height.
    :param backbone_rate: learning rate of the backbone over ``learning_rate``.
    :param contrast_weight: of the contrastive term; :param contrast_start: its first iteration.
    :param average_decay: of the exponential moving average that is evaluated and exported.
    :param bf16: convolutions in bfloat16 (the attention's softmax stays in float32).
    """

    network: str
    label_space: str
    held_out: FolderData
    folders: tuple[FolderData, ...]
    rendered: tuple[RenderedData, ...] = ()
    footage: tuple[FootageData, ...] = ()
    pretrained: str = ''
    seed: int = 0
    iterations: int = 3000
    batch: int = 8
    crop_height: int = 352
    crop_width: int = 480
    min_scale: float = 0.7
    max_scale: float = 2.0
    learning_rate: float = 1e-3
    backbone_rate: float = 0.3
    weight_decay: float = 0.01
    warm_up: int = 100
    contrast_weight: float = 0.1
    contrast_start: int = 500
    gradient_norm: float = 5.0
    average_decay: float = 0.998
    bf16: bool = True
    evaluate_every: int = 500
    checkpoint_every: int = 100


def load_config(file: Path) -> TrainingConfig:
    """
    Read a configuration; paths in it are relative to the working directory.

    :raises ValueError: not YAML, or a key is missing, unknown or of the wrong type; the message
        names the file and the key.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f'{file}: cannot be read as YAML: {error}') from error
    config: TrainingConfig = _parse(TrainingConfig, content, str(file))
    for key in ('crop_height', 'crop_width'):
        if getattr(config, key) % 32:
            raise ValueError(f'{file}: {key} is {getattr(config, key)}; it must divide by 32')
    return config


def _parse(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    if get_args(kind):
        if not isinstance(value, list):
            raise ValueError(f'{where}: a list is needed, not {value!r}')
        return tuple(_parse(get_args(kind)[0], item, f'{where}[{index}]')
                     for index, item in enumerate(value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f'{where}: {kind.__name__} is needed, not {value!r}')
    return value


def _parse_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f'{where}: keys and values are needed, not {value!r}')
    types = get_type_hints(kind)
    unknown = sorted(set(value) - set(types))
    if unknown:
        raise ValueError(f'{where}: unknown key {unknown[0]!r}; there are {", ".join(types)}')
    required = [field.name for field in dataclasses.fields(kind)
                if field.default is dataclasses.MISSING]
    missing = [name for name in required if name not in value]
    if missing:
        raise ValueError(f'{where}: the key {missing[0]!r} is missing')
    return kind(**{name: _parse(types[name], item, f'{where}: {name}')
                   for name, item in value.items()})
