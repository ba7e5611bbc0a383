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
"""Models of ``frm export`` without the normalisation in front, as others export theirs."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper


def float_model(model: bytes, size: tuple[int, int]
                ) -> tuple[bytes, NDArray[np.float32], NDArray[np.float32]]:
    """
    Return a model that takes normalised floats (1, 3, H, W), as one exports without more ado.

    :param model: one of ``frm export``, which begins with (image - mean) * scale.
    :param size: (height, width) of its only images.
    :return: the model, and the mean and the scale of (3, 1, 1) that its images need.
    :raises ValueError: it does not begin so.
    """
    graph_model = onnx.load_model_from_string(model)
    graph = graph_model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    chain = [graph.input[0].name]
    beginning = []
    for kinds in (('Transpose', 'Cast'), ('Transpose', 'Cast'), ('Sub',), ('Mul',)):
        takers = [node for node in graph.node
                  if chain[-1] in node.input and node.op_type in kinds]
        if len(takers) != 1:
            raise ValueError('the model does not begin with the normalisation of its image')
        beginning.append(takers[0])
        chain.append(takers[0].output[0])
    mean, scale = (numpy_helper.to_array(constants[node.input[1]]).astype(np.float32)
                   for node in beginning[2:])
    for node in beginning:
        graph.node.remove(node)
    # What else is asked of the image is its shape, which is known here.
    for node in [node for node in graph.node if chain[0] in node.input]:
        if node.op_type != 'Shape':
            raise ValueError('the model uses its image for more than the normalisation')
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        shape = np.array((1, *size, 3)[bounds.get('start', 0):bounds.get('end')], np.int64)
        graph.initializer.append(numpy_helper.from_array(shape, node.output[0]))
        graph.node.remove(node)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(
        chain[-1], TensorProto.FLOAT, [1, 3, *size]))
    return graph_model.SerializeToString(), mean, scale
