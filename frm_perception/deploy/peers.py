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
Two public road segmentation networks, to compare the speed of one's own with.

Both are read as they are published, so their graphs go further than logits: the first enlarges
its four classes to the image's size and ends in a softmax, the second enlarges 19 and ends in the
class of each pixel.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.deploy.runtimes import LITERT
from frm_perception.deploy.runtimes import OPENVINO
from frm_perception.deploy.runtimes import Subject
from frm_perception.deploy.runtimes import litert
from frm_perception.deploy.runtimes import openvino
from frm_perception.networks.cost import Cost
from frm_perception.runtime.engines.openvino import openvino_core

_ROAD = 'road-segmentation-adas-0001'
_DEEPLAB = 'deeplab-edgetpu-slim-cityscapes'
ROAD_FILE = Path(_ROAD, f'{_ROAD}.xml')
DEEPLAB_FILE = Path(_DEEPLAB, 'deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite')


def peers(folder: Path, size: tuple[int, int], threads: int) -> list[Subject]:
    """
    Return the two networks, ready to be measured.

    :param folder: holds :data:`ROAD_FILE`, with its ``.bin`` beside it, and :data:`DEEPLAB_FILE`.
    :param size: (height, width) of the first's input; the second has its own, fixed.
    :raises FileNotFoundError: one of the files is missing.
    """
    for file in (ROAD_FILE, ROAD_FILE.with_suffix('.bin'), DEEPLAB_FILE):
        if not (folder / file).is_file():
            raise FileNotFoundError(f'no file {folder / file}, which is one of the peers')
    return [road_network(folder / ROAD_FILE, size, threads),
            deeplab(folder / DEEPLAB_FILE, threads)]


def road_network(file: Path, size: tuple[int, int], threads: int) -> Subject:
    """
    Return Intel's road-segmentation-adas-0001 (Open Model Zoo, OpenVINO IR) in fp32.

    Only OpenVINO reads this format.

    :param size: (height, width) in place of the file's 512x896; multiples of 32.
    """
    model = openvino_core().read_model(file)
    model.reshape([1, 3, *size])
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    return Subject(_ROAD, size, 'fp32', _cost_of_ir(model), {}, None,
                   {OPENVINO: partial(openvino, model, image, threads)})


def deeplab(file: Path, threads: int) -> Subject:
    """
    Return DeepLab on MobileNet-EdgeTPU (TFLite, int8) at the size it is published for.

    OpenVINO 2026.4 says that it reads this format, but fails at this file's joining of the pooled
    map, whose axes it takes in another order.
    """
    from ai_edge_litert.schema_py_generated import Model
    from ai_edge_litert.schema_py_generated import ModelT
    graph = ModelT.InitFromObj(Model.GetRootAs(file.read_bytes()))
    shape = graph.subgraphs[0].tensors[graph.subgraphs[0].inputs[0]].shape
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Subject(_DEEPLAB, (int(shape[1]), int(shape[2])), 'int8', _cost_of_tflite(graph), {},
                   None, {LITERT: partial(litert, file, image, threads)})


def _cost_of_ir(model: Any) -> Cost:
    multiply_adds = parameters = 0
    for node in model.get_ops():
        if node.get_type_name() in ('Convolution', 'GroupConvolution'):
            # Weights are (out, in, h, w), or (groups, out, in, h, w).
            multiply_adds += math.prod(node.get_input_shape(1)) * math.prod(
                node.get_output_shape(0)[2:])
        elif node.get_type_name() == 'Constant' and node.get_element_type().is_real():
            parameters += math.prod(node.get_output_shape(0))
    return Cost(parameters, multiply_adds, attention=0)


def _cost_of_tflite(model: Any) -> Cost:
    from ai_edge_litert.schema_py_generated import BuiltinOperator
    graph = model.subgraphs[0]
    multiply_adds = parameters = 0
    for node in graph.operators:
        # Files from before there were more than 127 operators have the number in the old place.
        code = model.operatorCodes[node.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) not in (
                BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        # (out, h, w, in), or (1, h, w, channels).
        weights, bias = (math.prod(map(int, graph.tensors[index].shape))
                         for index in node.inputs[1:3])
        multiply_adds += weights * math.prod(map(int, graph.tensors[node.outputs[0]].shape[1:3]))
        parameters += weights + bias
    return Cost(parameters, multiply_adds, attention=0)
