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
"""A network's weights, read back from the ONNX file that it was exported to."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import GraphProto
from onnx import NodeProto
from onnx import helper
from onnx import numpy_helper
from torch import Tensor
from torch import nn

from frm_perception.networks.image_network import ImageNetwork
from frm_perception.networks.network import SegmentationNetwork
from frm_perception.networks.registry import build

Tensors = list[tuple[str, str, tuple[int | str | None, ...]]]
_OPERATORS = {nn.Conv2d: 'Conv', nn.BatchNorm2d: 'BatchNormalization'}


def load_exported(network: SegmentationNetwork, model: bytes) -> list[nn.BatchNorm2d]:
    """
    Copy the weights of an exported network, which in evaluation mode then computes the same.

    The exporter folds the normalisation after a convolution without a bias into it. Here the
    convolution gets the folded weight, and the normalisation adds the folded bias and does
    nothing else. Layers are matched in the order in which they compute, since equal weights lose
    their names in the file.

    :param network: built as the one that was exported.
    :param model: the serialised ONNX model.
    :return: the normalisations that were folded, in the order in which they compute.
    :raises ValueError: not an ONNX model, or one of another network, or the network has weights
        of other layers than convolutions and batch normalisations, which the exporter may rewrite.
    """
    layers = _in_order(network)
    owned = {id(tensor) for layer in layers for tensor in layer.parameters()}
    strange = [name for name, tensor in network.named_parameters() if id(tensor) not in owned]
    if strange:
        raise ValueError(f'the model may hold {strange[0]} in another form')
    nodes, constants = _contents(model)
    folded: list[nn.BatchNorm2d] = []
    bias: Tensor | None = None
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and bias is not None:
            only_add(layer, bias)
            folded.append(layer)
            bias = None
            continue
        node = nodes.pop(0) if nodes else NodeProto()
        values = [constants[name] for name in node.input[1:] if name in constants]
        own = [tensor for tensor in (
            (layer.weight, layer.bias) if isinstance(layer, nn.Conv2d) else
            (layer.weight, layer.bias, layer.running_mean, layer.running_var))
            if tensor is not None]
        bias = values.pop() if len(values) == 2 and len(own) == 1 else None
        if node.op_type != _OPERATORS[type(layer)] or (
                [tensor.shape for tensor in own] != [value.shape for value in values]):
            raise ValueError('the model is of another network')
        for tensor, value in zip(own, values, strict=True):
            tensor.data.copy_(value)
    if nodes or bias is not None:
        raise ValueError('the model is of another network')
    return folded


def rebuilt(name: str, model: bytes) -> ImageNetwork:
    """
    Return the network that an ONNX model was exported from, in evaluation mode.

    :param name: see :func:`frm_perception.networks.build`.
    :raises ValueError: no such network, or as for :func:`load_exported`.
    """
    outputs = _graph(model).output
    sides = outputs[0].type.tensor_type.shape.dim if outputs else []
    if len(sides) != 4 or not sides[1].dim_value:
        raise ValueError('the model has no logits of a known number of classes')
    network = build(name, sides[1].dim_value)
    load_exported(network, model)
    network.rearrange()
    return ImageNetwork(network).eval()


def exported_tensors(model: bytes) -> tuple[Tensors, Tensors]:
    """
    Return inputs and outputs that an ONNX model declares: name, NumPy's dtype, shape.

    :return: a free dimension has its name, or None.
    :raises ValueError: not an ONNX model.
    """
    graph = _graph(model)
    inputs, outputs = (
        [(value.name, str(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
          tuple(dim.dim_param or dim.dim_value or None
                for dim in value.type.tensor_type.shape.dim)) for value in values]
        for values in (graph.input, graph.output))
    return inputs, outputs


def _in_order(network: SegmentationNetwork) -> list[nn.Conv2d | nn.BatchNorm2d]:
    """Return the layers that have weights in the order in which they compute."""
    layers: list[nn.Conv2d | nn.BatchNorm2d] = []
    handles = [module.register_forward_pre_hook(lambda layer, _: layers.append(layer))
               for module in network.modules() if type(module) in _OPERATORS]
    side = 2 * network.head.multiple_of
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    for handle in handles:
        handle.remove()
    return layers


def _graph(model: bytes) -> GraphProto:
    try:
        return onnx.load_model_from_string(model).graph
    except DecodeError as error:
        raise ValueError(f'not an ONNX model: {error}') from error


def _contents(model: bytes) -> tuple[list[NodeProto], dict[str, Tensor]]:
    """Return the nodes of layers that have weights, and the constants by their names there."""
    graph = _graph(model)
    # A weight that is kept in 16 bits is cast where it is used.
    cast = {node.input[0]: node.output[0] for node in graph.node if node.op_type == 'Cast'}
    constants = {cast.get(tensor.name, tensor.name):
                 torch.from_numpy(np.array(numpy_helper.to_array(tensor), np.float32))
                 for tensor in graph.initializer}
    return [node for node in graph.node if node.op_type in _OPERATORS.values()], constants


def only_add(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    """Let a normalisation add ``bias``, (channels,), in evaluation mode and do nothing else."""
    assert norm.running_mean is not None and norm.running_var is not None
    norm.weight.data.fill_(1)
    norm.bias.data.copy_(bias)
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
