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
What ONNX Runtime's execution providers for NVIDIA are told.

By https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html and
https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html; the authors have
not run it on such a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from frm_perception.runtime.engines.engine import EngineOptions

DLA_CORES = 2
"""The most that a Jetson has."""
MAX_GPU_MEMORY_MIB = 1 << 20

_MIB = 1 << 20


def provider_options(provider: str, asked: EngineOptions, graph: bool, cache: Path | None
                     ) -> Mapping[str, str]:
    """
    Return the options of an execution provider.

    There is none for precision. A model says itself what it computes in: half precision is in its
    tensors, int8 in its QuantizeLinear and DequantizeLinear, and so TensorRT 11, which has no
    other way, and its predecessors build the same. The DLA is the exception: ONNX Runtime uses it
    only where it is told that fp16 is allowed, and the model is in fp16 then (`check_dla`).

    :param graph: record the kernels as one CUDA graph; for inputs of one size at one address.
    :param cache: folder of TensorRT's compiled engines and of the timings that led to them.
    """
    if provider == 'cuda':
        return _cuda(asked, graph)
    if provider == 'tensorrt':
        return _tensorrt(asked, graph, cache)
    return {}


def _cuda(asked: EngineOptions, graph: bool) -> dict[str, str]:
    # TF32 keeps 10 bits of a number's mantissa: not what a precision called fp32 promises.
    options = {'use_tf32': '0', 'enable_cuda_graph': str(int(graph))}
    if asked.max_gpu_memory_mib:
        # Left alone, the arena grows to the next power of two, which can be beyond the limit
        # where what is needed is not.
        options.update(gpu_mem_limit=str(asked.max_gpu_memory_mib * _MIB),
                       arena_extend_strategy='kSameAsRequested')
    return options


def _tensorrt(asked: EngineOptions, graph: bool, cache: Path | None) -> dict[str, str]:
    options = {'trt_cuda_graph_enable': str(graph)}
    if asked.max_gpu_memory_mib:
        options['trt_max_workspace_size'] = str(asked.max_gpu_memory_mib * _MIB)
    if asked.dla_core >= 0:
        options.update(trt_dla_enable='True', trt_dla_core=str(asked.dla_core),
                       trt_fp16_enable='True')
    if cache is not None:
        options.update(
            trt_engine_cache_enable='True', trt_engine_cache_path=str(cache),
            trt_timing_cache_enable='True', trt_timing_cache_path=str(cache))
    return options
