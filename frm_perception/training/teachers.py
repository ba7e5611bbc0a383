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
"""Two public networks that label footage nobody has labelled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.runtime.engines.openvino import openvino_core

Image = NDArray[np.uint8]

_CITYSCAPES_TO_CAMVID = np.full(256, IGNORE, np.uint8)
for _index, _ids in enumerate(CITYSCAPES.classes_in(CAMVID)):
    _CITYSCAPES_TO_CAMVID[_index] = _ids[0]
_ROAD = CAMVID.classes.index('road')
_ROAD_MAPS = 4  # background, road, curb, lane mark


class CityscapesTeacher:
    """
    DeepLab on MobileNet-EdgeTPU, int8 TFLite, trained on Cityscapes: all classes.

    :param file: ``deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite``.
    :raises ValueError: the file is not of such a network.
    """

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter
        self._interpreter = Interpreter(str(file), num_threads=2)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        taken, given = self._input['shape'].tolist(), self._output['shape'].tolist()
        if len(taken) != 4 or given not in (taken[:3], [*taken[:3], 1]):
            raise ValueError(f'{file}: takes {taken} and gives {given}, not one class id a pixel')

    def label(self, image: Image) -> Image:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 CamVid ids."""
        _, height, width, _ = self._input['shape']
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        self._interpreter.set_tensor(self._input['index'], small[None].astype(np.uint8))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output['index'])[0]
        ids = output.astype(np.uint8).reshape(output.shape[0], output.shape[1])
        large = cv2.resize(ids, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        labels: Image = _CITYSCAPES_TO_CAMVID[large]
        return labels


class RoadTeacher:
    """
    Intel's road-segmentation-adas-0001 (Open Model Zoo, OpenVINO IR): road against the rest.

    :param file: ``road-segmentation-adas-0001.xml``.
    :raises ValueError: the file is not of such a network.
    """

    def __init__(self, file: Path) -> None:
        self._model = openvino_core().compile_model(
            file, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        taken, given = self._model.input(0).partial_shape, self._model.output(0).partial_shape
        if (taken.is_dynamic or given.is_dynamic or len(taken) != 4
                or tuple(given) != (taken[0], _ROAD_MAPS, *tuple(taken)[2:])):
            raise ValueError(f'{file}: takes {taken} and gives {given}, not {_ROAD_MAPS} maps of '
                             'the size of its input')

    def road(self, image: Image) -> NDArray[np.float32]:
        """(H, W, 3) uint8 RGB -> (H, W) float32 probability of road or lane mark."""
        height, width = self._model.input(0).shape[2:]
        small = cv2.resize(image[..., ::-1], (width, height), interpolation=cv2.INTER_AREA)
        maps = self._model(small.transpose(2, 0, 1)[None].astype(np.float32))[0][0]
        return cv2.resize(
            maps[1] + maps[3], image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def agreed_labels(image: Image, cityscapes: CityscapesTeacher, road: RoadTeacher) -> Image:
    """
    Label an image where the teachers agree; elsewhere it stays unlabelled.

    The first must say the same of the image and of its mirror image, and both must agree on what
    is road.

    :param image: (H, W, 3) uint8 RGB.
    :return: (H, W) uint8 CamVid ids, 255 where they disagree or are unsure.
    """
    labels = cityscapes.label(image)
    mirrored = cityscapes.label(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    probability = road.road(image)
    says_road = labels == _ROAD
    disagree = (says_road & (probability < 0.5)) | (~says_road & (probability > 0.3))
    labels[disagree | (labels != mirrored)] = IGNORE
    return labels
