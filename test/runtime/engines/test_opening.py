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

import pytest
from tiny_bundle import tiny_model

from frm_perception.runtime.engines import PROVIDERS
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import ProviderError
from frm_perception.runtime.engines import open_engine


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
