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
"""Which layers hurt most when they are quantised, by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.deploy.quantise import Batch
from frm_perception.deploy.quantise import Layer
from frm_perception.deploy.quantise import Quantiser
from frm_perception.runtime.engines.onnx_runtime import load_onnxruntime


def by_harm(quantiser: Quantiser, full: bytes, batches: Sequence[Batch]) -> list[Layer]:
    """
    Return the quantiser's layers, the most harmful first.

    Each layer is quantised alone; its harm is the mean square of what that changes in the logits.

    :param full: the model in full precision, as serialised ONNX.
    :param batches: images to measure with, (1, H, W, 3) uint8 RGB each.
    """
    expected = _logits(full, batches)
    harm = {}
    for layer in tqdm(quantiser.layers, 'layers that hurt', unit='layer', disable=None):
        found = _logits(quantiser.quantise([layer]), batches)
        harm[layer] = float(np.mean([np.square(after - before).mean()
                                     for before, after in zip(expected, found, strict=True)]))
    return sorted(harm, key=lambda layer: harm[layer], reverse=True)


def _logits(model: bytes, batches: Sequence[Batch]) -> list[NDArray[Any]]:
    session = load_onnxruntime().InferenceSession(model, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: batch})[0] for batch in batches]
