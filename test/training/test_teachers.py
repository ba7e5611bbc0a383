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
"""What two networks say of an image is its label where they agree."""

import numpy as np
import pytest

from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import IGNORE
from frm_perception.training.teachers import CityscapesTeacher
from frm_perception.training.teachers import RoadTeacher
from frm_perception.training.teachers import agreed_labels

ROAD, SKY, CAR = (CAMVID.classes.index(name) for name in ('road', 'sky', 'car'))


class Says:
    """
    Two teachers in one that know the image they are shown: its red is the class.

    Green is the other class that is seen in the mirror, blue the probability of road.
    """

    def __init__(self, image):
        self.image = image

    def label(self, image):
        mirrored = not np.array_equal(image, self.image)
        return image[..., 1 if mirrored else 0].copy()

    def road(self, image):
        return image[..., 2] / np.float32(100)


@pytest.mark.parametrize(('seen', 'mirrored', 'road', 'label'), [
    (ROAD, ROAD, 90, ROAD), (ROAD, ROAD, 40, IGNORE), (CAR, CAR, 10, CAR), (CAR, CAR, 40, IGNORE),
    (SKY, CAR, 10, IGNORE), (ROAD, CAR, 90, IGNORE), (IGNORE, IGNORE, 0, IGNORE)])
def test_a_pixel_is_labelled_where_both_teachers_and_the_mirror_agree(
        seen, mirrored, road, label):
    image = np.full((4, 6, 3), (SKY, SKY, 0), np.uint8)
    image[1, 2] = (seen, mirrored, road)
    labels = agreed_labels(image, Says(image), Says(image))
    assert labels[1, 2] == label
    labels[1, 2] = SKY
    assert (labels == SKY).all()


def _brightest(file, axes, shape, keep=False):
    """Write a TFLite network: the greatest value of a (1, 8, 8, 3) uint8 image over the axes."""
    pytest.importorskip('ai_edge_litert', reason='teachers need ai-edge-litert')
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name, shape, kind, buffer=0):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
        return made

    empty, constant = schema.BufferT(), schema.BufferT()
    constant.data = np.frombuffer(np.array(axes, np.int32).tobytes(), np.uint8)
    graph, operator, code = schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    kinds = schema.TensorType
    graph.tensors = [tensor('image', [1, 8, 8, 3], kinds.UINT8),
                     tensor('axes', [len(axes)], kinds.INT32, 1),
                     tensor('ids', shape, kinds.UINT8)]
    for made in (graph, operator):
        made.inputs, made.outputs = [0] if made is graph else [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    operator.builtinOptions = schema.ReducerOptionsT()
    operator.builtinOptions.keepDims = keep
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.REDUCE_MAX
    graph.operators = [operator]
    model = schema.ModelT()
    model.version, model.operatorCodes = 3, [code]
    model.subgraphs, model.buffers = [graph], [empty, constant]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b'TFL3')
    file.write_bytes(builder.Output())
    return file


@pytest.mark.parametrize('shape', [[1, 8, 8], [1, 8, 8, 1]])
def test_the_cityscapes_teacher_speaks_camvid_at_the_size_of_the_image(tmp_path, shape):
    teacher = CityscapesTeacher(_brightest(tmp_path / 'a.tflite', [3], shape, len(shape) == 4))
    image = np.full((16, 24, 3), CITYSCAPES.classes.index('road'), np.uint8)
    image[8:] = CITYSCAPES.classes.index('terrain')
    image[:8, 12:] = CITYSCAPES.classes.index('bus')
    labels = teacher.label(image)
    assert labels.shape == (16, 24) and labels.dtype == np.uint8
    assert (labels[8:] == CAMVID.classes.index('tree')).all()
    assert (labels[:8, :12] == ROAD).all() and (labels[:8, 12:] == CAR).all()


def test_a_network_that_gives_no_class_a_pixel_is_no_teacher(tmp_path):
    with pytest.raises(ValueError, match=r'a\.tflite: takes \[1, 8, 8, 3\] and gives \[1, 3\]'):
        CityscapesTeacher(_brightest(tmp_path / 'a.tflite', [1, 2], [1, 3]))


def test_the_road_teacher_adds_road_and_lane_marks_at_the_size_of_the_image(tmp_path):
    openvino = pytest.importorskip('openvino', reason='teachers need openvino')
    from openvino import opset13 as ops
    image = ops.parameter([1, 3, 32, 64], np.float32)
    blue, green, red = (ops.gather(image, np.array([index]), np.array(1)) for index in range(3))
    # Maps: background, road, curb, lane mark, made of blue, green and red.
    maps = ops.divide(ops.concat([blue, green, blue, red], 1), np.float32(255))
    file = tmp_path / 'road.xml'
    openvino.save_model(openvino.Model([maps], [image]), file, compress_to_fp16=False)
    picture = np.zeros((48, 40, 3), np.uint8)
    picture[:, 20:] = (51, 102, 204)  # red 0.2, green 0.4
    road = RoadTeacher(file).road(picture)
    assert road.shape == (48, 40)
    assert np.allclose(road[:, :18], 0, atol=0.01)
    assert np.allclose(road[:, 22:], 0.6, atol=0.01)
