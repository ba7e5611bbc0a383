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
The image as 8-bit activations: no arithmetic stands between a quantised model and its input.

An exported model converts the image to float and normalises it, which for a quantised model is
most of a convolution's time, to get to 8 bits again. The normalisation is affine, and so is what a
quantised tensor means; the first convolution can take the image's own bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx import NodeProto
from onnx import numpy_helper


@dataclass(frozen=True)
class ImageInput:
    """
    What :func:`move_normalisation` made.

    :param tensor: name of the image less ``centre``: the first convolution's input.
    :param centre: a whole number, 0..255.
    """

    tensor: str
    centre: int

    def exact_range(self, activation: Any) -> dict[str, Any]:
        """Return the quantisation of ``tensor`` in which a pixel is its own byte."""
        return {'scale': np.array(1, np.float32), 'zero_point': np.array(self.centre, np.uint8),
                'quant_type': activation}


def move_normalisation(model: ModelProto) -> ImageInput | None:
    """
    Let the first convolution normalise the image, where a graph begins with (x - mean) * scale.

    Then ``mean`` is one whole number for all channels, and ``scale`` and the rest of the mean are
    in the convolution's weights and bias. The same is computed, but where the convolution pads
    the image: with zeros, which were each channel's own mean and are now that number. A mean of
    127.5 becomes 128, means of 124, 116 and 104 become 115. Only the image's edges see it.

    :return: None, and the model as it was, where the graph does not begin so.
    """
    nodes = _beginning(model)
    if nodes is None:
        return None
    subtraction, product, convolution = nodes
    weights = {weight.name: weight for weight in model.graph.initializer}
    mean, scale, kernel, bias = (
        numpy_helper.to_array(weights[name]).astype(np.float64)
        for name in (subtraction.input[1], product.input[1], *convolution.input[1:3]))
    centre = round(float(mean.mean()))
    kernel = kernel * scale.reshape(1, -1, 1, 1)
    bias = bias - (kernel * (mean - centre).reshape(1, -1, 1, 1)).sum(axis=(1, 2, 3))
    for name, value in ((subtraction.input[1], np.array(centre)), (convolution.input[1], kernel),
                        (convolution.input[2], bias)):
        _set(model, name, value)
    convolution.input[0] = subtraction.output[0]
    model.graph.node.remove(product)
    model.graph.initializer.remove(weights[product.input[1]])
    return ImageInput(subtraction.output[0], centre)


def take_image_as_it_is(model: ModelProto, image: ImageInput) -> None:
    """
    Remove the way from the image's bytes to ``image.tensor`` and back to the same bytes.

    Nothing is done where the first convolution is not quantised.
    """
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    takers = [node for node in graph.node if image.tensor in node.input]
    if [node.op_type for node in takers] != ['QuantizeLinear']:
        return
    subtraction = made_by[image.tensor]
    cast = made_by[subtraction.input[0]]
    for node in graph.node:
        node.input[:] = [cast.input[0] if name == takers[0].output[0] else name
                         for name in node.input]
    for node in (takers[0], subtraction, cast):
        graph.node.remove(node)
    unused = {subtraction.input[1]}
    for weight in [weight for weight in graph.initializer if weight.name in unused]:
        graph.initializer.remove(weight)


def _beginning(model: ModelProto) -> tuple[NodeProto, NodeProto, NodeProto] | None:
    """Return subtraction, product and convolution that a graph begins with, if it does."""
    weights = {weight.name for weight in model.graph.initializer}
    takers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    found = [node for node in model.graph.node if node.op_type == 'Cast'
             and _of_image(node, model)]
    for expected in ('Sub', 'Mul', 'Conv'):
        after = takers.get(found[-1].output[0], []) if found else []
        if len(after) != 1 or after[0].op_type != expected or after[0].input[1] not in weights:
            return None
        found.append(after[0])
    if len(found[-1].input) < 3:
        return None
    return found[-3], found[-2], found[-1]


def _of_image(cast: NodeProto, model: ModelProto) -> bool:
    """Tell whether a node converts the image, or the image with its axes in another order."""
    image = model.graph.input[0].name
    turned = {node.output[0] for node in model.graph.node
              if node.op_type == 'Transpose' and node.input[0] == image}
    return cast.input[0] in {image, *turned}


def _set(model: ModelProto, name: str, value: NDArray[np.float64]) -> None:
    for weight in model.graph.initializer:
        if weight.name == name:
            weight.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
