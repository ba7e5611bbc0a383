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
import json
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from types import NoneType
from types import UnionType
from typing import Any
from typing import Literal
from typing import Union
from typing import get_args
from typing import get_origin
from typing import get_type_hints

import yaml

from frm_perception.training.ranges import check_ranges


@dataclass(frozen=True)
class CamVidData:
    """
    CamVid's 11 classes as the SegNet tutorial lays them out.

    :param root: holds ``SPLIT/`` and ``SPLITannot/``, or ``SPLIT/images/`` and ``SPLIT/labels/``.
    :param weight: how often this source is drawn, against the others.
    :param sequences: prefixes of the file names before the first underscore; empty means all.
    :param without: prefixes that are left out.
    """

    root: str
    split: str = 'train'
    weight: float = 1.0
    sequences: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kind: Literal['camvid'] = 'camvid'


@dataclass(frozen=True)
class CityscapesData:
    """
    Cityscapes with its fine labels, as it unpacks.

    A split's ``labelIds`` are read, and ``labelTrainIds`` where it has none of them.

    :param root: holds ``leftImg8bit/SPLIT/CITY/`` and ``gtFine/SPLIT/CITY/``.
    :param classes: as for :class:`FolderData`, over what names alone say.
    """

    root: str
    split: str = 'train'
    weight: float = 1.0
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kind: Literal['cityscapes'] = 'cityscapes'


@dataclass(frozen=True)
class BDD100KData:
    """
    BDD100K's semantic segmentation, as it unpacks.

    :param root: holds ``images/10k/SPLIT/`` and ``labels/sem_seg/masks/SPLIT/``, or the older
        ``seg/images/SPLIT/`` and ``seg/labels/SPLIT/``.
    :param classes: as for :class:`FolderData`, over what names alone say.
    """

    root: str
    split: str = 'train'
    weight: float = 1.0
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kind: Literal['bdd100k'] = 'bdd100k'


@dataclass(frozen=True)
class FolderData:
    """
    Labelled images in a folder.

    :param images: folder of the images.
    :param labels: folder of index PNGs of the same names.
    :param label_space: a known name or a YAML file; empty means that of the run.
    :param classes: a class of the labels -> classes of the run's label space that it stands for,
        over what names alone say. None of them: the class is not learned.
    :param weight: how often this source is drawn, against the others.
    :param sequences: prefixes of the file names before the first underscore; empty means all.
    :param without: prefixes that are left out.
    :param licence: under which the images come, for the model card.
    """

    images: str
    labels: str
    label_space: str = ''
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weight: float = 1.0
    sequences: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    licence: str = ''
    kind: Literal['folder'] = 'folder'


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
    kind: Literal['rendered'] = 'rendered'


@dataclass(frozen=True)
class UnlabelledData:
    """
    Images that nobody labelled; two teachers label them once, where they agree.

    :param path: a video, a folder of images or a ROS bag.
    :param cityscapes_teacher: DeepLab's TFLite file.
    :param road_teacher: Open Model Zoo's ``.xml``.
    :param licence: under which the images come, for the model card.
    """

    path: str
    cityscapes_teacher: str
    road_teacher: str
    weight: float = 1.0
    licence: str = ''
    kind: Literal['unlabelled'] = 'unlabelled'


LabelledData = CamVidData | CityscapesData | BDD100KData | FolderData
Data = LabelledData | RenderedData | UnlabelledData


@dataclass(frozen=True)
class AugmentationConfig:
    """
    Scale, crop, flip and photometric distortion.

    :param height: rows of a crop, a multiple of 32, for CGRSeg's heads of 64.
    :param min_scale: smallest image height over the crop's height; ``max_scale``: largest.
    :param photometric: share of the crops whose colours, light and sharpness are changed.
    :param paste: share of the crops into which all pixels of some classes are copied from
        another crop, after ClassMix (Olsson et al., WACV 2021, arXiv 2007.07936); it takes the
        classes by chance, here they are named.
    :param pasted: those classes.
    """

    height: int = 352
    width: int = 480
    min_scale: float = 0.7
    max_scale: float = 2.0
    photometric: float = 1.0
    paste: float = 0.0
    pasted: tuple[str, ...] = ()


@dataclass(frozen=True)
class DistillationConfig:
    """
    A larger network that the run's own also learns from.

    :param teacher: ``checkpoint.pt`` of a run with the same label space.
    :param temperature: divides both networks' logits.
    """

    teacher: str
    weight: float = 1.0
    temperature: float = 2.0


