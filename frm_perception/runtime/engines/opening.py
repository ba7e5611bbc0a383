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

from frm_perception.runtime.engines.engine import Engine
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.engine import ProviderError
from frm_perception.runtime.engines.onnx_profile import EXECUTION_PROVIDERS
from frm_perception.runtime.engines.onnx_runtime import OnnxEngine
from frm_perception.runtime.engines.openvino import OpenVinoEngine
from frm_perception.runtime.engines.pytorch import TorchEngine

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


def check_provider(provider: str, precision: str) -> None:
    """
    Refuse a provider that does not exist, or that does not compute in a precision.

    :raises ValueError: the message says what to choose.
    """
    if provider not in PROVIDERS:
        raise ValueError(f'unknown provider {provider!r}; choose from {", ".join(PROVIDERS)}')
    refusal = why_not(provider, precision)
    if refusal:
        raise ValueError(f'precision {precision} cannot be had of provider {provider!r}: '
                         f'{refusal}')


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
    check_provider(options.provider, options.precision)
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
