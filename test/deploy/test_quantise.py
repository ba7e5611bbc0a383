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
"""A model in 8 bits: what is in 8 bits, what stays in 32, and what both schemes are made of."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='conversion needs onnx: requirements/train.txt')
onnxruntime = pytest.importorskip('onnxruntime')

from onnx import TensorProto  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from tiny_bundle import TINY  # noqa: E402
from tiny_bundle import tiny_model  # noqa: E402
from tiny_layers import layered_model  # noqa: E402

from frm_perception.deploy.half_precision import with_stored_halves  # noqa: E402
from frm_perception.deploy.half_precision import with_widened_weights  # noqa: E402
from frm_perception.deploy.quantise import SCHEMES  # noqa: E402
from frm_perception.deploy.quantise import Quantiser  # noqa: E402
from frm_perception.deploy.sensitivity import by_harm  # noqa: E402

RANDOM = np.random.default_rng(0)


def _batches(count=3):
    """Return images of blocks in the colours of the classes."""
    return [TINY.colors()[RANDOM.integers(0, 4, (16, 24))].repeat(4, 0).repeat(4, 1)[None]
            for _ in range(count)]


def _run(model, batch):
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    return session.run(None, {'image': batch})[0]


def _graph(model):
    return onnx.load_from_string(model).graph


def _weights(model):
    """Return for each convolution, by its weights' name, whether these are in 8 bits."""
    graph = _graph(model)
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    return {node.input[1].partition('.weight')[0]: made_by.get(node.input[1])
            == 'DequantizeLinear' for node in graph.node if node.op_type == 'Conv'}


@pytest.fixture(scope='module')
def quantiser():
    return Quantiser(layered_model(), SCHEMES['int8'], _batches())


def test_layers_have_the_names_of_their_weights_and_their_activation(quantiser):
    assert [layer.name for layer in quantiser.layers] == [
        'first', 'AveragePool_6', 'second', 'wide', 'last']
    assert [len(layer.nodes) for layer in quantiser.layers] == [2, 1, 1, 1, 1]


def test_all_convolutions_have_weights_of_8_bits_a_scale_for_each_channel(quantiser):
    model = quantiser.quantise(quantiser.layers)
    assert _weights(model) == dict.fromkeys(('first', 'second', 'wide', 'last'), True)
    weights = {weight.name: weight for weight in _graph(model).initializer}
    assert weights['wide.weight_quantized'].data_type == TensorProto.INT8
    assert list(weights['wide.weight_scale'].dims) == [4]


def test_nothing_stands_between_the_image_and_the_first_convolution(quantiser):
    operators = [node.op_type for node in _graph(quantiser.quantise(quantiser.layers)).node]
    assert not {'Cast', 'Sub', 'Mul', 'Relu'} & set(operators)


@pytest.mark.parametrize('left', [{'wide'}, {'first'}, {'first', 'last'}, {'AveragePool_6'}])
def test_layers_that_are_left_out_compute_in_32_bits(quantiser, left):
    layers = [layer for layer in quantiser.layers if layer.name not in left]
    model = quantiser.quantise(layers)
    assert {name for name, eight in _weights(model).items() if not eight} == left - {
        'AveragePool_6'}
    assert _run(model, _batches()[1]).shape == (1, 4, 16, 24)


def test_no_layer_at_all_is_no_quantised_model(quantiser):
    with pytest.raises(ValueError, match='needs a layer'):
        quantiser.quantise([])


@pytest.mark.parametrize('scheme', SCHEMES)
def test_labels_are_those_of_the_exact_model_where_the_ranges_suit(scheme):
    model = layered_model(wide=False)
    quantiser = Quantiser(model, SCHEMES[scheme], _batches())
    quantised = quantiser.quantise(quantiser.layers)
    for batch in _batches():
        expected = _run(model, batch)
        found = _run(quantised, batch)
        assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_pixels_themselves_are_exact():
    """An image is 8 bits already: of the tiny network only weights and logits are rounded."""
    quantiser = Quantiser(tiny_model(), SCHEMES['int8'], _batches())
    assert len(quantiser.layers) == 2
    quantised = quantiser.quantise(quantiser.layers)
    for batch in _batches():
        assert np.array_equal(_run(quantised, batch).argmax(axis=1),
                              _run(tiny_model(), batch).argmax(axis=1))


def test_tensorrt_gets_symmetric_int8_and_biases_in_float():
    quantiser = Quantiser(layered_model(), SCHEMES['int8-tensorrt'], _batches())
    graph = _graph(quantiser.quantise(quantiser.layers))
    weights = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    points = [weights[node.input[2]] for node in graph.node
              if node.op_type in ('QuantizeLinear', 'DequantizeLinear')]
    assert len(points) > 10
    assert all(point.dtype == np.int8 and not point.any() for point in points)
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    biases = [node.input[2] for node in graph.node if node.op_type == 'Conv']
    assert all(name in weights and weights[name].dtype == np.float32 for name in biases)
    # A convolution and its ReLU are one for TensorRT only with nothing in between.
    (relu,) = (node for node in graph.node if node.op_type == 'Relu')
    assert made_by[relu.input[0]] == 'Conv'


def test_cpus_get_uint8_activations():
    quantiser = Quantiser(layered_model(), SCHEMES['int8'], _batches())
    graph = _graph(quantiser.quantise(quantiser.layers))
    weights = {weight.name: weight.data_type for weight in graph.initializer}
    assert {weights[node.input[2]] for node in graph.node
            if node.op_type == 'QuantizeLinear'} == {TensorProto.UINT8}


def test_weights_that_are_stored_in_16_bits_are_quantised_as_well():
    large = onnx.load_from_string(layered_model())
    for weight in large.graph.initializer:
        if weight.name == 'second.weight':
            values = np.zeros((3, 3, 31, 31), np.float32)
            values[:, :, 15, 15] = np.eye(3)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    for node in large.graph.node:
        if 'second.weight' in node.input:
            node.attribute.append(onnx.helper.make_attribute('pads', [15] * 4))
    stored = with_stored_halves(large.SerializeToString())
    assert any(weight.data_type == TensorProto.FLOAT16 for weight in _graph(stored).initializer)
    assert _graph(with_widened_weights(stored)) == large.graph
    quantiser = Quantiser(stored, SCHEMES['int8'], _batches())
    assert _weights(quantiser.quantise(quantiser.layers))['second']


def test_a_model_without_layers_is_refused():
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 20]>
        g (uint8[N,H,W,3] image) => (float[N,3,H,W] logits) {
            pixels = Cast<to = 1>(image)
            logits = Transpose<perm = [0, 3, 1, 2]>(pixels)
        }""")
    with pytest.raises(ValueError, match='no layer that can be quantised'):
        Quantiser(model.SerializeToString(), SCHEMES['int8'], _batches())


def test_the_layers_around_a_huge_channel_hurt_most(quantiser):
    # Either of them rounds what is between them.
    ranked = by_harm(quantiser, layered_model(), _batches())
    assert {layer.name for layer in ranked[:2]} == {'wide', 'last'}
    assert len(ranked) == len(quantiser.layers)
