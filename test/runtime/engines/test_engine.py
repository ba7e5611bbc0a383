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
"""What every engine promises, whatever computes: the same tests for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import ModelProto
from onnx import TensorProto
from onnx import helper
from tiny_bundle import TINY
from tiny_bundle import tiny_model

from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine

pytestmark = pytest.mark.parametrize('provider', ['cpu', 'openvino'])


def load(provider: str, model: bytes | None = None, size: tuple[int, int] = (64, 64),
         threads: int = 1) -> Engine:
    """Return an engine that is what was asked for."""
    engine = open_engine(model or tiny_model(), 'models/tiny/fp32.onnx',
                         EngineOptions(provider, size=size, threads=threads))
    assert (engine.provider, engine.fallback) == (provider, None)
    return engine


def edited(edit: Callable[[ModelProto], None]) -> bytes:
    """Return the tiny model with a fault."""
    model = onnx.load_from_string(tiny_model())
    edit(model)
    return bytes(model.SerializeToString())


def test_the_model_says_what_goes_in_and_what_comes_out(provider: str) -> None:
    engine = load(provider, size=(64, 96))
    assert (engine.input.name, engine.input.dtype) == ('image', 'uint8')
    assert engine.input.shape[3] == 3
    assert not any(isinstance(side, int) for side in engine.input.shape[:3])
    assert (engine.output.name, engine.output.dtype) == ('logits', 'float32')
    assert engine.output.shape[1] == len(TINY.classes)
    assert engine.first_shape == (1, len(TINY.classes), 16, 24)


def test_what_was_computed_in_is_read_from_the_runtime(provider: str) -> None:
    assert load(provider).precision == 'fp32'


@pytest.mark.parametrize('threads', [1, 2])
def test_threads_are_those_asked_for(provider: str, threads: int) -> None:
    assert load(provider, threads=threads).threads == threads


def test_a_negative_number_of_threads_is_refused(provider: str) -> None:
    with pytest.raises(ValueError, match='threads is -1'):
        load(provider, threads=-1)


def test_a_batch_gets_one_answer_for_each_image(provider: str) -> None:
    batch = np.zeros((3, 64, 96, 3), np.uint8)
    for image, rgb in zip(batch, TINY.palette, strict=False):
        image[:] = rgb
    logits = load(provider).infer(batch)
    assert logits.shape == (3, 4, 16, 24) and logits.dtype == np.float32
    assert logits.argmax(axis=1)[:, 5, 5].tolist() == [0, 1, 2]


def test_a_model_of_any_number_of_images_takes_batches(provider: str) -> None:
    engine = load(provider)
    assert engine.takes_batches
    assert engine.buffer(3).shape[0] == 3


def test_a_model_of_one_image_takes_no_batches(provider: str) -> None:
    def fix(model: ModelProto) -> None:
        for tensor in (*model.graph.input, *model.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_value = 1

    assert not load(provider, edited(fix)).takes_batches


def test_engines_compute_the_same(provider: str) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    expected = load('cpu').infer(batch)
    np.testing.assert_allclose(load(provider).infer(batch), expected, rtol=1e-4, atol=1e-4)


def test_an_answer_is_the_callers_own(provider: str) -> None:
    engine = load(provider)
    first = engine.infer(np.zeros((1, 64, 64, 3), np.uint8))
    kept = first.copy()
    engine.infer(np.full((1, 64, 64, 3), 255, np.uint8))
    assert np.array_equal(first, kept)


def test_the_buffer_is_a_batch_of_one(provider: str) -> None:
    engine = load(provider, size=(64, 96))
    buffer = engine.buffer()
    assert (buffer.shape, buffer.dtype) == ((1, 64, 96, 3), np.uint8)
    buffer[:] = TINY.palette[2]
    assert (engine.infer(buffer).argmax(axis=1) == 2).all()


@pytest.mark.parametrize('batch', [
    np.zeros((1, 64, 64, 4), np.uint8), np.zeros((1, 64, 64, 3), np.float32),
    np.zeros((64, 64, 3), np.uint8)], ids=['channels', 'type', 'rank'])
def test_a_wrong_batch_is_an_error_and_not_the_end(provider: str, batch: np.ndarray) -> None:
    engine = load(provider)
    with pytest.raises(EngineError, match='inference of .* failed.*is expected'):
        engine.infer(batch)
    assert engine.infer(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 4, 16, 16)


def test_a_closed_engine_says_so(provider: str) -> None:
    engine = load(provider)
    engine.close()
    with pytest.raises(EngineError, match='closed'):
        engine.infer(np.zeros((1, 64, 64, 3), np.uint8))


def _retype(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def _transpose(model: ModelProto) -> None:
    model.graph.node[1].attribute[0].ints[:] = [0, 1, 2, 3]
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value, dims[3].dim_param = 3, 'w'


def _fix_size(model: ModelProto) -> None:
    for dim, side in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 96, 128)):
        dim.dim_value = side


def _add_output(model: ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info('cells', TensorProto.FLOAT, None))


def _spoil_weights(model: ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == 'bias':
            tensor.raw_data = np.array([0, np.nan, 0, 0], np.float32).tobytes()


def _unknown_operator(model: ModelProto) -> None:
    model.graph.node[-1].op_type = 'Konv'


@pytest.mark.parametrize(('edit', 'complaint'), [
    (_retype, 'takes float32 .*not uint8 images .*frm export'),
    (_transpose, 'takes uint8 .*not uint8 images .*frm export'),
    (_fix_size, r'takes images \(1, 96, 128, 3\) alone, and not \(1, 64, 64, 3\).*--size'),
    (_add_output, 'has 2 outputs .*; one is expected.*frm export'),
    (_spoil_weights, 'not finite numbers.*Copy the bundle again'),
    (_unknown_operator, 'cannot load the model.*Konv.*frm export'),
])
def test_a_bad_model_is_refused_with_its_file_and_the_remedy(
        provider: str, edit: Callable[[ModelProto], None], complaint: str) -> None:
    with pytest.raises(EngineError, match=f'(?s)^models/tiny/fp32.onnx: .*{complaint}'):
        load(provider, edited(edit))


@pytest.mark.parametrize('kept', [0, 0.5, 0.99])
def test_a_truncated_model_is_refused_by_name(provider: str, kept: float) -> None:
    model = tiny_model()
    with pytest.raises(EngineError, match='^models/tiny/fp32.onnx: .*cut off.*frm export'):
        open_engine(model[:int(len(model) * kept)], 'models/tiny/fp32.onnx',
                    EngineOptions(provider))
