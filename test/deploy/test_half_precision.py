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
"""A model in 16 bits: what it takes and gives, what stays in 32, and how exact it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

onnx = pytest.importorskip('onnx', reason='conversion needs onnx: requirements/train.txt')
onnxruntime = pytest.importorskip('onnxruntime')

from onnx import TensorProto  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from frm_perception.deploy.half_precision import to_half  # noqa: E402
from frm_perception.deploy.half_precision import with_rounded_results  # noqa: E402
from frm_perception.deploy.half_precision import with_stored_halves  # noqa: E402


def _model(nodes, **weights):
    """Return a model that computes ``logits`` of ``x``, the image's planes; nodes as text."""
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 20]>
        g (uint8[N,H,W,3] image) => (float[N,C,R,S] logits) {{
            pixels = Cast<to = 1>(image)
            x = Transpose<perm = [0, 3, 1, 2]>(pixels)
            {nodes}
        }}""")
    for node in model.graph.node:
        node.name = node.output[0]
    for name, value in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


def _run(model, image):
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    return session.run(['logits'], {'image': image})[0]


def _noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def _computed_in(model, data_type):
    """Return the names of the nodes, without casts, that give results of that type."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    named = {tensor.name for tensor in (*graph.value_info, *graph.output)
             if tensor.type.tensor_type.elem_type == data_type}
    return {node.name for node in graph.node
            if node.op_type != 'Cast' and named.intersection(node.output)}


@pytest.fixture(scope='module')
def attention():
    """Make a model of attention whose products of queries and keys reach 195075."""
    return _model("""
        columns = Reshape(x, by_position)
        rows = Transpose<perm = [0, 2, 1]>(columns)
        products = MatMul(rows, columns)
        scaled = Mul(products, scale)
        weights = Softmax<axis = 2>(scaled)
        turned = Transpose<perm = [0, 2, 1]>(weights)
        mixed = MatMul(columns, turned)
        size = Shape(x)
        logits = Reshape(mixed, size)
        """, by_position=np.int64([0, 3, -1]), scale=np.float32(1e-3))


def test_products_of_queries_and_keys_and_their_softmax_stay_in_32_bits(attention):
    half = to_half(attention)
    assert _computed_in(half, TensorProto.FLOAT) == {'products', 'scaled', 'weights'}
    assert _computed_in(half, TensorProto.FLOAT16) == {
        'x', 'columns', 'rows', 'turned', 'mixed', 'logits'}


def test_products_stay_in_32_bits_also_where_another_product_mixes_them():
    half = to_half(_model("""
        columns = Reshape(x, by_position)
        rows = Transpose<perm = [0, 2, 1]>(columns)
        products = MatMul(rows, columns)
        flat = Reshape(products, by_pair)
        mixed = MatMul(mixing, flat)
        pairs = Shape(products)
        scaled = Reshape(mixed, pairs)
        weights = Softmax<axis = 2>(scaled)
        turned = Transpose<perm = [0, 2, 1]>(weights)
        sums = MatMul(columns, turned)
        size = Shape(x)
        logits = Reshape(sums, size)
        """, by_position=np.int64([0, 3, -1]), by_pair=np.int64([0, 1, -1]),
        mixing=np.float32([[1e-3]])))
    assert {'products', 'mixed', 'scaled', 'weights'} <= _computed_in(half, TensorProto.FLOAT)
    assert {'x', 'columns', 'sums'} <= _computed_in(half, TensorProto.FLOAT16)


def test_logits_beyond_16_bits_spoil_nothing(attention):
    image = _noise(2, 8, 12)
    expected = _run(attention, image)
    for model in (to_half(attention), with_rounded_results(to_half(attention))):
        assert np.abs(_run(model, image) - expected).max() < 2e-3 * np.abs(expected).max()


def test_means_over_pixels_stay_in_32_bits_also_where_they_share_their_input():
    model = _model("""
        of_rows = ReduceMean<keepdims = 1>(x, last)
        of_columns = ReduceMean<keepdims = 1>(x, third)
        logits = Add(of_rows, of_columns)
        """, last=np.int64([3]), third=np.int64([2]))
    half = to_half(model)
    assert _computed_in(half, TensorProto.FLOAT) == {'of_rows', 'of_columns'}
    image = _noise(1, 30, 40)
    assert np.abs(_run(half, image) - _run(model, image)).max() < 0.25


def test_what_the_size_alone_decides_stays_in_32_bits():
    # 2049 has no place in 16 bits.
    model = _model("""
        sizes = Shape<start = 3, end = 4>(x)
        width = Cast<to = 1>(sizes)
        beyond = Sub(width, limit)
        logits = Mul(x, beyond)
        """, limit=np.float32(2048.0))
    image = _noise(1, 2, 2049)
    assert np.array_equal(_run(to_half(model), image), _run(model, image))


