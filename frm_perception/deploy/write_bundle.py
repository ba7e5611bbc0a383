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
"""Writing a model bundle: ONNX file, manifest, measured accuracy and card."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from frm_perception.deploy.card import card_text
from frm_perception.deploy.card import write_failures
from frm_perception.deploy.export import export_onnx
from frm_perception.deploy.half_precision import to_half
from frm_perception.deploy.half_precision import with_rounded_results
from frm_perception.evaluation.metrics import BinaryIoU
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.labels import label_space
from frm_perception.networks import network_spec
from frm_perception.networks.heads.head import Head
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.training.augmentation import PADDING
from frm_perception.training.config import FolderData
from frm_perception.training.data import LabelledImage
from frm_perception.training.data import folder_images
from frm_perception.training.loop import load_average

DEFAULT_SIZE = (384, 640)
MAX_SIZE = (1088, 2048)
LEAST_AGREEMENT = 0.995
"""The share of labels that a model in half precision must keep."""


def write_bundle(checkpoint: Path, folder: Path, command: str,
                 size: tuple[int, int] | None = None, half: bool = False
                 ) -> Mapping[str, Mapping[str, Any]]:
    """
    Export a checkpoint into ``folder`` and measure those very files on the held-out images.

    The folder appears whole or not at all; one that is there is replaced at the end.

    :param command: what made this bundle, for the manifest.
    :param size: (height, width) that the model is to take alone; None for all that fit.
    :param half: also write the model in half precision.
    :return: the measured accuracy by precision.
    :raises ValueError: the checkpoint is not one, its held-out images are not usable, the network
        does not take images of ``size``, or half precision changes too many labels.
    """
    network, config = load_average(checkpoint)
    space = label_space(config['label_space'])
    held_out = folder_images(FolderData(**config['held_out']), space)
    models = {'fp32': export_onnx(network, size)}
    if half:
        models['fp16'] = to_half(models['fp32'])
    manifest = _manifest(folder.name, network.head, config, space, size, command)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f'.{folder.name}.') as temporary:
        partial = Path(temporary) / folder.name
        bundle = _write(partial, manifest, models)
        measured = {name: _measure(bundle, name, held_out) for name in models}
        accuracies = {name: accuracy for name, (accuracy, _) in measured.items()}
        if half:
            rounded = {**models, 'fp16': with_rounded_results(models['fp16'])}
            accuracies['fp16']['label_agreement'] = _label_agreement(
                _write(Path(temporary) / 'rounded', manifest, rounded), held_out)
        bundle = _write(partial, manifest, models, accuracies)
        scores = measured['fp32'][1]
        worst = sorted(zip(scores, held_out, strict=True), key=lambda pair: pair[0])[:4]
        with Segmenter.load(bundle) as segmenter:
            # Beside the checkpoint, not in the bundle: it shows images of the data set.
            write_failures(checkpoint.parent / f'{folder.name}-failures.jpg', segmenter,
                           [item for _, item in worst])
        (partial / 'README.md').write_text(card_text(
            manifest, accuracies, config, [(item.image.stem, score) for score, item in worst]))
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    return accuracies


def _write(folder: Path, manifest: Mapping[str, Any], models: Mapping[str, bytes],
           accuracies: Mapping[str, Mapping[str, Any]] | None = None) -> Bundle:
    """Write models by precision and the manifest that describes them."""
    folder.mkdir(exist_ok=True)
    precisions = {}
    for name, model in models.items():
        (folder / f'{name}.onnx').write_bytes(model)
        precisions[name] = {
            'file': f'{name}.onnx', 'sha256': hashlib.sha256(model).hexdigest(),
            'accuracy': accuracies[name] if accuracies else {}}
    (folder / 'model.yaml').write_text(yaml.safe_dump(
        {**manifest, 'precisions': precisions}, sort_keys=False, default_flow_style=None,
        width=95))
    return Bundle.load(folder)


def _manifest(name: str, head: Head, config: Mapping[str, Any], space: LabelSpace,
              size: tuple[int, int] | None, command: str) -> dict[str, Any]:
    """Return the manifest, still without its precisions."""
    spec = network_spec(config['network'])
    step = head.multiple_of
    return {
        'format': 1,
        'name': name,
        'network': config['network'],
        'backbone': spec.backbone,
        'head': spec.head,
        'label_space': {
            'name': space.name, 'classes': list(space.classes),
            'palette': [list(color) for color in space.palette],
            'drivable': list(space.drivable)},
        'input': {
            'name': 'image', 'layout': 'NHWC', 'dtype': 'uint8', 'color': 'rgb',
            'multiple_of': step, 'min': list(size or (2 * step, 2 * step)),
            'max': list(size or MAX_SIZE), 'default': list(size or DEFAULT_SIZE),
            'padding': list(PADDING)},
        'output': {'name': 'logits', 'stride': head.stride},
        'precisions': {},
        'training': {
            'iterations': config['iteration'], 'batch': config['batch'],
            'data': _data(config), 'licence': 'see README.md',
            'commit': config['commit'], 'command': command},
    }


def _data(config: Mapping[str, Any]) -> list[str]:
    folders = [f'{data["images"]}' + (f' without {", ".join(data["without"])}'
                                      if data['without'] else '') for data in config['folders']]
    footage = [f'{data["video"]}, labelled by two teachers' for data in config['footage']]
    rendered = [f'{data["drives"]} rendered drives' for data in config['rendered']]
    return folders + footage + rendered


def _label_agreement(rounded: Bundle, images: Sequence[LabelledImage]) -> float:
    """
    Return the share of pixels to which the bundle's fp16 gives the same label as its fp32.

    :raises ValueError: it is less than :data:`LEAST_AGREEMENT`.
    """
    matrix = ConfusionMatrix(rounded.label_space.classes)
    with Segmenter.load(rounded) as full, Segmenter.load(rounded, precision='fp16') as half:
        for item in tqdm(images, 'fp32 and fp16', unit='image'):
            image, _ = item.read()
            matrix.update(full.segment(image).labels, half.segment(image).labels)
    agreement = matrix.pixel_accuracy()
    if agreement < LEAST_AGREEMENT:
        raise ValueError(
            f'half precision keeps the labels of only {agreement:.2%} of the pixels of '
            f'{len(images)} held-out images, and must keep {LEAST_AGREEMENT:.1%}; nothing was '
            f'written. Export without it.')
    return round(agreement, 6)


def _measure(bundle: Bundle, precision: str, images: Sequence[LabelledImage]
             ) -> tuple[dict[str, Any], list[float]]:
    """Return what the manifest says of the file, and every image's drivable IoU."""
    space = bundle.label_space
    matrix = ConfusionMatrix(space.classes)
    drivable = BinaryIoU()
    table = space.drivable_lut() > 0
    scores = []
    with Segmenter.load(bundle, precision=precision) as segmenter:
        for item in tqdm(images, f'held out, {precision}', unit='image'):
            image, target = item.read()
            target[target >= len(space.classes)] = IGNORE
            labels = segmenter.segment(image).labels
            matrix.update(target, labels)
            one = BinaryIoU()
            for score in (one, drivable):
                score.update(table[target], table[labels], target != IGNORE)
            scores.append(one.iou())
        size = segmenter.info.resolution
    sequences = sorted({item.image.name.split('_')[0] for item in images})
    return {
        'images': len(images), 'sequences': sequences, 'resolution': f'{size[0]}x{size[1]}',
        'mean_iou': round(matrix.mean_iou(), 4),
        'pixel_accuracy': round(matrix.pixel_accuracy(), 4),
        'drivable_iou': round(drivable.iou(), 4),
        'iou': {name: round(float(value), 4)
                for name, value in zip(space.classes, matrix.iou(), strict=True)},
    }, scores
