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
"""The model that `frm doctor` tries providers with, as it lies in the package."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper

CHANNELS = 8


def trial_model() -> bytes:
    """Return the serialised network: normalisation, a convolution, and a gate of it."""
    weights = np.arange(CHANNELS * 3 * 3 * 3, dtype=np.float32).reshape(CHANNELS, 3, 3, 3) / 100
    constants = {'mean': np.full((1, 3, 1, 1), 128, np.float32),
                 'scale': np.full((1, 3, 1, 1), 1 / 64, np.float32), 'weights': weights}
    nodes = [
        helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Sub', ['planes', 'mean'], ['centred']),
        helper.make_node('Mul', ['centred', 'scale'], ['normal']),
        helper.make_node('Conv', ['normal', 'weights'], ['features'], pads=[1, 1, 1, 1],
                         strides=[4, 4]),
        helper.make_node('Sigmoid', ['features'], ['gates']),
        helper.make_node('Mul', ['features', 'gates'], ['logits']),
    ]
    graph = helper.make_graph(
        nodes, 'trial',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['n', 'h', 'w', 3])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['n', CHANNELS, 'h4', 'w4'])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
