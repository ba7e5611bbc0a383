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
"""One way to open an engine, whichever it is."""

from __future__ import annotations

from dataclasses import replace

from frm_perception.runtime.engine_cache import EngineCacheError
from frm_perception.runtime.engines.engine import Engine
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.engine import ProviderError
from frm_perception.runtime.engines.onnx_profile import EXECUTION_PROVIDERS
from frm_perception.runtime.engines.onnx_runtime import OnnxEngine
from frm_perception.runtime.engines.onnx_runtime import load_onnxruntime
from frm_perception.runtime.engines.openvino import OpenVinoEngine
from frm_perception.runtime.engines.pytorch import TorchEngine
from frm_perception.runtime.engines.tensorrt import tensorrt_key
from frm_perception.runtime.nvidia import computer_name
from frm_perception.runtime.nvidia import has_dla

PROVIDERS = ('auto', *EXECUTION_PROVIDERS, 'openvino', 'torch')


def why_not(provider: str, precision: str) -> str | None:
    """Return why a provider does not compute in a precision, and what to choose; None: it does."""
    if precision == 'bf16' and provider in (*EXECUTION_PROVIDERS, 'torch'):
        return ('OpenVINO alone computes in it. Choose provider openvino or auto, or precision '
                'fp32.')
    if precision.startswith('int8') and provider == 'openvino':
        return ('it computes something else of these files than ONNX Runtime, which the accuracy '
                'gate measured. Choose provider cpu, or precision bf16.')
    if precision != 'fp32' and provider == 'torch':
        return 'it computes in fp32. Choose precision fp32 or another provider.'
    return None


def check_provider(provider: str, precision: str, dla_core: int = -1) -> None:
    """
    Refuse a provider that does not exist, or that does not compute in a precision or on a DLA.

    :param dla_core: see :class:`EngineOptions`.
    :raises ValueError: the message says what to choose.
    """
    if provider not in PROVIDERS:
        raise ValueError(f'unknown provider {provider!r}; choose from {", ".join(PROVIDERS)}')
    refusal = why_not(provider, precision)
    if refusal:
        raise ValueError(f'precision {precision} cannot be had of provider {provider!r}: '
                         f'{refusal}')
    if dla_core >= 0:
        _check_dla(provider, precision, dla_core)


def _check_dla(provider: str, precision: str, dla_core: int) -> None:
    if provider != 'tensorrt':
        refusal = (f'TensorRT alone uses a DLA, and the provider is {provider}. Choose provider '
                   f'tensorrt, or dla_core -1')
    elif precision != 'fp16':
        refusal = (f'it is used for models in fp16, and the precision is {precision}. Choose '
                   f'precision fp16, which "frm quantize" adds to a model, or dla_core -1')
    elif not has_dla():
        refusal = (f'this computer ({computer_name()}) has no DLA; a Jetson Orin NX and AGX Orin '
                   f'have one. Choose dla_core -1')
    else:
        return
    raise ValueError(f'dla_core {dla_core} cannot be had: {refusal}')


def why_build(model: bytes, options: EngineOptions) -> str | None:
    """
    Return why to open that engine is to compile for minutes, or None where it is not.

    TensorRT alone takes so long, where ONNX Runtime offers it. Nothing is compiled to know it.

    :param model: the serialised ONNX model.
    :raises EngineError: ONNX Runtime is missing.
    """
    if options.provider != 'tensorrt':
        return None
    runtime = load_onnxruntime()
    if EXECUTION_PROVIDERS['tensorrt'] not in runtime.get_available_providers():
        return None
    if options.cache is None:
        return 'no engines are kept'
    try:
        return options.cache.problem(tensorrt_key(runtime, model, options))
    except (EngineCacheError, OSError) as error:
        return f'whether it is there cannot be known: {error}'


def open_engine(model: bytes, file: str, options: EngineOptions) -> Engine:
    """
    Load a model, run it once, and find out what ran it.

    'auto' is CUDA where ONNX Runtime offers it and it works, else the CPU; for precision 'bf16' it
    is OpenVINO, which alone computes in it. What is not there or does not work is replaced by ONNX
    Runtime on the CPU, and the engine's ``fallback`` says so, unless the options require it.

    :param model: the serialised ONNX model.
    :param file: where it is from, for messages.
    :raises ValueError: an unknown provider, one that cannot compute in that precision, or a
        negative number of threads.
    :raises ProviderError: the options require the provider and the precision, and (part of) the
        work is done by or in another.
    :raises EngineError: the model cannot be loaded or run.
    """
    check_provider(options.provider, options.precision, options.dla_core)
    if options.provider not in ('openvino', 'torch') and options.precision != 'bf16':
        return OnnxEngine(model, file, options)
    alternative = TorchEngine if options.provider == 'torch' else OpenVinoEngine
    try:
        return alternative(model, file, options)
    except ProviderError as error:
        if options.require_provider:
            raise
        problem = f'{error}. ONNX Runtime on the CPU does the work.'
    engine = OnnxEngine(model, file, replace(options, provider='cpu'))
    engine.fallback = ' '.join(filter(None, [problem, engine.fallback]))
    return engine
