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
OpenVINO on an x86 processor, proved by the model that it really runs.

Left alone, OpenVINO computes a model in fp32 in bf16 wherever the processor can, and says nothing:
https://docs.openvino.ai/2025/openvino-workflow/running-inference/optimize-inference/precision-control.html.
Here the precision is always asked for, and read afterwards, for every convolution, from the
compiled graph: each of its nodes names its ``runtimePrecision``.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engine_cache import EngineKey
from frm_perception.runtime.engines.engine import EngineError
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.engine import ProviderError
from frm_perception.runtime.engines.engine import TensorInfo
from frm_perception.runtime.engines.engine import black_image
from frm_perception.runtime.engines.engine import check_batch
from frm_perception.runtime.engines.engine import check_result
from frm_perception.runtime.engines.engine import check_tensors
from frm_perception.runtime.engines.engine import has_free_batch
from frm_perception.runtime.engines.keeping import kept
from frm_perception.runtime.engines.proof import Proof
from frm_perception.runtime.engines.proof import claim
from frm_perception.runtime.processor import cpu_properties
from frm_perception.runtime.threads import thread_count

_DEVICE = 'CPU'
_COMPILED = 'model.blob'
_HEAVY = ('Convolution', 'Deconvolution', 'FullyConnected', 'MatMul')
_PRECISIONS = {'f32': 'fp32', 'f16': 'fp16', 'bf16': 'bf16', 'u8': 'int8', 'i8': 'int8'}

# Linux's names for instructions that multiply bf16. With AVX-512 and none of them OpenVINO still
# takes bf16, which it then emulates: https://github.com/openvinotoolkit/openvino, file
# src/plugins/intel_cpu/src/utils/precision_support.cpp.
_BF16_INSTRUCTIONS = {'avx512_bf16', 'amx_bf16', 'avx_ne_convert'}


class OpenVinoEngine:
    """
    A model in OpenVINO; see :class:`frm_perception.runtime.engines.engine.Engine`.

    Precision 'bf16' is a model in fp32 that OpenVINO computes in bf16. Where the processor cannot,
    it is fp32, and ``fallback`` says so.

    :param model: the serialised ONNX model.
    :param file: where it is from, for messages.
    :raises ValueError: a negative number of threads.
    :raises ProviderError: OpenVINO is not installed or cannot load the model, or the options
        require a precision and the work is done in another.
    :raises EngineError: the model cannot be run.
    """

    def __init__(self, model: bytes, file: str, options: EngineOptions) -> None:
        self._file = file
        self._size = options.size
        self._model: Any = None
        beginning = claim(options, 'openvino')
        try:
            openvino = load_openvino()
        except ImportError as error:
            raise ProviderError(f'{beginning}, but {error}') from error
        core = openvino_core()
        hint, lack = _precision_hint(options.precision,
                                     core.get_property(_DEVICE, 'OPTIMIZATION_CAPABILITIES'))
        config = {
            'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1,
            'INFERENCE_NUM_THREADS': thread_count(options.threads),
            'INFERENCE_PRECISION_HINT': hint}
        self._compile = partial(core.compile_model, device_name=_DEVICE, config=config)
        image = black_image(options.size)
        try:
            self._read(core.read_model(io.BytesIO(model)))
            folder = kept(options.cache, partial(_key, model, options, config, openvino),
                          partial(self._export, image.shape))
            if folder is None:
                compiled = self._compiled_for(image.shape)
            else:
                blob = (folder / _COMPILED).read_bytes()
                compiled = core.import_model(io.BytesIO(blob), _DEVICE, config)
        except EngineError:
            raise
        except RuntimeError as error:
            raise ProviderError(f'{beginning}, but OpenVINO {openvino.__version__} cannot load '
                                f'{file}: {str(error).strip()}') from error
        self.threads = int(compiled.get_property('INFERENCE_NUM_THREADS'))
        self._requests: dict[tuple[int, ...] | None, Any] = {
            image.shape: compiled.create_infer_request()}
        self.first_shape = self.infer(image).shape
        # After the inference: only then does every node have its kernel.
        proof = _proof(compiled)
        self.provider, self.precision = proof.provider, proof.precision
        self.note: str | None = None
        differences = [proof.other_provider('openvino', beginning),
                       proof.other_precision(options.precision)]
        self.fallback = '. '.join(filter(None, differences)) or None
        if self.fallback and lack:
            self.fallback += f': {lack}'
        if self.fallback and options.require_provider:
            raise ProviderError(f'{file}: {self.fallback}')

    def buffer(self, images: int = 1) -> NDArray[np.uint8]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.buffer`."""
        return np.empty((images, *self._size, 3), np.uint8)

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.infer`."""
        if not self._requests:
            raise EngineError('the engine is closed')
        check_batch(batch)
        try:
            request = self._requests.get(batch.shape) or self._request_for_any()
            # The input is read where it lies; the output is the caller's.
            result = request.infer([batch], share_inputs=True)[0]
        except RuntimeError as error:
            raise EngineError(f'{self._file}: inference of {batch.shape} {batch.dtype} failed: '
                              f'{str(error).strip()}') from error
        return check_result(self._file, result)

    def close(self) -> None:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.close`."""
        self._requests = {}
        self._model = None

    def _read(self, model: Any) -> None:
        self._model = model
        self.input, self.output = check_tensors(
            self._file, [_tensor(port) for port in model.inputs],
            [_tensor(port) for port in model.outputs], self._size)
        self.takes_batches = has_free_batch(self.input)

    def _compiled_for(self, shape: tuple[int, ...]) -> Any:
        """Return the model compiled for batches of that shape, which are to be most of them."""
        # One size that is known beforehand takes some 5 % less time than any size.
        fixed = self._model.clone()
        fixed.reshape(shape)
        return self._compile(fixed)

    def _export(self, shape: tuple[int, ...], folder: Path) -> None:
        (folder / _COMPILED).write_bytes(self._compiled_for(shape).export_model().getvalue())

    def _request_for_any(self) -> Any:
        """Return the request for batches of other shapes than that of the options."""
        if None not in self._requests:
            self._requests[None] = self._compile(self._model).create_infer_request()
        return self._requests[None]


