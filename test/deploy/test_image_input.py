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
"""A quantised model takes the image's own bytes, and computes the same."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='conversion needs onnx: requirements/train.txt')
onnxruntime = pytest.importorskip('onnxruntime')

from onnx import numpy_helper  # noqa: E402

from frm_perception.deploy.image_input import move_normalisation  # noqa: E402

MEAN = np.float32([124, 116, 104])[:, None, None]
SCALE = np.float32([0.02, 0.017, 0.018])[:, None, None]
NOISE = np.random.default_rng(0)


def _model(nodes):
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 20]>
        g (uint8[N,H,W,3] image) => (float[N,C,R,S] logits) {{ {nodes} }}""")
    for name, value in {
            'mean': MEAN, 'scale': SCALE, 'bias': np.float32([1, 2]),
            'kernel': NOISE.normal(size=(2, 3, 3, 3)).astype(np.float32)}.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return model


NORMALISED = """
    planes = Transpose<perm = [0, 3, 1, 2]>(image)
    pixels = Cast<to = 1>(planes)
    less = Sub(pixels, mean)
    x = Mul(less, scale)
"""


def _run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=['CPUExecutionProvider'])
    return session.run(None, {'image': image})[0]


def _image():
    return NOISE.integers(0, 256, (1, 12, 16, 3), np.uint8)


def test_the_first_convolution_normalises_the_image():
    model = _model(NORMALISED + 'logits = Conv(x, kernel, bias)')
    image = _image()
    expected = _run(model, image)
    found = move_normalisation(model)
    assert (found.tensor, found.centre) == ('less', 115)
    assert [node.op_type for node in model.graph.node] == ['Transpose', 'Cast', 'Sub', 'Conv']
    assert np.abs(_run(model, image) - expected).max() < 1e-4


def test_the_border_of_a_padded_convolution_is_as_if_the_image_went_on_in_that_grey():
    padded = _model(NORMALISED + 'logits = Conv<pads = [1, 1, 1, 1]>(x, kernel, bias)')
    bare = _model(NORMALISED + 'logits = Conv(x, kernel, bias)')
    padded.graph.initializer[3].CopyFrom(bare.graph.initializer[3])
    image = _image()
    expected = _run(padded, image)
    found = move_normalisation(padded)
    grey = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=found.centre)
    moved = _run(padded, image)
    assert np.abs(moved - _run(bare, grey)).max() < 1e-4
    assert np.abs(moved - expected)[:, :, 1:-1, 1:-1].max() < 1e-4


@pytest.mark.parametrize('nodes', [
    'pixels = Cast<to = 1>(image)\nlogits = Transpose<perm = [0, 3, 1, 2]>(pixels)',
    NORMALISED + 'logits = Relu(x)',
    NORMALISED + 'y = Relu(less)\nz = Conv(x, kernel, bias)\nlogits = Add(z, y)',
    NORMALISED + 'logits = Conv(x, kernel)'],
    ids=['no normalisation', 'no convolution', 'another taker', 'no bias'])
def test_a_graph_that_begins_otherwise_is_left_as_it_is(nodes):
    model = _model(nodes)
    before = model.SerializeToString()
    assert move_normalisation(model) is None
    assert model.SerializeToString() == before
