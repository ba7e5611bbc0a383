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
"""
Eight bits: an exported model as an explicitly quantised one (QuantizeLinear, DequantizeLinear).

Weights become int8, each output channel with its own scale; activations get the range that they
have on calibration images. How activations are stored depends on who is to compute:

- ``int8``, for CPUs: uint8 with a zero point. ONNX Runtime's kernels for x86 multiply unsigned by
  signed bytes (VNNI's instruction does), and a ReLU or ReLU6 before such a range is part of it
  and vanishes. ONNX Runtime recommends it: `quantize_static`'s documentation in
  https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/python/tools/quantization
- ``int8-tensorrt``: int8, symmetric about 0, and no 32-bit integers as biases. TensorRT takes
  nothing else:
  https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html

Neither is fast, or possible, on the other's processor.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnx import NodeProto
from onnxruntime.quantization import CalibrationDataReader
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

from frm_perception.deploy.half_precision import forget_types_of_weights
from frm_perception.deploy.half_precision import of_attention_logits
from frm_perception.deploy.half_precision import with_stored_halves
from frm_perception.deploy.half_precision import with_widened_weights
from frm_perception.deploy.image_input import ImageInput
from frm_perception.deploy.image_input import move_normalisation
from frm_perception.deploy.image_input import take_image_as_it_is

Batch = NDArray[np.uint8]

_LAYERS = ('Conv', 'Add', 'Concat', 'AveragePool', 'Resize')
_ACTIVATIONS = ('Clip', 'Relu')
"""Belong to the layer before them. Everything else computes in 32 bits: attention, GELU, means."""


@dataclass(frozen=True)
class Scheme:
    """
    How activations are stored.

    :param options: of ONNX Runtime's quantiser.
    """

    activation: QuantType
    symmetric: bool
    options: dict[str, Any]


SCHEMES = {
    'int8': Scheme(QuantType.QUInt8, False, {}),
    'int8-tensorrt': Scheme(QuantType.QInt8, True, {
        'ActivationSymmetric': True, 'QuantizeBias': False,
        # So that a convolution and its ReLU stay one: in between there is no rounding.
        'OpTypesToExcludeOutputQuantization': ['Conv']}),
}
"""By the precisions' names in a bundle."""


@dataclass(frozen=True)
class Layer:
    """
    What is quantised or left in 32 bits as one.

    :param name: the weights' name in the network where it has some, else the node's in the graph.
    :param nodes: names of its nodes: itself, and the activation after it.
    """

    name: str
    nodes: tuple[str, ...]


class Quantiser:
    """
    A model, and the ranges of its activations on calibration images.

    :param model: exported ONNX, with weights of 32 bits or stored in 16.
    :param batches: calibration images, (1, H, W, 3) uint8 RGB each, as the network takes them.
    :raises ValueError: nothing in the model can be quantised.
    """

    def __init__(self, model: bytes, scheme: Scheme, batches: Sequence[Batch]) -> None:
        self._scheme = scheme
        prepared = onnx.load_from_string(with_widened_weights(model))
        forget_types_of_weights(prepared)
        _name_nodes(prepared)
        self._input: ImageInput | None = move_normalisation(prepared)
        with tempfile.TemporaryDirectory(prefix='frm-quantise-') as folder:
            file = Path(folder) / 'model.onnx'
            file.write_bytes(prepared.SerializeToString())
            self._model = load_model_with_shape_infer(file)
            self.layers = _layers(self._model)
            if not self.layers:
                raise ValueError('the model has no layer that can be quantised: none of its '
                                 f'operators is one of {", ".join(_LAYERS)}')
            self._ranges = _ranges(file, prepared.graph.input[0].name, batches)

    def quantise(self, layers: Collection[Layer]) -> bytes:
        """
        Return the model with these layers in 8 bits and the others in 32.

        :param layers: at least one of :attr:`layers`.
        :raises ValueError: there are none.
        :raises onnx.checker.ValidationError: the conversion wrote an invalid model.
        """
        if not layers:
            raise ValueError('a quantised model needs a layer that is quantised')
        overrides: dict[str, Any] = {}
        if self._input and not self._scheme.symmetric:
            overrides[self._input.tensor] = [self._input.exact_range(self._scheme.activation)]
        quantiser = QDQQuantizer(
            copy.deepcopy(self._model), True, False, QuantType.QInt8, self._scheme.activation,
            self._ranges, [name for layer in layers for name in layer.nodes], [],
            [*_LAYERS, *_ACTIVATIONS],
            {**self._scheme.options, 'TensorQuantOverrides': overrides})
        quantiser.quantize_model()
        quantiser.model.topological_sort()
        model: ModelProto = quantiser.model.model
        if overrides:
            assert self._input is not None
            take_image_as_it_is(model, self._input)
        _forget_remarks(model)
        return with_stored_halves(model.SerializeToString())


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # has no types
    def __init__(self, name: str, batches: Sequence[Batch]) -> None:
        self._batches: Iterator[dict[str, Batch]] = ({name: batch} for batch in batches)

    def get_next(self) -> dict[str, Batch] | None:
        return next(self._batches, None)


def _ranges(file: Path, name: str, batches: Sequence[Batch]) -> Any:
    """Return the least and the largest value of every activation."""
    calibrator = create_calibrator(file, [*_LAYERS, *_ACTIVATIONS],
                                   str(file.with_name('calibrated.onnx')),
                                   CalibrationMethod.MinMax)
    calibrator.collect_data(_Batches(name, batches))
    return calibrator.compute_data()


def _layers(model: ModelProto) -> list[Layer]:
    nodes = model.graph.node
    takers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    kept = set(of_attention_logits(nodes)) | _of_no_pixels(model)
    layers = []
    for node in nodes:
        if node.op_type not in _LAYERS or node.name in kept:
            continue
        after = takers.get(node.output[0], [])
        activation = [taker.name for taker in after if taker.op_type in _ACTIVATIONS]
        layers.append(Layer(_name(node), (node.name, *activation)))
    return layers


def _of_no_pixels(model: ModelProto) -> set[str]:
    """Return the names of nodes that compute with sizes: they have no float for a result."""
    floats = {tensor.name for tensor in (*model.graph.value_info, *model.graph.output)
              if tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    return {node.name for node in model.graph.node if floats.isdisjoint(node.output)}


def _name(node: NodeProto) -> str:
    if node.op_type != 'Conv':
        return str(node.name)
    return str(node.input[1]).removesuffix('.weight')


def _name_nodes(model: ModelProto) -> None:
    """The quantiser tells nodes apart by their names, which a model need not have."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f'{node.op_type}_{index}'


def _forget_remarks(model: ModelProto) -> None:
    """The exporter's notes on where nodes come from are a tenth of a quantised file."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for item in (model.graph, *model.graph.node):
        del item.metadata_props[:]
