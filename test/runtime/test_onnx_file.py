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
"""Weights kept outside of a model, or that are no numbers, are found wherever they hide."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper
from tiny_bundle import tiny_model

from frm_perception.runtime.onnx_file import external_tensors
from frm_perception.runtime.onnx_file import not_finite_tensors


def _external(name: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), name)
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = 'location', 'weights.bin'
    return tensor


def _inner_graph() -> onnx.GraphProto:
    return helper.make_graph([], 'inner', [], [], [_external('hidden')])


def _in_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(_external('hidden'))


def _in_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node('Constant', [], ['c'], value=_external('hidden')))


def _in_branch(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node('If', ['c'], ['r'], then_branch=_inner_graph()))


def _in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=_external('hidden')))


def _in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node('Constant', [], ['c'], value=_external('hidden'))
    model.functions.append(onnx.FunctionProto(name='f', node=[node]))


def _without_location(model: onnx.ModelProto) -> None:
    tensor = _external('hidden')
    tensor.ClearField('external_data')
    model.graph.initializer.append(tensor)


@pytest.mark.parametrize('hide', [
    _in_initializer, _in_constant, _in_branch, _in_sparse, _in_function, _without_location])
def test_an_external_tensor_is_found(hide: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_from_string(tiny_model())
    hide(model)
    assert external_tensors(model.SerializeToString()) == ['hidden']


def test_a_model_that_holds_its_weights_has_none() -> None:
    assert external_tensors(tiny_model()) == []


@given(st.binary(max_size=200))
@pytest.mark.parametrize('look', [external_tensors, not_finite_tensors])
def test_any_bytes_are_read_or_refused(look: Callable[[bytes], list[str]], data: bytes) -> None:
    for content in (data, _field(7, _field(5, b'\x10\x0a' + data))):
        try:
            assert isinstance(look(content), list)
        except ValueError as error:
            assert str(error)


def _with_tensor(tensor: TensorProto) -> bytes:
    model = onnx.load_from_string(tiny_model())
    model.graph.initializer.append(tensor)
    return bytes(model.SerializeToString())


_FLOATS = [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE]
_LARGEST = {TensorProto.FLOAT16: 65504.0, TensorProto.DOUBLE: 1e308}


def _bits(kind: int, values: list[float]) -> bytes:
    if kind == TensorProto.BFLOAT16:
        return (np.array(values, '<f4').view('<u4') >> 16).astype('<u2').tobytes()
    return np.array(values, helper.tensor_dtype_to_np_dtype(kind)).tobytes()


@pytest.mark.parametrize('kind', _FLOATS, ids=TensorProto.DataType.Name)
@pytest.mark.parametrize('raw', [True, False])
@pytest.mark.parametrize(('value', 'is_finite'), [
    (np.nan, False), (-np.nan, False), (np.inf, False), (-np.inf, False), (0.0, True),
    (-1.0, True), (None, True)])
def test_a_value_that_is_no_finite_number_is_found_however_it_is_stored(
        kind: int, raw: bool, value: float | None, is_finite: bool) -> None:
    values = [0.5, _LARGEST.get(kind, 3e38) if value is None else value, -2.0]
    content = _bits(kind, values) if raw else values
    model = _with_tensor(helper.make_tensor('spoilt', kind, [3], content, raw=raw))
    assert not_finite_tensors(model) == ([] if is_finite else ['spoilt'])


def test_integers_are_not_taken_for_numbers_that_are_not_finite() -> None:
    for dtype in (np.int8, np.uint8, np.int32, np.int64):
        assert not_finite_tensors(_with_tensor(
            numpy_helper.from_array(np.full(9, -1).astype(dtype), 'whole'))) == []


@given(st.lists(st.floats(width=16), max_size=20))
def test_halves_stored_as_integers_are_read_exactly(values: list[float]) -> None:
    model = _with_tensor(helper.make_tensor('halves', TensorProto.FLOAT16, [len(values)], values))
    assert not_finite_tensors(model) == ([] if np.isfinite(values).all() else ['halves'])


@given(st.integers(0, 400))
def test_a_model_cut_short_never_passes_for_one_with_fewer_weights(cut: int) -> None:
    model = tiny_model()
    try:
        assert external_tensors(model[:cut]) == []
    except ValueError as error:
        assert 'ends in the middle' in str(error)


def test_endless_nesting_is_refused() -> None:
    graph = b''
    for _ in range(80):
        # A graph within an attribute (6) of a node (5) of a graph (1).
        graph = _field(1, _field(5, _field(6, graph)))
    with pytest.raises(ValueError, match='nested'):
        external_tensors(_field(7, graph))


def _field(number: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + content
