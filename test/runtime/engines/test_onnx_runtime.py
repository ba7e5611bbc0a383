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
"""ONNX Runtime: that it tells the truth about where it runs and in what it computes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx import helper
from onnx import numpy_helper
from tiny_bundle import tiny_model

from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import ProviderError
from frm_perception.runtime.engines.onnx_runtime import OnnxEngine

needs_no_cuda = pytest.mark.skipif(
    'CUDAExecutionProvider' in onnxruntime.get_available_providers(),
    reason='this ONNX Runtime offers CUDA')


def load(model: bytes, provider: str, **options: Any) -> OnnxEngine:
    """Return an engine of a file that is not on disk."""
    return OnnxEngine(model, 'models/tiny/fp32.onnx', EngineOptions(provider, **options))


@pytest.mark.parametrize('threads', [0, 1, 2])
def test_the_cpu_is_proved_to_do_the_work(threads: int) -> None:
    engine = load(tiny_model(), 'cpu', require_provider=True, threads=threads)
    assert engine.provider == 'cpu' and engine.fallback is None


@needs_no_cuda
def test_auto_takes_what_there_is() -> None:
    engine = load(tiny_model(), 'auto', require_provider=True)
    assert engine.provider == 'cpu' and engine.fallback is None and engine.note is None


@needs_no_cuda
@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_provider_that_is_not_offered_is_never_replaced_in_silence(provider: str) -> None:
    engine = load(tiny_model(), provider)
    assert engine.provider == 'cpu'
    assert engine.fallback is not None
    assert f'provider {provider} was asked for' in engine.fallback
    assert 'onnxruntime-gpu' in engine.fallback and 'The CPU does the work' in engine.fallback


@needs_no_cuda
@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_required_provider_that_is_not_offered_is_an_error(provider: str) -> None:
    with pytest.raises(ProviderError, match=f'{provider} was asked for.*offers cpu'):
        load(tiny_model(), provider, require_provider=True)


@needs_no_cuda
@pytest.mark.filterwarnings('ignore:Specified provider')
def test_auto_goes_on_where_an_offered_provider_does_not_work_and_notes_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers',
                        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    engine = load(tiny_model(), 'auto', require_provider=True)
    assert engine.provider == 'cpu' and engine.fallback is None
    assert engine.note is not None and engine.note.startswith('provider auto chose cuda, but')
    with pytest.raises(ProviderError, match='provider cuda was asked for, but'):
        load(tiny_model(), 'cuda', require_provider=True)


def test_nobody_but_the_caller_reports_a_failed_inference(
        capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load_from_string(tiny_model())
    # One size only: with any other it fails within a node, not at the check of the input.
    model.graph.node[-1].output[0] = 'any'
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 4, 16, 16]), 'size'))
    model.graph.node.append(helper.make_node('Reshape', ['any', 'size'], ['logits']))
    engine = load(model.SerializeToString(), 'cpu', size=(64, 64))
    with pytest.raises(EngineError, match='failed: .*Reshape'):
        engine.infer(np.zeros((1, 96, 96, 3), np.uint8))
    assert capfd.readouterr() == ('', '')


def test_the_proof_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    load(tiny_model(), 'cpu').infer(np.zeros((1, 64, 64, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_onnx_runtime_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(EngineError, match='pip install onnxruntime'):
        load(tiny_model(), 'cpu')


@pytest.mark.parametrize(('field', 'version', 'complaint'), [
    ('opset', 1, 'cannot load the model: .*frm export'),
    ('opset', 99, 'of another ONNX than this .*Opset 99.*requirements/run.txt'),
    ('ir', 99, 'of another ONNX than this .*IR version.*requirements/run.txt')])
def test_a_model_of_another_onnx_is_refused_by_name(
        field: str, version: int, complaint: str) -> None:
    model = onnx.load_from_string(tiny_model())
    if field == 'opset':
        model.opset_import[0].version = version
    else:
        model.ir_version = version
    with pytest.raises(EngineError, match=f'^models/tiny/fp32.onnx: .*{complaint}'):
        load(model.SerializeToString(), 'cpu')


def half_model() -> bytes:
    """Return the tiny model with its convolution in half precision."""
    model = onnx.load_from_string(tiny_model())
    conv = model.graph.node[-1]
    conv.input[0], conv.output[0] = 'half_cells', 'half_logits'
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    model.graph.node.insert(3, helper.make_node(
        'Cast', ['cells'], ['half_cells'], to=TensorProto.FLOAT16))
    model.graph.node.append(helper.make_node(
        'Cast', ['half_logits'], ['logits'], to=TensorProto.FLOAT))
    return bytes(model.SerializeToString())


def quantised_model() -> bytes:
    """Return the tiny model with QuantizeLinear and DequantizeLinear around its convolution."""
    model = onnx.load_from_string(tiny_model())
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    scale = np.float32(np.abs(constants['weights']).max() / 127)
    del model.graph.initializer[:]
    model.graph.initializer.extend([
        numpy_helper.from_array(np.rint(constants['weights'] / scale).astype(np.int8), 'whole'),
        numpy_helper.from_array(np.rint(constants['bias'] / scale).astype(np.int32), 'offset'),
        *(numpy_helper.from_array(np.array(value), name) for name, value in (
            ('one', np.float32(1)), ('scale', scale), ('step', np.float32(0.05)),
            ('zero', np.uint8(0)), ('zero_weight', np.int8(0)), ('zero_offset', np.int32(0)),
            ('middle', np.uint8(128))))])
    conv = model.graph.node.pop()
    conv.input[:], conv.output[:] = ['pixels', 'weights', 'bias'], ['result']
    model.graph.node.extend([
        helper.make_node('QuantizeLinear', ['cells', 'one', 'zero'], ['levels']),
        helper.make_node('DequantizeLinear', ['levels', 'one', 'zero'], ['pixels']),
        helper.make_node('DequantizeLinear', ['whole', 'scale', 'zero_weight'], ['weights']),
        helper.make_node('DequantizeLinear', ['offset', 'scale', 'zero_offset'], ['bias']),
        conv,
        helper.make_node('QuantizeLinear', ['result', 'step', 'middle'], ['steps']),
        helper.make_node('DequantizeLinear', ['steps', 'step', 'middle'], ['logits'])])
    return bytes(model.SerializeToString())


def test_half_precision_that_the_cpu_computes_in_full_is_told_and_refused_where_required() -> None:
    engine = load(half_model(), 'cpu', precision='fp16')
    assert engine.precision == 'fp32'
    told = ('precision fp16 was asked for, but of 1 convolutions and matrix products 1 ran in '
            'fp32')
    assert engine.fallback == told
    with pytest.raises(ProviderError, match=f'^models/tiny/fp32.onnx: {told}'):
        load(half_model(), 'cpu', precision='fp16', require_provider=True)


def test_int8_is_proved_by_the_convolutions_that_ran() -> None:
    engine = load(quantised_model(), 'cpu', precision='int8', require_provider=True)
    assert (engine.precision, engine.fallback) == ('int8', None)
    fallback = load(tiny_model(), 'cpu', precision='int8').fallback
    assert fallback is not None and 'int8 was asked for' in fallback


def test_a_precision_of_an_unknown_name_is_not_judged() -> None:
    assert load(tiny_model(), 'cpu', precision='mixed').fallback is None
