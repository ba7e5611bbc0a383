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
Half precision: an exported model in 16 bits, for GPUs that compute faster in it.

What 16 bits would spoil stays in 32: the products of queries and keys with the softmax over them
(their logits are large), means over many pixels, and what is computed from the image's size
alone, such as coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto
from onnx import NodeProto
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper
from onnxruntime.transformers.onnx_model import OnnxModel

_KEPT = ('Softmax', 'ReduceMean', 'ReduceSum', 'GlobalAveragePool')
# What may stand between the product of queries and keys and its softmax.
_ON_LOGITS = ('Add', 'Div', 'Mul', 'Reshape', 'Sub', 'Transpose', 'Where')
_LARGEST = float(np.finfo(np.float16).max)
_FEW = 1024
"""Weights that are not worth storing in 16 bits."""


def to_half(model: bytes) -> bytes:
    """
    Return an exported model with weights and computation in 16 bits.

    Input and output stay as they are: ``image`` uint8, ``logits`` float32, with the same free
    sizes. Weights nearer to 0 than 6e-8, the least that 16 bits hold, become that.

    ONNX Runtime has few 16-bit kernels for CPUs: there it computes in 32 bits and rounds fewer
    results than a GPU does. :func:`with_rounded_results` shows what rounding all of them does.

    :raises ValueError: a weight is beyond 65504, the most that 16 bits hold.
    :raises onnx.checker.ValidationError: the conversion wrote an invalid model.
    """
    converted = OnnxModel(onnx.load_from_string(model))
    converted.disable_shape_inference()  # the exporter wrote every type down
    forget_types_of_weights(converted.model)
    nodes = converted.nodes()
    converted.convert_float_to_float16(
        use_symbolic_shape_infer=False, keep_io_types=True, op_block_list=list(_KEPT),
        node_block_list=_of_sizes_alone(nodes) + of_attention_logits(nodes))
    _drop_repeated_casts(converted.model)
    converted.topological_sort()
    _refuse_clamped_weights(converted.model)
    content: bytes = converted.model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def with_rounded_results(half: bytes) -> bytes:
    """
    Return a model that computes what :func:`to_half` made, and rounds as a GPU would.

    GPUs multiply 16-bit numbers, add up in 32 bits and round the result of every operator to 16.
    So does this model, with any provider. It is slow: for measuring.
    """
    model = onnx.load_from_string(half)
    graph = model.graph
    rounded = {info.name for info in graph.value_info
               if info.type.tensor_type.elem_type == TensorProto.FLOAT16}
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    nodes = list(graph.node)
    del graph.node[:]
    del graph.value_info[:]
    for node in nodes:
        results = [name for name in node.output if name in rounded]
        node.output[:] = [f'{name}_exact' if name in rounded else name for name in node.output]
        if node.op_type == 'Cast' and results:
            node.attribute[0].i = TensorProto.FLOAT
        graph.node.append(node)
        for name in results:
            graph.node.append(helper.make_node(
                'Cast', [f'{name}_exact'], [f'{name}_half'], to=TensorProto.FLOAT16))
            graph.node.append(helper.make_node(
                'Cast', [f'{name}_half'], [name], to=TensorProto.FLOAT))
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def with_stored_halves(model: bytes) -> bytes:
    """
    Return a model that keeps its large weights in 16 bits and computes in 32, as before.

    The file is half as large. Runtimes widen the weights once, when they load the model. Weights
    beyond 65504, the most that 16 bits hold, stay in 32; so do the scales of a quantised model.
    """
    stored = onnx.load_from_string(model)
    graph = stored.graph
    scales = {name for node in graph.node
              if node.op_type in ('QuantizeLinear', 'DequantizeLinear') for name in node.input[1:]}
    widening = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if (weight.data_type != TensorProto.FLOAT or values.size < _FEW or weight.name in scales
                or np.abs(values).max() > _LARGEST):
            continue
        name = f'{weight.name}_half'
        widening.append(helper.make_node('Cast', [name], [weight.name], f'{name}_widened',
                                         to=TensorProto.FLOAT))
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name))
    nodes = [*widening, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    content: bytes = stored.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def with_widened_weights(stored: bytes) -> bytes:
    """Return a model as it was before :func:`with_stored_halves`, but for the rounded weights."""
    model = onnx.load_from_string(stored)
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    nodes = []
    for node in graph.node:
        weight = weights.get(node.input[0]) if node.op_type == 'Cast' else None
        if weight is None or weight.data_type != TensorProto.FLOAT16:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(weight).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del graph.node[:]
    graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def forget_types_of_weights(model: ModelProto) -> None:
    """
    Forget the types that the exporter wrote down of weights, beside those of results.

    Converters take a weight with a type written down for a result.
    """
    weights = {weight.name for weight in model.graph.initializer}
    results = [info for info in model.graph.value_info if info.name not in weights]
    del model.graph.value_info[:]
    model.graph.value_info.extend(results)


def _of_sizes_alone(nodes: Sequence[NodeProto]) -> list[str]:
    """Return the names of nodes that no pixel reaches."""
    of_pixels = {'image'}
    names = []
    for node in nodes:
        if node.op_type == 'Shape':
            continue
        if of_pixels.isdisjoint(node.input):
            names.append(node.name)
        else:
            of_pixels.update(node.output)
    return names


def of_attention_logits(nodes: Sequence[NodeProto]) -> list[str]:
    """Return the names of products of queries and keys, and of what leads from them to softmax."""
    maker = {name: node for node in nodes for name in node.output}
    return [name for node in nodes if node.op_type == 'Softmax'
            for name in _back_to_product(node.input[0], maker)]


def _back_to_product(result: str, maker: Mapping[str, NodeProto]) -> list[str]:
    node = maker.get(result)
    if node is None or node.op_type not in ('MatMul', *_ON_LOGITS):
        return []
    # On from a product, too: heads that talk before the softmax are another one.
    names = [name for operand in node.input for name in _back_to_product(operand, maker)]
    return [*names, node.name] if names or node.op_type == 'MatMul' else []


def _drop_repeated_casts(model: ModelProto) -> None:
    """Of a result that several nodes take in 32 bits the converter makes a cast for each."""
    once = {node.output[0]: node for node in model.graph.node}
    del model.graph.node[:]
    model.graph.node.extend(once.values())


def _refuse_clamped_weights(model: ModelProto) -> None:
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT16:
            if np.abs(numpy_helper.to_array(weight)).max(initial=0.0) == _LARGEST:
                raise ValueError(
                    f'the weights {weight.name!r} are beyond {_LARGEST:.0f}, the most that 16 '
                    f'bits hold: this network cannot be had in half precision')
