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
Argmax within the graph: labels come out of it in place of logits.

For programs that want nothing else of a network, and on a GPU: only bytes cross the bus then,
pixels in and labels out. What this package runs itself keeps the logits, which at a quarter of the
size are fewer bytes than the labels of a camera image, and which a label's confidence and the
exact labels at another size than the network's are computed from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper

from frm_perception.media.files import replacing
from frm_perception.runtime.bundle import Bundle


def with_labels(model: bytes, stride: int) -> bytes:
    """
    Return an exported model that gives ``labels``, uint8 (N, H, W) of the input's size.

    They are the classes with the largest logits after bilinear upsampling (half-pixel centres,
    clamped at the border), the lowest of equal ones: what
    :meth:`frm_perception.runtime.upsampling.Upsampling.labels` computes of an image that fills the
    whole input.

    :param model: with the only input ``image`` (N, H, W, 3) and the only output (N, C, h, w).
    :param stride: input pixels per logits cell.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    logits = graph.output.pop()
    graph.initializer.append(
        numpy_helper.from_array(np.array([1, 1, stride, stride], np.float32), 'labels_scales'))
    graph.node.extend([
        helper.make_node('Resize', [logits.name, '', 'labels_scales'], ['labels_logits'],
                         'labels_resize', mode='linear',
                         coordinate_transformation_mode='half_pixel'),
        helper.make_node('ArgMax', ['labels_logits'], ['labels_index'], 'labels_argmax', axis=1,
                         keepdims=0),
        helper.make_node('Cast', ['labels_index'], ['labels'], 'labels_cast',
                         to=TensorProto.UINT8)])
    sides = graph.input[0].type.tensor_type.shape.dim[:3]
    graph.output.append(helper.make_tensor_value_info(
        'labels', TensorProto.UINT8, [side.dim_param or side.dim_value for side in sides]))
    content: bytes = proto.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def write_labels(folder: Path, precision: str, file: Path) -> None:
    """
    Write a bundle's model of that precision so that it gives labels.

    :raises BundleError: the bundle is damaged or has no such precision.
    :raises OSError: the file cannot be written.
    """
    bundle = Bundle.load(folder)
    model = with_labels(bundle.verified_model(precision), bundle.output.stride)
    with replacing(file) as partial:
        partial.write_bytes(model)
