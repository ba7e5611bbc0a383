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
"""Which engine is opened, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime
import pytest
from tiny_bundle import tiny_model

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import PROVIDERS
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import ProviderError
from frm_perception.runtime.engines import check_provider
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.engines import opening
from frm_perception.runtime.engines import tensorrt
from frm_perception.runtime.engines import why_build


def opened(provider: str, precision: str = 'fp32', required: bool = False) -> Engine:
    """Open the tiny model."""
    return open_engine(tiny_model(), 'fp32.onnx', EngineOptions(provider, precision, required))


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'gpu'.*auto, tensorrt, cuda, cpu, openvino, torch"):
        opened('gpu')


@pytest.mark.parametrize('provider', [name for name in PROVIDERS if name != 'auto'])
def test_what_is_asked_for_runs_or_the_fallback_says_why(provider: str) -> None:
    engine = opened(provider)
    assert (engine.provider == provider) == (engine.fallback is None)


@pytest.mark.parametrize('provider', ['cpu', 'cuda', 'tensorrt'])
def test_bf16_of_onnx_runtime_is_an_error_that_names_openvino(provider: str) -> None:
    with pytest.raises(ValueError, match=f"'{provider}': OpenVINO alone computes in it"):
        opened(provider, 'bf16')


@pytest.mark.parametrize('precision', ['int8', 'int8-tensorrt'])
def test_eight_bits_in_openvino_are_refused_for_what_it_makes_of_them(precision: str) -> None:
    with pytest.raises(ValueError, match="'openvino': it computes something else.*provider cpu"):
        opened('openvino', precision)


@pytest.mark.parametrize(('provider', 'precision', 'beginning'), [
    ('openvino', 'fp32', 'provider openvino was asked for, but OpenVINO cannot be imported'),
    ('openvino', 'bf16', 'provider openvino was asked for, but OpenVINO cannot be imported'),
    ('auto', 'bf16', 'provider auto chose openvino, but OpenVINO cannot be imported')])
def test_a_missing_openvino_is_told_with_the_remedy_and_refused_where_required(
        monkeypatch: pytest.MonkeyPatch, provider: str, precision: str, beginning: str) -> None:
    monkeypatch.setitem(sys.modules, 'openvino', None)
    engine = opened(provider, precision)
    assert (engine.provider, engine.precision) == ('cpu', 'fp32')
    assert engine.fallback is not None and engine.fallback.startswith(beginning)
    assert 'pip install -r requirements/openvino.txt' in engine.fallback
    assert 'ONNX Runtime on the CPU does the work' in engine.fallback
    assert ('precision bf16 was asked for, but' in engine.fallback) == (precision == 'bf16')
    with pytest.raises(ProviderError, match=beginning):
        opened(provider, precision, required=True)


def test_openvino_is_not_needed_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'openvino', None)
    assert opened('cpu', required=True).provider == 'cpu'


def test_a_model_that_openvino_cannot_load_is_named_where_openvino_is_required() -> None:
    with pytest.raises(ProviderError, match='cannot load fp32.onnx'):
        open_engine(b'nonsense', 'fp32.onnx', EngineOptions('openvino', require_provider=True))
    with pytest.raises(EngineError, match='^fp32.onnx: ONNX Runtime .* cannot load the model'):
        open_engine(b'nonsense', 'fp32.onnx', EngineOptions('openvino'))


@pytest.mark.parametrize(('provider', 'precision', 'has', 'complaint'), [
    ('cuda', 'fp16', True, 'TensorRT alone uses a DLA.*Choose provider tensorrt, or dla_core -1'),
    ('auto', 'fp16', True, 'TensorRT alone uses a DLA'),
    ('tensorrt', 'fp32', True, '.*the precision is fp32.*"frm quantize"'),
    ('tensorrt', 'fp16', False, r'this computer \(.+\) has no DLA.*Choose dla_core -1'),
])
def test_a_dla_that_cannot_be_had_is_refused_with_what_to_choose(
        monkeypatch: pytest.MonkeyPatch, provider: str, precision: str, has: bool,
        complaint: str) -> None:
    monkeypatch.setattr(opening, 'has_dla', lambda: has)
    with pytest.raises(ValueError, match=f'dla_core 1 cannot be had: {complaint}'):
        check_provider(provider, precision, 1)
    check_provider(provider, precision)


def test_a_dla_is_for_tensorrt_and_fp16_where_there_is_one(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, 'has_dla', lambda: True)
    check_provider('tensorrt', 'fp16', 0)


@pytest.mark.skipif(opening.has_dla(), reason='this computer has a DLA')
def test_no_engine_is_opened_for_a_dla_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='has no DLA'):
        open_engine(tiny_model(), 'fp16.onnx', EngineOptions('tensorrt', 'fp16', dla_core=0))


@pytest.fixture
def with_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ONNX Runtime offer TensorRT, and its engines have keys; nothing can be run on it."""
    monkeypatch.setattr(onnxruntime, 'get_available_providers',
                        lambda: ['TensorrtExecutionProvider', 'CPUExecutionProvider'])
    monkeypatch.setattr(tensorrt, 'gpu_properties', lambda: {'name': 'a GPU'})
    monkeypatch.setattr(tensorrt, 'tensorrt_version', lambda runtime: '101300')


@pytest.mark.usefixtures('with_tensorrt')
def test_an_engine_of_tensorrt_is_built_where_the_cache_has_none_like_it(tmp_path: Path) -> None:
    options = EngineOptions('tensorrt', cache=EngineCache(tmp_path / 'engines', pytest.fail))
    assert why_build(b'model', options) == f'it is not in the engine cache {tmp_path / "engines"}'
    assert options.cache is not None
    entry = options.cache.entry(tensorrt.tensorrt_key(onnxruntime, b'model', options),
                                lambda folder: (folder / 'engine').touch())
    assert why_build(b'model', options) is None
    assert why_build(b'another model', options) is not None
    (entry / 'engine').write_bytes(b'damaged')
    assert 'engine is not as manifest.json says' in (why_build(b'model', options) or '')


@pytest.mark.usefixtures('with_tensorrt')
def test_what_cannot_be_found_out_counts_as_not_built(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_build(b'model', EngineOptions('tensorrt')) == 'no engines are kept'
    (tmp_path / 'file').touch()
    cache = EngineCache(tmp_path / 'file' / 'engines', pytest.fail)
    assert 'Not a directory' in (why_build(b'model', EngineOptions('tensorrt', cache=cache)) or '')

    def no_driver() -> dict[str, str]:
        raise OSError('libcuda.so.1: cannot open shared object file')
    monkeypatch.setattr(tensorrt, 'gpu_properties', no_driver)
    cache = EngineCache(tmp_path / 'engines', pytest.fail)
    assert 'libcuda.so.1' in (why_build(b'model', EngineOptions('tensorrt', cache=cache)) or '')


@pytest.mark.parametrize('provider', [
    name for name in PROVIDERS if name != 'tensorrt' or
    'TensorrtExecutionProvider' not in onnxruntime.get_available_providers()])
def test_what_builds_in_a_second_or_is_not_there_takes_no_minutes(
        tmp_path: Path, provider: str) -> None:
    cache = EngineCache(tmp_path / 'engines', pytest.fail)
    assert why_build(b'model', EngineOptions(provider, cache=cache)) is None
    assert not cache.folder.exists()
