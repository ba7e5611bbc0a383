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
"""Tiny bundles whose networks give the node trouble."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from tiny_bundle import manifest
from tiny_bundle import tiny_model
from tiny_bundle import write_bundle


def slow_model(times: int = 1) -> bytes:
    """
    Return the tiny network with idle work put in front of it, so many times.

    Once takes some 100 ms for an image of 192x320.
    """
    model = onnx.load_from_string(tiny_model())
    pool = next(node for node in model.graph.node if node.op_type == 'AveragePool')
    for index in range(times):
        work = onnx.helper.make_node(
            'AveragePool', [pool.input[0]], [f'slow{index}'], kernel_shape=[61, 61],
            pads=[30, 30, 30, 30])
        pool.input[0] = f'slow{index}'
        model.graph.node.insert(list(model.graph.node).index(pool), work)
    return bytes(model.SerializeToString())


def write_slow_bundle(models: Path, times: int = 1) -> None:
    """Write a bundle of the slow network for images of 192x320."""
    _write_large(models, slow_model(times))


def _write_large(models: Path, data: bytes) -> Path:
    content = manifest(data)
    content['input']['default'] = [192, 320]
    return write_bundle(models, content, data)


def fragile_model(slow: int = 0) -> bytes:
    """Return the tiny or slow network with a look-up that fails for an image brighter than 199."""
    model = onnx.load_from_string(slow_model(slow))
    output = model.graph.node[-1].output
    output[0] = 'sums'
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.zeros(200, np.float32), 'table'))
    model.graph.node.extend([
        onnx.helper.make_node('ReduceMean', ['planes'], ['means'], axes=[1, 2, 3], keepdims=0),
        onnx.helper.make_node('ReduceMax', ['means'], ['brightest'], keepdims=0),
        onnx.helper.make_node('Cast', ['brightest'], ['index'], to=onnx.TensorProto.INT64),
        onnx.helper.make_node('Gather', ['table', 'index'], ['nothing']),
        onnx.helper.make_node('Add', ['sums', 'nothing'], ['logits'])])
    return bytes(model.SerializeToString())


def write_fragile_bundle(models: Path) -> Path:
    """Write a bundle of the fragile network."""
    data = fragile_model()
    return write_bundle(models, manifest(data), data)


def write_slow_fragile_bundle(models: Path) -> None:
    """Write a bundle of a network that is both, for images of 192x320."""
    _write_large(models, fragile_model(slow=1))


def hanging_model() -> bytes:
    """Return the tiny network, which for an image brighter than 199 comes to no end."""
    helper = onnx.helper
    model = onnx.load_from_string(tiny_model())
    model.graph.node[-1].output[0] = 'sums'
    state = helper.make_tensor_value_info('state', onnx.TensorProto.FLOAT, [])
    body = helper.make_graph(
        [helper.make_node('Identity', ['goes_on'], ['goes_on_further']),
         helper.make_node('Identity', ['state'], ['next_state'])],
        'body',
        [helper.make_tensor_value_info('turn', onnx.TensorProto.INT64, []),
         helper.make_tensor_value_info('goes_on', onnx.TensorProto.BOOL, []), state],
        [helper.make_tensor_value_info('goes_on_further', onnx.TensorProto.BOOL, []),
         helper.make_tensor_value_info('next_state', onnx.TensorProto.FLOAT, [])])
    for name, value in (('most', np.float32(199)), ('nothing', np.float32(0)),
                        ('endless', np.int64(2**62))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
    model.graph.node.extend([
        helper.make_node('ReduceMean', ['planes'], ['brightest'], keepdims=0),
        helper.make_node('Greater', ['brightest', 'most'], ['hangs']),
        helper.make_node('Loop', ['endless', 'hangs', 'nothing'], ['zero'], body=body),
        helper.make_node('Add', ['sums', 'zero'], ['logits'])])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_hanging_bundle(models: Path) -> Path:
    """Write a bundle of the hanging network."""
    data = hanging_model()
    return write_bundle(models, manifest(data), data)


def add_precision(bundle: Path, name: str, model: bytes) -> Path:
    """Let a bundle have one more precision, of that model; return the model's file."""
    file = bundle / f'{name}.onnx'
    file.write_bytes(model)
    content = yaml.safe_load((bundle / 'model.yaml').read_text(encoding='utf-8'))
    content['precisions'][name] = {
        'file': file.name, 'sha256': hashlib.sha256(model).hexdigest(), 'accuracy': {}}
    (bundle / 'model.yaml').write_text(
        yaml.safe_dump(content, sort_keys=False), encoding='utf-8')
    return file
