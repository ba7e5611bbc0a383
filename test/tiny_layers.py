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
Networks that are quantised within a second: the tiny bundle's, with layers before its own.

``first`` copies the pixels, which 8 bits hold exactly. ``wide`` puts a channel with a huge range
beside them, which nobody needs: in 8 bits of one scale, the pixels beside it are lost.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from tiny_bundle import TINY

_COLORS = np.array(TINY.palette, np.float32) / 255
_EYE = np.eye(3, dtype=np.float32)
_WIDE = 3000.0


def layered_model(wide: bool = True) -> bytes:
    """
    Return a network of five layers that labels a cell by the nearest colour.

    :param wide: let the fourth layer, ``wide``, put the huge channel among its results.
    """
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 20]>
        g (uint8[N,H,W,3] image) => (float[N,4,R,S] logits) {
            planes = Transpose<perm = [0, 3, 1, 2]>(image)
            pixels = Cast<to = 1>(planes)
            less = Sub(pixels, mean)
            x = Mul(less, scale)
            a = Conv(x, first_weight, first_bias)
            b = Relu(a)
            cells = AveragePool<kernel_shape = [4, 4], strides = [4, 4]>(b)
            c = Conv(cells, second_weight, second_bias)
            d = Conv(c, wide_weight, wide_bias)
            logits = Conv(d, last_weight, last_bias)
        }""")
    for node in model.graph.node:  # as PyTorch names them, which the parser does not take
        node.input[:] = [name.replace('_', '.') for name in node.input]
    mean, scale = np.float32([120, 116, 112]), np.float32([1 / 60, 1 / 50, 1 / 55])
    huge = np.float32([[_WIDE, _WIDE, -_WIDE]] if wide else [[1, 0, 0]])
    last = np.concatenate([2 * _COLORS, np.zeros((4, 1), np.float32)], axis=1)
    weights = {
        'mean': mean[:, None, None], 'scale': scale[:, None, None],
        # Undoes the normalisation: 0..1 of each colour.
        'first.weight': _kernel(_EYE / scale / 255), 'first.bias': mean / 255,
        'second.weight': _kernel(_EYE), 'second.bias': np.zeros(3, np.float32),
        'wide.weight': _kernel(np.concatenate([_EYE, huge])), 'wide.bias': np.zeros(4, np.float32),
        'last.weight': _kernel(last), 'last.bias': -(_COLORS ** 2).sum(axis=1)}
    for name, value in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def _kernel(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    return matrix.astype(np.float32)[:, :, None, None]