@pytest.mark.parametrize('weight', [65520.0, -1e6])
def test_a_weight_that_16_bits_cannot_hold_is_refused_by_name(weight):
    model = _model('logits = Mul(x, factor)', factor=np.float32([weight]))
    with pytest.raises(ValueError, match="'factor' are beyond 65504"):
        to_half(model)


def test_a_weight_smaller_than_16_bits_hold_does_not_become_nothing():
    model = _model('logits = Mul(x, factor)', factor=np.float32([1e-9]))
    weight = numpy_helper.to_array(onnx.load_from_string(to_half(model)).graph.initializer[0])
    assert weight.dtype == np.float16
    assert 0.0 < weight[0] < 1e-7


@given(st.floats(-300, 300, width=32), st.integers(0, 255))
@settings(max_examples=30, deadline=None)
def test_rounded_results_are_those_of_16_bit_arithmetic(factor, value):
    model = _model('tripled = Mul(x, three)\nlogits = Mul(tripled, factor)',
                   three=np.float32([3.0]), factor=np.float32([factor]))
    weight = numpy_helper.to_array(next(
        tensor for tensor in onnx.load_from_string(to_half(model)).graph.initializer
        if tensor.name == 'factor'))
    image = np.full((1, 1, 1, 3), value, np.uint8)
    with np.errstate(over='ignore'):
        expected = np.float16(3 * value) * weight
    assert np.array_equal(_run(with_rounded_results(to_half(model)), image).ravel(),
                          expected.repeat(3))


@pytest.fixture(scope='module')
def exported():
    torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')
    from frm_perception.deploy.export import export_onnx
    from frm_perception.networks import SegmentationNetwork
    from frm_perception.networks.backbones.van import Van
    from frm_perception.networks.backbones.van import VanVariant
    from frm_perception.networks.context.refinement import FeatureRefinement
    from frm_perception.networks.heads.pyramid import PyramidHead
    torch.manual_seed(0)
    variant = VanVariant((8, 16, 24, 32), (1, 1, 1, 1), (2, 2, 2, 2))
    head = PyramidHead(variant.channels, 5, FeatureRefinement(variant.channels, 16), 8)
    torch.nn.init.normal_(head.context.mixer.out.weight)
    full = export_onnx(SegmentationNetwork(Van(variant), head))
    return full, to_half(full)


def test_input_and_output_are_those_of_the_model_in_32_bits(exported):
    full, half = (onnx.load_from_string(model).graph for model in exported)
    assert list(half.input) == list(full.input)
    assert list(half.output) == list(full.output)
    assert half.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert half.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_every_convolution_has_its_weights_and_computes_in_16_bits(exported):
    graph = onnx.load_from_string(exported[1]).graph
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert convolutions
    assert {node.name for node in convolutions} <= _computed_in(exported[1], TensorProto.FLOAT16)
    types = {weight.name: weight.data_type for weight in graph.initializer}
    assert {types[node.input[1]] for node in convolutions} == {TensorProto.FLOAT16}


@pytest.mark.parametrize('shape', [(1, 64, 64), (2, 96, 160)])
def test_logits_at_any_size_are_nearly_the_same(exported, shape):
    full, half = exported
    image = _noise(*shape)
    expected = _run(full, image)
    for model in (half, with_rounded_results(half)):
        got = _run(model, image)
        assert got.dtype == np.float32
        assert np.abs(got - expected).max() < 0.01 * np.abs(expected).max()


def test_weights_stored_in_16_bits_halve_the_file_and_are_computed_with_in_32():
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.1, (64, 3, 3, 3)).astype(np.float32)
    bias = random.normal(0, 1, 64).astype(np.float32)
    nodes = 'logits = Conv<pads = [1, 1, 1, 1]>(x, w, b)'
    stored = with_stored_halves(_model(nodes, w=weights, b=bias))
    rounded = _model(nodes, w=weights.astype(np.float16).astype(np.float32), b=bias)
    assert len(stored) < 0.6 * len(rounded)
    image = _noise(1, 16, 24)
    np.testing.assert_array_equal(_run(stored, image), _run(rounded, image))
    assert not _computed_in(stored, TensorProto.FLOAT16)


def test_weights_that_16_bits_cannot_hold_stay_as_they_are():
    weights = np.full((64, 3, 3, 3), 1e5, np.float32)
    model = _model('logits = Conv<pads = [1, 1, 1, 1]>(x, w)', w=weights)
    assert np.isfinite(_run(with_stored_halves(model), _noise(1, 4, 4))).all()
