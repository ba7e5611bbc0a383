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


def write_bundle(checkpoint: Path, folder: Path, command: str) -> Mapping[str, Any]:
    """
    Export a checkpoint into ``folder`` and measure that very file on the held-out images.

    The folder appears whole or not at all; one that is there is replaced at the end.

    :param command: what made this bundle, for the manifest.
    :return: the measured accuracy.
    :raises ValueError: the checkpoint is not one, or its held-out images are not usable.
    """
    network, config = load_average(checkpoint)
    space = label_space(config['label_space'])
    held_out = folder_images(FolderData(**config['held_out']), space)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f'.{folder.name}.') as temporary:
        partial = Path(temporary) / folder.name
        partial.mkdir()
        model = export_onnx(network)
        (partial / 'fp32.onnx').write_bytes(model)
        manifest = _manifest(folder.name, network.head, config, space,
                             hashlib.sha256(model).hexdigest(), command)
        _write_manifest(partial, manifest)
        accuracy, scores = _measure(Bundle.load(partial), held_out)
        manifest['precisions']['fp32']['accuracy'] = accuracy
        _write_manifest(partial, manifest)
        worst = sorted(zip(scores, held_out, strict=True), key=lambda pair: pair[0])[:4]
        with Segmenter.load(Bundle.load(partial)) as segmenter:
            # Beside the checkpoint, not in the bundle: it shows images of the data set.
            write_failures(checkpoint.parent / f'{folder.name}-failures.jpg', segmenter,
                           [item for _, item in worst])
        (partial / 'README.md').write_text(card_text(
            manifest, config, [(item.image.stem, score) for score, item in worst]))
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    return accuracy


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    (folder / 'model.yaml').write_text(
        yaml.safe_dump(manifest, sort_keys=False, default_flow_style=None, width=95))


def _manifest(name: str, head: Head, config: Mapping[str, Any], space: LabelSpace,
              digest: str, command: str) -> dict[str, Any]:
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
            'multiple_of': step, 'min': [2 * step, 2 * step], 'max': list(MAX_SIZE),
            'default': list(DEFAULT_SIZE), 'padding': list(PADDING)},
        'output': {'name': 'logits', 'stride': head.stride},
        'precisions': {'fp32': {'file': 'fp32.onnx', 'sha256': digest, 'accuracy': {}}},
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


def _measure(bundle: Bundle, images: Sequence[LabelledImage]
             ) -> tuple[dict[str, Any], list[float]]:
    """Return what the manifest says of the file, and every image's drivable IoU."""
    space = bundle.label_space
    matrix = ConfusionMatrix(space.classes)
    drivable = BinaryIoU()
    table = space.drivable_lut() > 0
    scores = []
    with Segmenter.load(bundle) as segmenter:
        for item in tqdm(images, 'held out', unit='image'):
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
