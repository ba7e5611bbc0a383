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
"""The engine: what it loads, and that it tells the truth about where it runs."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper
from tiny_bundle import TINY
from tiny_bundle import tiny_model

from frm_perception.runtime import engine as engine_module
from frm_perception.runtime.engine import EngineError
from frm_perception.runtime.engine import OnnxEngine
from frm_perception.runtime.engine import ProviderError

needs_no_cuda = pytest.mark.skipif(
    'CUDAExecutionProvider' in onnxruntime.get_available_providers(),
    reason='this ONNX Runtime offers CUDA')


def test_the_model_says_what_goes_in_and_what_comes_out() -> None:
    engine = OnnxEngine(tiny_model(), 'cpu', size=(64, 96))
    assert (engine.input.name, engine.input.dtype) == ('image', 'tensor(uint8)')
    assert engine.input.shape == ('n', 'h', 'w', 3)
    assert (engine.output.name, engine.output.dtype) == ('logits', 'tensor(float)')
    assert engine.first_shape == (1, len(TINY.classes), 16, 24)


def test_a_batch_gets_one_answer_for_each_image() -> None:
    batch = np.zeros((3, 64, 96, 3), np.uint8)
    for image, rgb in zip(batch, TINY.palette, strict=False):
        image[:] = rgb
    logits = OnnxEngine(tiny_model(), 'cpu').infer(batch)
    assert logits.shape == (3, 4, 16, 24) and logits.dtype == np.float32
    assert logits.argmax(axis=1)[:, 5, 5].tolist() == [0, 1, 2]


@pytest.mark.parametrize('threads', [0, 1, 2])
def test_the_cpu_is_proved_to_do_the_work(threads: int) -> None:
    engine = OnnxEngine(tiny_model(), 'cpu', require_provider=True, threads=threads)
    assert engine.provider == 'cpu' and engine.fallback is None


@needs_no_cuda
def test_auto_takes_what_there_is() -> None:
    engine = OnnxEngine(tiny_model(), 'auto', require_provider=True)
    assert engine.provider == 'cpu' and engine.fallback is None and engine.note is None


@needs_no_cuda
@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_provider_that_is_not_offered_is_never_replaced_in_silence(provider: str) -> None:
    engine = OnnxEngine(tiny_model(), provider)
    assert engine.provider == 'cpu'
    assert engine.fallback is not None
    assert f'provider {provider} was asked for' in engine.fallback
    assert 'onnxruntime-gpu' in engine.fallback and 'The CPU does the work' in engine.fallback


@needs_no_cuda
@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_required_provider_that_is_not_offered_is_an_error(provider: str) -> None:
    with pytest.raises(ProviderError, match=f'{provider} was asked for.*offers cpu'):
        OnnxEngine(tiny_model(), provider, require_provider=True)


def test_a_provider_that_does_part_of_the_work_is_told() -> None:
    assert engine_module._difference('cuda', 'it was asked for', Counter(cuda=60)) is None
    text = engine_module._difference(
        'tensorrt', 'it was asked for', Counter(cuda=12, tensorrt=1))
    assert text == ('it was asked for, but of 13 convolutions and matrix products cuda ran 12, '
                    'tensorrt ran 1')


@needs_no_cuda
@pytest.mark.filterwarnings('ignore:Specified provider')
def test_auto_goes_on_where_an_offered_provider_does_not_work_and_notes_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers',
                        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    engine = OnnxEngine(tiny_model(), 'auto', require_provider=True)
    assert engine.provider == 'cpu' and engine.fallback is None
    assert engine.note is not None and engine.note.startswith('provider auto chose cuda, but')
    with pytest.raises(ProviderError, match='provider cuda was asked for, but'):
        OnnxEngine(tiny_model(), 'cuda', require_provider=True)


def test_nobody_but_the_caller_reports_a_failed_inference(
        capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load_from_string(tiny_model())
    # One size only: with any other it fails within a node, not at the check of the input.
    model.graph.node[-1].output[0] = 'any'
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 4, 16, 16]), 'size'))
    model.graph.node.append(helper.make_node('Reshape', ['any', 'size'], ['logits']))
    engine = OnnxEngine(model.SerializeToString(), 'cpu', size=(64, 64))
    with pytest.raises(EngineError, match='failed: .*Reshape'):
        engine.infer(np.zeros((1, 96, 96, 3), np.uint8))
    assert capfd.readouterr() == ('', '')


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match='auto, tensorrt, cuda, cpu'):
        OnnxEngine(tiny_model(), 'gpu')


def test_a_negative_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match='threads is -1'):
        OnnxEngine(tiny_model(), 'cpu', threads=-1)


def test_the_proof_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    OnnxEngine(tiny_model(), 'cpu').infer(np.zeros((1, 64, 64, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(EngineError, match='cannot load the model'):
        OnnxEngine(b'nonsense', 'cpu')


def test_a_missing_onnx_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(EngineError, match='pip install onnxruntime'):
        OnnxEngine(tiny_model(), 'cpu')


def test_a_wrong_batch_is_an_error_and_not_the_end() -> None:
    engine = OnnxEngine(tiny_model(), 'cpu')
    with pytest.raises(EngineError, match=r'inference of \(1, 64, 64, 4\) uint8 failed'):
        engine.infer(np.zeros((1, 64, 64, 4), np.uint8))
    assert engine.infer(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 4, 16, 16)


def test_a_closed_engine_says_so() -> None:
    engine = OnnxEngine(tiny_model(), 'cpu')
    engine.close()
    with pytest.raises(EngineError, match='closed'):
        engine.infer(np.zeros((1, 64, 64, 3), np.uint8))


def test_values_that_are_not_finite_are_an_error() -> None:
    model = onnx.load_from_string(tiny_model())
    for tensor in model.graph.initializer:
        if tensor.name == 'bias':
            tensor.raw_data = np.array([0, np.nan, 0, 0], np.float32).tobytes()
    with pytest.raises(EngineError, match='not finite'):
        OnnxEngine(model.SerializeToString(), 'cpu')


def test_a_model_with_two_outputs_is_refused() -> None:
    model = onnx.load_from_string(tiny_model())
    model.graph.output.append(helper.make_tensor_value_info('cells', TensorProto.FLOAT, None))
    with pytest.raises(EngineError, match='2 outputs .logits, cells.; one is expected'):
        OnnxEngine(model.SerializeToString(), 'cpu')
