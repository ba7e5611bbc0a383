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
"""One more precision for a model bundle: made, measured, and only then put into it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.deploy.accuracy_gate import GateError
from frm_perception.deploy.accuracy_gate import GateImages
from frm_perception.deploy.accuracy_gate import Limits
from frm_perception.deploy.accuracy_gate import pass_gate
from frm_perception.deploy.accuracy_gate import refuse_unmeasured
from frm_perception.deploy.bundle_files import entries
from frm_perception.deploy.bundle_files import extend
from frm_perception.deploy.bundle_files import read_manifest
from frm_perception.deploy.bundle_files import write_folder
from frm_perception.deploy.half_precision import to_half
from frm_perception.deploy.half_precision import with_rounded_results
from frm_perception.deploy.half_precision import with_widened_weights
from frm_perception.deploy.quantise import SCHEMES
from frm_perception.deploy.quantise import Batch
from frm_perception.deploy.quantise import Layer
from frm_perception.deploy.quantise import Quantiser
from frm_perception.deploy.sensitivity import by_harm
from frm_perception.media.frames import FrameSource
from frm_perception.media.frames import spread
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.geometry import Geometry

MOST_CALIBRATION = 64
"""Images; more of the same roads hardly widen the ranges of activations any more."""
_TO_RANK_WITH = 4
_MOST_LEFT = 0.5
"""Share of the layers that may stay in 32 bits: with more, the variant is not worth a file."""


@dataclass(frozen=True)
class CalibrationImages:
    """
    Images whose activations decide the ranges of 8-bit numbers.

    :param name: what they are, for the manifest.
    """

    name: str
    frames: FrameSource


def add_precision(folder: Path, precision: str, images: GateImages, limits: Limits,
                  calibration: CalibrationImages | None = None) -> dict[str, Any]:
    """
    Make a bundle's model in another precision, and put it into the bundle if it passes the gate.

    The file, what the manifest says of it, and the card come to be whole or not at all. A variant
    that is there is replaced.

    :param precision: 'fp16', 'bf16', 'int8' or 'int8-tensorrt'.
    :param calibration: needed for 8 bits.
    :return: what the manifest says under ``accuracy``.
    :raises GateError: it costs more than ``limits`` allow; for 8 bits even with half of the layers
        in 32.
    :raises BundleError: there is no such bundle, or it is damaged.
    :raises ValueError: images are missing or unreadable, do not tell a loss whose limit is
        demanded, or the model cannot be converted.
    :raises EngineError: the model does not run, or for bf16 OpenVINO is not there.
    """
    refuse_unmeasured(images, limits, images.tell)
    bundle = Bundle.load(folder)
    full = bundle.verified_model('fp32')
    if precision in SCHEMES:
        if calibration is None:
            raise ValueError(f'{precision} needs calibration images')
        model, accuracy = _eight_bits(bundle, precision, full, images, limits, calibration)
        extend(folder, precision, model, accuracy, bundle.entry('fp32').sha256)
        return accuracy
    half = to_half(with_widened_weights(full)) if precision == 'fp16' else None
    # ONNX Runtime rounds fewer results on a CPU than a GPU does; the gate sees all rounded.
    rounded = with_rounded_results(half) if half else None
    accuracy = {'gate': _gate(bundle, precision, full, rounded, images, limits)}
    extend(folder, precision, half, accuracy, bundle.entry('fp32').sha256)
    return accuracy


def _eight_bits(bundle: Bundle, precision: str, full: bytes, images: GateImages, limits: Limits,
                calibration: CalibrationImages) -> tuple[bytes, dict[str, Any]]:
    """
    Quantise all layers; where that does not pass, all but the most harmful 1, 2, 4, and so on.

    :raises GateError: half of the layers are left in 32 bits, and it still does not pass.
    """
    batches = _batches(bundle, calibration)
    quantiser = Quantiser(full, SCHEMES[precision], batches)
    refused: GateError | None = None
    for left in _attempts(quantiser, full, batches):
        model = quantiser.quantise([layer for layer in quantiser.layers if layer not in left])
        try:
            gate = _gate(bundle, precision, full, model, images, limits)
        except GateError as error:
            refused = GateError(f'{error} {len(left)} of {len(quantiser.layers)} layers had been '
                                f'left in 32 bits by then.', error.figures)
            continue
        return model, {'gate': gate, 'calibration': {'data': calibration.name,
                                                     'images': len(batches), 'method': 'MinMax'},
                       'in_higher_precision': [layer.name for layer in left]}
    assert refused is not None
    raise refused


def _attempts(quantiser: Quantiser, full: bytes, batches: list[Batch]) -> Iterator[list[Layer]]:
    """Yield what to leave in 32 bits: nothing at first, then more and more."""
    yield []
    chosen = np.linspace(0, len(batches) - 1, min(_TO_RANK_WITH, len(batches))).astype(int)
    ranked = by_harm(quantiser, full, [batches[index] for index in chosen])
    count = 1
    while count <= _MOST_LEFT * len(ranked):
        yield ranked[:count]
        count *= 2


def _gate(bundle: Bundle, precision: str, full: bytes, model: bytes | None, images: GateImages,
          limits: Limits) -> dict[str, Any]:
    """Let a variant pass the gate, from a bundle of its own: nobody else sees it before."""
    models = {'fp32': full, **({precision: model} if model else {})}
    manifest = read_manifest(bundle.folder)
    manifest['precisions'] = entries(models, {})
    if model is None:
        manifest['precisions'][precision] = manifest['precisions']['fp32']
    with tempfile.TemporaryDirectory(prefix='frm-quantize-') as work:
        candidate = write_folder(Path(work) / 'candidate', manifest, models)
        return pass_gate(candidate, precision, images, limits, _provider(precision))


def _provider(precision: str) -> str:
    return 'openvino' if precision == 'bf16' else 'cpu'


def _batches(bundle: Bundle, calibration: CalibrationImages) -> list[Batch]:
    """
    Return calibration images as the network takes them, evenly spread over what there is.

    :raises MediaError: one cannot be read.
    :raises ValueError: there are none.
    """
    spec = bundle.input
    batches = []
    for frame in spread(calibration.frames, MOST_CALIBRATION):
        batch = np.empty((1, *spec.default, 3), np.uint8)
        box = Geometry.fit((frame.image.shape[0], frame.image.shape[1]), spec.default,
                           bundle.output.stride)
        box.forward(frame.image, 'rgb8', batch[0], spec.padding)
        batches.append(batch)
    if not batches:
        raise ValueError(f'{calibration.name} holds no images to calibrate with')
    return batches
