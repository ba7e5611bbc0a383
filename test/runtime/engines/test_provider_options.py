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
"""What ONNX Runtime's providers for NVIDIA are told, and that an engine's key has all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import tensorrt
from frm_perception.runtime.engines.provider_options import provider_options

PLAIN = EngineOptions('tensorrt', 'fp16')


def test_a_cuda_graph_is_only_for_the_first_provider_and_only_where_wanted() -> None:
    assert provider_options('cuda', PLAIN, True, None) == {
        'use_tf32': '0', 'enable_cuda_graph': '1'}
    assert provider_options('cuda', PLAIN, False, None)['enable_cuda_graph'] == '0'
    assert provider_options('tensorrt', PLAIN, True, None) == {'trt_cuda_graph_enable': 'True'}
    assert provider_options('cpu', PLAIN, True, Path('cache')) == {}


def test_tensorrt_keeps_engines_and_timings_and_is_told_no_precision(tmp_path: Path) -> None:
    options = provider_options('tensorrt', PLAIN, False, tmp_path)
    assert options['trt_engine_cache_path'] == options['trt_timing_cache_path'] == str(tmp_path)
    assert options['trt_engine_cache_enable'] == options['trt_timing_cache_enable'] == 'True'
    assert not any('fp16' in name or 'int8' in name for name in options)


def test_a_limit_of_memory_is_told_in_bytes_to_either_provider() -> None:
    asked = replace(PLAIN, max_gpu_memory_mib=3)
    assert provider_options('tensorrt', asked, False, None)['trt_max_workspace_size'] == '3145728'
    cuda = provider_options('cuda', asked, False, None)
    assert cuda['gpu_mem_limit'] == '3145728'
    assert cuda['arena_extend_strategy'] == 'kSameAsRequested'


def test_a_dla_core_is_told_with_the_fp16_that_onnx_runtime_wants_for_it() -> None:
    options = provider_options('tensorrt', replace(PLAIN, dla_core=1), False, None)
    assert options['trt_dla_enable'] == options['trt_fp16_enable'] == 'True'
    assert options['trt_dla_core'] == '1'


@pytest.mark.parametrize('other', [
    {'dla_core': 0}, {'dla_core': 1}, {'max_gpu_memory_mib': 1}, {'precision': 'fp32'},
    {'size': (64, 96)}])
def test_an_engine_that_was_told_something_else_has_another_key(
        monkeypatch: pytest.MonkeyPatch, other: dict[str, object]) -> None:
    monkeypatch.setattr(tensorrt, 'gpu_properties', lambda: {'name': 'a GPU'})
    monkeypatch.setattr(tensorrt, 'tensorrt_version', lambda runtime: '101300')
    runtime = SimpleNamespace(__version__='1', cuda_version='13.0')
    keys = [tensorrt.tensorrt_key(runtime, b'model', options)
            for options in (PLAIN, PLAIN, replace(PLAIN, **other))]  # type: ignore[arg-type]
    assert keys[0].digest == keys[1].digest != keys[2].digest
