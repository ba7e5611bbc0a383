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
A model bundle small enough to be written by every test that needs one.

Its network has no training: a pixel (more exactly, a cell of 4x4 pixels) gets the class whose
palette colour is nearest. An image painted in palette colours therefore has labels known exactly.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper

from frm_perception.labels import LabelSpace

TINY = LabelSpace(
    name='tiny',
    classes=('sky', 'road', 'tree', 'car'),
    palette=((0, 0, 255), (255, 0, 0), (0, 255, 0), (255, 255, 0)),
    drivable=('road',))

STRIDE = 4


def tiny_model(space: LabelSpace = TINY) -> bytes:
    """Return the serialised network: nearest palette colour of the mean of 4x4 pixels."""
    colors = np.array(space.palette, np.float32) / 255
    # |x - c|^2 = |x|^2 - 2 c.x + |c|^2: the nearest colour has the largest 2 c.x - |c|^2.
    weights = (2 * colors / 255)[:, :, None, None]
    bias = -(colors ** 2).sum(axis=1)
    nodes = [
        helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('AveragePool', ['planes'], ['cells'], kernel_shape=[STRIDE, STRIDE],
                         strides=[STRIDE, STRIDE]),
        helper.make_node('Conv', ['cells', 'weights', 'bias'], ['logits']),
    ]
    graph = helper.make_graph(
        nodes, 'tiny',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['n', 'h', 'w', 3])],
        [helper.make_tensor_value_info(
            'logits', TensorProto.FLOAT, ['n', len(space.classes), 'h4', 'w4'])],
        [numpy_helper.from_array(weights, 'weights'), numpy_helper.from_array(bias, 'bias')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def manifest(model: bytes, name: str = 'tiny', backbone: str = 'none',
             space: LabelSpace = TINY) -> dict[str, Any]:
    """Return the content of a complete ``model.yaml`` for a model of :func:`tiny_model`."""
    return {
        'format': 1, 'name': name, 'network': 'tiny', 'backbone': backbone, 'head': 'none',
        'label_space': {
            'name': space.name, 'classes': list(space.classes),
            'palette': [list(rgb) for rgb in space.palette], 'drivable': list(space.drivable)},
        'input': {
            'name': 'image', 'layout': 'NHWC', 'dtype': 'uint8', 'color': 'rgb',
            'multiple_of': 32, 'min': [64, 64], 'max': [1088, 2048], 'default': [96, 160],
            'padding': [124, 116, 104]},
        'output': {'name': 'logits', 'stride': STRIDE},
        'precisions': {'fp32': {
            'file': 'fp32.onnx', 'sha256': hashlib.sha256(model).hexdigest(), 'accuracy': {}}},
        'training': {'data': [], 'licence': 'Apache-2.0', 'commit': 'none', 'command': 'none'},
    }


def write_bundle(models_dir: Path, content: dict[str, Any], model: bytes) -> Path:
    """Write a bundle that ``default.yaml`` names, and return its folder."""
    folder = models_dir / str(content['name'])
    folder.mkdir(parents=True)
    (folder / 'fp32.onnx').write_bytes(model)
    (folder / 'model.yaml').write_text(yaml.safe_dump(content, sort_keys=False), encoding='utf-8')
    (models_dir / 'default.yaml').write_text(f'default: {content["name"]}\n', encoding='utf-8')
    return folder


def write_tiny_bundle(models_dir: Path, name: str = 'tiny', backbone: str = 'none',
                      space: LabelSpace = TINY) -> Path:
    """Write a tiny bundle into a folder of models, make it the default, return its folder."""
    model = tiny_model(space)
    return write_bundle(models_dir, manifest(model, name, backbone, space), model)
