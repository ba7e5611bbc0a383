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
"""A bundle's model card: what it is, what it was trained on, what it reaches, where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from frm_perception.media.overlay import draw_overlay
from frm_perception.networks import BACKBONES
from frm_perception.networks import HEADS
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.training.data import LabelledImage

_TEXT = """\
# {name}

{network}: {backbone} backbone, {head} head.
{classes} classes ({space}); drivable: {drivable}.

Backbone: {backbone_origin}

Head: {head_origin}

No paper's results are claimed for this model.

## Measured

On {images} images of whole sequences that training never saw ({sequences}), ONNX Runtime on the
very file that `model.yaml` names, input {resolution}, labels compared at the images' own size,
unlabelled pixels left out:

| measure | value |
| --- | --- |
| mean IoU | {mean_iou:.1%} |
| drivable IoU | {drivable_iou:.1%} |
| pixel accuracy | {pixel_accuracy:.1%} |

| class | IoU |
| --- | --- |
{per_class}
{half}
On other roads, cameras and weather expect less. The held-out images with the lowest drivable
IoU: {worst}.

## Trained on

{iterations} iterations of batch {batch}, from:

{data}

Footage that is listed here is no test of the model, even if nobody labelled it by hand.
Trained at commit `{commit}`, then `{command}`.

```yaml
{config}```

## Licence

CamVid's images and labels are CC BY-NC 4.0: a network trained on them is for research use, until
it is trained again on data that allows more. The code that trained it is Apache-2.0, as are the
two teachers that labelled the footage and the ImageNet start; the footage is MIT.

Not a safety function: see the package's README.
"""

_HALF = """
`fp16.onnx`, in half precision: mean IoU {mean_iou:.1%}, drivable IoU {drivable_iou:.1%}, pixel
accuracy {pixel_accuracy:.1%} on a CPU, which rounds few results to 16 bits. With every result
rounded, as on a GPU, {label_agreement:.2%} of the pixels keep the label that `fp32.onnx` gives.
"""


def card_text(manifest: Mapping[str, Any], accuracies: Mapping[str, Mapping[str, Any]],
              config: Mapping[str, Any], worst: Sequence[tuple[str, float]]) -> str:
    """
    Return the card of a bundle in Markdown, with the figures of its manifest.

    :param accuracies: what was measured, by precision.
    :param worst: names of held-out images and their drivable IoU.
    """
    accuracy = accuracies['fp32']
    space = manifest['label_space']
    training = manifest['training']
    elsewhere = ('folders', 'held_out', 'footage', 'iteration', 'commit')
    plain = {key: list(value) if isinstance(value, tuple) else value
             for key, value in config.items() if key not in elsewhere}
    return _TEXT.format(
        name=manifest['name'], network=manifest['network'], backbone=manifest['backbone'],
        head=manifest['head'], head_origin=HEADS[manifest['head']].origin,
        backbone_origin=BACKBONES[manifest['backbone']].origin,
        classes=len(space['classes']), space=space['name'],
        drivable=', '.join(space['drivable']),
        per_class='\n'.join(f'| {name} | {value:.1%} |'
                            for name, value in accuracy['iou'].items()),
        half=_HALF.format(**accuracies['fp16']) if 'fp16' in accuracies else '',
        data='\n'.join(f'- {item}' for item in training['data']),
        iterations=training['iterations'], batch=training['batch'],
        command=training['command'], commit=training['commit'],
        config=yaml.safe_dump(plain, sort_keys=False),
        **{key: accuracy[key] for key in ('images', 'resolution', 'mean_iou', 'drivable_iou',
                                          'pixel_accuracy')},
        sequences=', '.join(accuracy['sequences']),
        worst=', '.join(f'{name} ({score:.1%})' for name, score in worst))


def write_failures(file: Path, segmenter: Segmenter, items: Sequence[LabelledImage]) -> None:
    """Write a picture of images, their labels and what the network says, row by row."""
    rows = []
    space = segmenter.label_space
    for item in items:
        image, target = item.read()
        predicted = segmenter.segment(image)
        rows.append(np.hstack([image, space.colors()[target],
                               draw_overlay(image, predicted.labels, space)]))
    picture = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