@dataclass(frozen=True)
class LossConfig:
    """
    What is minimised: cross-entropy, and what is added to it.

    :param class_weights: of the cross-entropy; classes that are not named have 1.
    :param hard_examples: online hard example mining: only pixels whose right class has less than
        this probability count, and at least one in 16; 0 counts all.
    :param lovasz: weight of the Lovász softmax, which stands for the mean IoU.
    :param contrast: weight of the pixel contrast; ``contrast_start``: its first iteration.
    :param auxiliary: weight of a second cross-entropy on the backbone's map at stride 16.
    """

    class_weights: dict[str, float] = field(default_factory=dict)
    hard_examples: float = 0.0
    lovasz: float = 0.0
    contrast: float = 0.1
    contrast_start: int = 500
    auxiliary: float = 0.0
    distillation: DistillationConfig | None = None


@dataclass(frozen=True)
class OptimiserConfig:
    """
    AdamW with linear warm-up and polynomial decay of power 0.9.

    :param backbone_rate: learning rate of the backbone over ``learning_rate``.
    :param warm_up: iterations.
    :param gradient_norm: gradients are clipped to it.
    :param average_decay: of the exponential moving average that is evaluated and exported.
    """

    learning_rate: float = 1e-3
    backbone_rate: float = 0.3
    weight_decay: float = 0.01
    warm_up: int = 100
    gradient_norm: float = 5.0
    average_decay: float = 0.998


@dataclass(frozen=True)
class TrainingConfig:
    """
    Everything that decides what a run computes.

    :param network: a name that ``frm networks`` lists, or any HEAD-BACKBONE.
    :param label_space: of the classes to tell apart: a known name or a YAML file.
    :param start: weights to begin with: MobileNetV2's TFLite file, or ``checkpoint.pt`` of
        another run or the folder of a model bundle, of which everything of the same name and
        shape is taken; empty is random.
    :param held_out: labelled images to measure on, never trained on.
    :param batch: images of an iteration, over all processes.
    :param precision: of the convolutions; the attention's softmax is always in float32.
    """

    network: str
    label_space: str
    sources: tuple[Data, ...]
    held_out: tuple[LabelledData, ...] = ()
    start: str = ''
    seed: int = 0
    iterations: int = 3000
    batch: int = 8
    augmentation: AugmentationConfig = AugmentationConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    precision: Literal['bf16', 'fp32'] = 'bf16'
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
    return parse_config(content, str(file))


def parse_config(content: Any, where: str) -> TrainingConfig:
    """
    Check plain keys and values, as YAML or a checkpoint has them.

    :param where: what messages call the source.
    :raises ValueError: a key is missing, unknown or of the wrong type or range.
    """
    config: TrainingConfig = _parse(TrainingConfig, content, where)
    if not config.sources:
        raise ValueError(f'{where}: sources is empty; there is nothing to train on')
    check_ranges(config, where)
    return config


def as_plain(config: TrainingConfig) -> dict[str, Any]:
    """Return a configuration, defaults and all, as YAML has it: with lists, without tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def _parse(kind: Any, value: Any, where: str) -> Any:
    """Return ``value`` as ``kind``: a dataclass, a container, a choice or a plain type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, where)
    if origin in (Union, UnionType):
        return _parse_union(arguments, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f'{where}: one of {", ".join(arguments)} is needed, not {value!r}')
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f'{where}: a list is needed, not {value!r}')
        return tuple(_parse(arguments[0], item, f'{where}[{index}]')
                     for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f'{where}: keys and values are needed, not {value!r}')
        return {_parse(str, key, where): _parse(arguments[1], item, f'{where}: {key}')
                for key, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):
        # YAML takes 1e-3 for a text, and only 1.0e-3 for a number.
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) is not kind:
        raise ValueError(f'{where}: {kind.__name__} is needed, not {value!r}')
    return value


def _parse_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Several dataclasses told apart by their ``kind``, or one that may be absent."""
    if NoneType in kinds:
        present = [kind for kind in kinds if kind is not NoneType]
        return None if value is None else _parse(present[0], value, where)
    by_name = {get_args(get_type_hints(kind)['kind'])[0]: kind for kind in kinds}
    if not isinstance(value, dict) or value.get('kind') not in by_name:
        raise ValueError(f'{where}: kind must be one of {", ".join(by_name)}, in {value!r}')
    return _parse(by_name[value['kind']], value, where)


def _parse_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f'{where}: keys and values are needed, not {value!r}')
    types = get_type_hints(kind)
    unknown = sorted(set(value) - set(types))
    if unknown:
        raise ValueError(f'{where}: unknown key {unknown[0]!r}; there are {", ".join(types)}')
    required = [item.name for item in dataclasses.fields(kind)
                if item.default is dataclasses.MISSING
                and item.default_factory is dataclasses.MISSING]
    missing = [name for name in required if name not in value]
    if missing:
        raise ValueError(f'{where}: the key {missing[0]!r} is missing')
    return kind(**{name: _parse(types[name], item, f'{where}: {name}')
                   for name, item in value.items()})
