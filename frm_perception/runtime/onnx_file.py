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
Look into a serialised ONNX model for tensors that are kept in other files, or are no numbers.

ONNX Runtime resolves references to other files against the process's working directory when a
model is given as bytes, so the checksum of the model would say nothing about the weights. And of
weights that are no numbers, OpenVINO makes labels without a word. The few lines of the protobuf
wire format needed to find both spare the vehicle the ``onnx`` package.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (ONNX IR 3 and later).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VARINT = 0
_FIXED64 = 1
_BYTES = 2
_FIXED32 = 5

_TENSOR = 'tensor'
# message -> field number -> message that lies there; only the ways that lead to a tensor.
_SCHEMA: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: _TENSOR, 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: _TENSOR, 6: 'graph', 10: _TENSOR, 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_TENSOR_DATA_TYPE = 2
_TENSOR_FLOATS = 4
_TENSOR_INT32S = 5
_TENSOR_NAME = 8
_TENSOR_RAW = 9
_TENSOR_DOUBLES = 10
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_MAX_DEPTH = 64

# TensorProto.DataType -> the bits of the exponent, all of which are set in NaN and infinity alone.
_EXPONENTS: dict[int, np.unsignedinteger[Any]] = {
    1: np.uint32(0x7F80_0000),  # FLOAT
    10: np.uint16(0x7C00),  # FLOAT16
    11: np.uint64(0x7FF0_0000_0000_0000),  # DOUBLE
    16: np.uint16(0x7F80),  # BFLOAT16
}


def external_tensors(model: bytes) -> list[str]:
    """
    Return the names of the tensors of a serialised ``ModelProto`` that are kept outside it.

    :raises ValueError: the bytes are not a well-formed protobuf message.
    """
    return [_name(tensor) for tensor in _tensors(model) if _is_external(tensor)]


def not_finite_tensors(model: bytes) -> list[str]:
    """
    Return the names of the tensors of a serialised ``ModelProto`` that hold NaN or infinity.

    Looks at weights and constants of 16, 32 and 64 bits that lie within the model.

    :raises ValueError: the bytes are not a well-formed protobuf message.
    """
    return [_name(tensor) for tensor in _tensors(model) if not _is_finite(tensor)]


def _tensors(model: bytes) -> Iterator[memoryview]:
    """Return every ``TensorProto`` within a ``ModelProto``."""
    stack: list[tuple[str, memoryview, int]] = [('model', memoryview(model), 0)]
    while stack:
        message, data, depth = stack.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f'graphs are nested more than {_MAX_DEPTH} deep')
        if message == _TENSOR:
            yield data
            continue
        for number, wire, value in _fields(data):
            child = _SCHEMA[message].get(number)
            if child is not None and wire == _BYTES:
                assert isinstance(value, memoryview)
                stack.append((child, value, depth + 1))


def _name(tensor: memoryview) -> str:
    name = ''
    for number, _, value in _fields(tensor):
        if number == _TENSOR_NAME and isinstance(value, memoryview):
            name = bytes(value).decode('utf-8', 'replace')
    return name or '(unnamed)'


def _is_external(tensor: memoryview) -> bool:
    # All fields are walked, so that a damaged one is not missed.
    return any([number == _TENSOR_EXTERNAL_DATA and wire == _BYTES
                or number == _TENSOR_DATA_LOCATION and value != 0
                for number, wire, value in _fields(tensor)])


def _is_finite(tensor: memoryview) -> bool:
    exponent = None
    for number, _, value in _fields(tensor):
        if number == _TENSOR_DATA_TYPE and isinstance(value, int):
            exponent = _EXPONENTS.get(value)
    if exponent is None:
        return True
    return not any(((bits & exponent) == exponent).any()
                   for bits in _stored_bits(tensor, exponent.dtype))


def _stored_bits(tensor: memoryview, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Return what a tensor holds, wherever it holds it, as unsigned integers of that size."""
    for number, _, value in _fields(tensor):
        if isinstance(value, int):
            if number == _TENSOR_INT32S:
                yield np.array([value & 0xFFFF], dtype)
        elif number == _TENSOR_INT32S:
            yield _low_bits_of_varints(value).astype(dtype)
        elif number in (_TENSOR_RAW, _TENSOR_FLOATS, _TENSOR_DOUBLES):
            whole = len(value) // dtype.itemsize * dtype.itemsize
            yield np.frombuffer(value[:whole], dtype.newbyteorder('<'))


def _low_bits_of_varints(data: memoryview) -> NDArray[np.uint32]:
    """Return the lowest 16 bits of every number of a packed field."""
    raw = np.frombuffer(data, np.uint8).astype(np.uint32)
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate([[0], ends + 1])[:-1]
    numbers = np.zeros(len(ends), np.uint32)
    for byte in range(3):
        at = np.minimum(starts + byte, ends)
        numbers += np.where(starts + byte <= ends, (raw[at] & 0x7F) << 7 * byte, 0)
    return numbers & np.uint32(0xFFFF)


def _fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f'not an ONNX file: wire type {wire}')
        if position + size > len(data):
            raise ValueError('the ONNX file ends in the middle of a field')
        yield number, wire, data[position:position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError('the ONNX file ends in the middle of a number')
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError('not an ONNX file: a number of more than ten bytes')