def load_openvino() -> Any:
    """
    Return the module ``openvino``, which then sends nothing.

    :raises ImportError: it cannot be imported.
    """
    # The wheels of openvino send usage data to Google when they are imported, by means of
    # openvino_telemetry, and go without it where that is not to be had. A vehicle's computer talks
    # to nobody it was not told to.
    hide = 'openvino' not in sys.modules and 'openvino_telemetry' not in sys.modules
    if hide:
        sys.modules['openvino_telemetry'] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise ImportError(f'OpenVINO cannot be imported ({error}): install it with "pip install '
                          f'-r requirements/openvino.txt"') from error
    finally:
        if hide:
            del sys.modules['openvino_telemetry']
    return openvino


@cache
def openvino_core() -> Any:
    """
    Return the ``openvino.Core`` of this process, which stays until it ends.

    :raises ImportError: OpenVINO cannot be imported.
    """
    # Two that come and go end the process. Each gives the thread that makes it a stack for signals
    # (class SigAltStackSetup of OpenVINO's plugin for the CPU) and frees it when it goes, even
    # where the thread still has it: when the older one goes first, or another thread lets it go.
    # The next signal that Python handles, such as Ctrl-C, then is a segmentation fault.
    return load_openvino().Core()


def _key(model: bytes, options: EngineOptions, config: Mapping[str, object],
         openvino: Any) -> EngineKey:
    """Return what a compiled model depends on."""
    return EngineKey(
        engine='openvino', model=hashlib.sha256(model).hexdigest(),
        shapes={'input': (1, *options.size, 3)}, precision=options.precision,
        options={name: str(value) for name, value in config.items()},
        versions={'openvino': openvino.get_version()}, device=cpu_properties())


def _precision_hint(precision: str, capabilities: list[str]) -> tuple[str, str | None]:
    """
    Return OpenVINO's name for what to compute in, and why it is not what was asked (or None).

    :param capabilities: of the processor, as OpenVINO lists them.
    """
    if precision == 'bf16':
        if 'BF16' in capabilities and _has_bf16_instructions():
            return 'bf16', None
        return 'f32', (f'this processor has no instructions for bf16 '
                       f'({", ".join(sorted(_BF16_INSTRUCTIONS))})')
    if precision == 'fp16':
        # Asked for f16 that the processor lacks, OpenVINO would take bf16.
        if 'FP16' in capabilities:
            return 'f16', None
        return 'f32', 'this processor has no instructions for fp16'
    return 'f32', None


def _has_bf16_instructions() -> bool:
    return not _BF16_INSTRUCTIONS.isdisjoint(cpu_properties().get('flags', '').split())


def _tensor(port: Any) -> TensorInfo:
    shape = tuple(side.get_length() if side.is_static else None for side in port.partial_shape)
    return TensorInfo(port.any_name, str(port.element_type.to_dtype()), shape)


def _proof(compiled: Any) -> Proof:
    """Count, in the graph that runs, who computes the convolutions and products and in what."""
    nodes = [{key: value.astype(str) for key, value in node.get_rt_info().items()}
             for node in compiled.get_runtime_model().get_ops()]
    heavy = [node for node in nodes if node['layerType'] in _HEAVY] or nodes
    device, *others = compiled.get_property('EXECUTION_DEVICES')
    provider = 'openvino' if device == _DEVICE and not others else f'openvino on {device}'
    precisions = Counter(_PRECISIONS.get(node['runtimePrecision'], node['runtimePrecision'])
                         for node in heavy)
    return Proof(Counter({provider: len(heavy)}), precisions)
