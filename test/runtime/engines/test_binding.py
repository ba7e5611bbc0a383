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
"""Memory at fixed places: the same code as on a GPU, here on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from tiny_bundle import TINY
from tiny_bundle import tiny_model

from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import TensorInfo
from frm_perception.runtime.engines.binding import FixedBinding
from frm_perception.runtime.engines.binding import PinnedBuffer
from frm_perception.runtime.engines.onnx_runtime import OnnxEngine

SHAPE = (1, 64, 96, 3)
LOGITS = (1, len(TINY.classes), 16, 24)


@pytest.fixture
def binding() -> FixedBinding:
    session = onnxruntime.InferenceSession(tiny_model(), providers=['CPUExecutionProvider'])
    return FixedBinding(
        onnxruntime, session, TensorInfo('image', 'uint8', SHAPE),
        TensorInfo('logits', 'float32', LOGITS), SHAPE, LOGITS, 'cpu')


@pytest.fixture
def bound() -> OnnxEngine:
    """Return an engine that works as on a GPU, whose memory is the CPU's."""
    engine = OnnxEngine(tiny_model(), 'tiny.onnx', EngineOptions('cpu', size=(64, 96)))
    engine._bind(SHAPE, engine.first_shape, 'cpu')
    engine._check_binding(np.zeros(SHAPE, np.uint8))
    return engine


def images(count: int) -> list[np.ndarray]:
    """Return so many different batches of one."""
    return list(np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8))


def test_bound_inferences_equal_those_that_are_not(binding: FixedBinding) -> None:
    engine = OnnxEngine(tiny_model(), 'tiny.onnx', EngineOptions('cpu', size=(64, 96)))
    for image in images(3):
        result = binding.run(image)
        assert result.dtype == np.float32
        assert np.array_equal(result, engine.infer(image))


def test_a_bound_answer_is_not_changed_by_the_next(binding: FixedBinding) -> None:
    first, second = images(2)
    answer = binding.run(first)
    kept = answer.copy()
    assert not np.array_equal(binding.run(second), kept)
    assert np.array_equal(answer, kept)


def test_a_view_with_gaps_is_copied_in_order(binding: FixedBinding) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (1, 64, 200, 3), np.uint8)
    view = wide[:, :, :96]
    assert np.array_equal(binding.run(view), binding.run(view.copy()))


def test_another_shape_is_refused_and_not_answered_with_the_one_before(
        binding: FixedBinding) -> None:
    with pytest.raises(EngineError, match=r'batches of \(1, 64, 96, 3\) alone'):
        binding.run(np.zeros((2, 64, 96, 3), np.uint8))


def test_an_engine_answers_through_its_pinned_buffer(bound: OnnxEngine) -> None:
    buffer = bound.buffer()
    assert bound.buffer() is buffer
    for label in (2, 1):
        buffer[:] = TINY.palette[label]
        assert (bound.infer(buffer).argmax(axis=1) == label).all()


def test_a_bound_engine_refuses_another_size_and_goes_on(bound: OnnxEngine) -> None:
    with pytest.raises(EngineError, match=r'tiny.onnx: inference of \(1, 96, 96, 3\).*alone'):
        bound.infer(np.zeros((1, 96, 96, 3), np.uint8))
    assert bound.infer(images(1)[0]).shape == LOGITS


def test_a_bound_engine_takes_batches_each_through_memory_of_its_own(bound: OnnxEngine) -> None:
    expected = [bound.infer(image)[0] for image in images(3)]
    for number in (3, 1, 2, 3):
        buffer = bound.buffer(number)
        for place, image in zip(buffer, images(number), strict=True):
            place[:] = image[0]
        result = bound.infer(buffer)
        assert result.shape == (number, *LOGITS[1:])
        for logits, one in zip(result, expected, strict=False):
            np.testing.assert_allclose(logits, one, rtol=1e-5, atol=1e-5)


def test_a_binding_whose_answers_do_not_follow_the_images_is_refused(bound: OnnxEngine) -> None:
    class Stale(FixedBinding):
        """Answers as a CUDA graph that was recorded with other memory would."""

        def run(self, batch: np.ndarray) -> np.ndarray:
            return super().run(np.zeros_like(batch))

    session = bound._session
    bound._bindings[1] = Stale(
        onnxruntime, session, bound.input, bound.output, SHAPE, LOGITS, 'cpu')
    with pytest.raises(EngineError, match='tiny.onnx: .* outputs do not follow the inputs'):
        bound._check_binding(np.zeros(SHAPE, np.uint8))


def test_a_closed_bound_engine_says_so(bound: OnnxEngine) -> None:
    bound.buffer()
    bound.close()
    with pytest.raises(EngineError, match='closed'):
        bound.infer(images(1)[0])


def test_a_pinned_buffer_is_an_array_whether_there_is_a_gpu_or_not() -> None:
    buffer = PinnedBuffer(SHAPE)
    buffer.array[:] = 7
    assert buffer.array.shape == SHAPE and buffer.array.dtype == np.uint8
    buffer.release()
    assert not buffer.pinned and (buffer.array == 7).all()
    buffer.release()
