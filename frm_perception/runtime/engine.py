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
ONNX Runtime behind one small class that says, and proves, which processor does the work.

The CUDA and TensorRT options follow
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html and
https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html. They have not
been run on such a device by the authors; what is proved at every start is where the convolutions
of the first inference ran, so a wrong option cannot go unnoticed.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXECUTION_PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
_NAMES = {full: name for name, full in _EXECUTION_PROVIDERS.items()}

PROVIDERS = ('auto', *_EXECUTION_PROVIDERS)

# TensorRT is not among them: it compiles for minutes at every start, so it has to be asked for.
_AUTOMATIC = ('cuda', 'cpu')

# What a provider cannot run goes to the next one.
_CHAINS = {'cpu': ('cpu',), 'cuda': ('cuda', 'cpu'), 'tensorrt': ('tensorrt', 'cuda', 'cpu')}

# TF32 keeps 10 bits of a number's mantissa: not what a precision called fp32 promises.
_OPTIONS = {'cuda': {'use_tf32': '0'}}

# ONNX Runtime's number for it; the next below is errors.
_FATAL = 4

_HEAVY = ('Conv', 'MatMul', 'Gemm', 'TRTKernel')


class EngineError(RuntimeError):
    """ONNX Runtime is missing, or cannot load or run the model."""


class ProviderError(EngineError):
    """The provider that was asked for is not there or does not do the work."""


@dataclass(frozen=True)
class TensorInfo:
    """
    A tensor that the model declares.

    :param dtype: ONNX Runtime's name, such as 'tensor(uint8)'.
    :param shape: a number, a name for a free dimension, or None, for each dimension.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class OnnxEngine:
    """
    A loaded model: uint8 images in, float32 logits out.

    Not for use by several threads at once.

    :param model: the serialised ONNX model.
    :param provider: 'cpu', 'cuda', 'tensorrt', or 'auto': CUDA where ONNX Runtime offers it and
        it works, else the CPU.
    :param require_provider: refuse to work unless the provider really does; 'auto' asks for none
        in particular.
    :param threads: that many for one operation; 0 leaves ONNX Runtime's choice, which is one
        thread for each physical core.
    :param size: (height, width) of the inference that proves the provider; on a GPU it is also
        the size that the kernels are chosen for.
    :raises ValueError: an unknown provider or a negative number of threads.
    :raises ProviderError: ``require_provider`` and another provider does (part of) the work.
    :raises EngineError: the model cannot be loaded or run.

    Attributes: ``provider`` is where the convolutions and matrix products of the first inference
    ran, ``fallback`` says in words what differs from what was asked (None: nothing), ``note`` what
    'auto' would have taken and could not (or None), ``input`` and ``output`` describe the model's
    tensors, ``first_shape`` is the output's shape for one image of ``size``.
    """

    def __init__(self, model: bytes, provider: str = 'auto', require_provider: bool = False,
                 threads: int = 0, size: tuple[int, int] = (64, 64)) -> None:
        if provider not in PROVIDERS:
            raise ValueError(f'unknown provider {provider!r}; choose from {", ".join(PROVIDERS)}')
        if threads < 0:
            raise ValueError(f'threads is {threads}; 0 lets ONNX Runtime choose, '
                             f'otherwise it is a number of threads')
        self._ort = load_onnxruntime()
        wanted = self._wanted(provider)
        automatic = provider == 'auto'
        claim = f'provider {"auto chose " + wanted if automatic else wanted + " was asked for"}'
        require = require_provider and not automatic
        with tempfile.TemporaryDirectory(prefix='frm_perception-') as scratch:
            self._session, problem = self._open(model, wanted, claim, require, threads, scratch)
            self.input = _only(self._session.get_inputs(), 'input')
            self.output = _only(self._session.get_outputs(), 'output')
            self.first_shape = self.infer(np.zeros((1, *size, 3), np.uint8)).shape
            ran = _heavy_nodes(Path(self._session.end_profiling()))
        self.provider = ran.most_common(1)[0][0]
        difference = problem or _difference(wanted, claim, ran)
        if difference and require:
            raise ProviderError(difference)
        self.fallback = None if automatic else difference
        self.note = difference if automatic else None

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Return the (N, C, h, w) float32 logits of a batch.

        :param batch: (N, H, W, 3) uint8 RGB.
        :raises EngineError: the model failed, returned values that are not finite, or the engine
            is closed.
        """
        if self._session is None:
            raise EngineError('the engine is closed')
        try:
            logits = self._session.run([self.output.name], {self.input.name: batch})[0]
        except Exception as error:  # ONNX Runtime's own exceptions share no other base.
            raise EngineError(f'inference of {batch.shape} {batch.dtype} failed: {error}') \
                from error
        logits = np.asarray(logits, np.float32)
        if not np.isfinite(logits).all():
            raise EngineError('the network returned values that are not finite numbers')
        return logits

    def close(self) -> None:
        """Free the model and its memory."""
        self._session = None

    def _wanted(self, provider: str) -> str:
        if provider != 'auto':
            return provider
        offered = self._offered()
        return next(name for name in _AUTOMATIC if name in offered)

    def _offered(self) -> list[str]:
        return [_NAMES[full] for full in self._ort.get_available_providers() if full in _NAMES]

    def _open(self, model: bytes, wanted: str, claim: str, require: bool, threads: int,
              scratch: str) -> tuple[Any, str | None]:
        """
        Return a session with profiling on, and why it is not the wanted one (or None).

        :param claim: how the message begins: what was asked for.
        """
        if wanted not in self._offered():
            problem = (f'{claim}, but this ONNX Runtime ({self._ort.__version__}) offers '
                       f'{", ".join(self._offered())}')
            if wanted in ('cuda', 'tensorrt'):
                problem += '; onnxruntime-gpu has it (pip install onnxruntime-gpu)'
        else:
            try:
                return self._session_for(model, wanted, threads, scratch), None
            except Exception as error:  # ONNX Runtime's own exceptions share no other base.
                if wanted == 'cpu':
                    raise EngineError(f'ONNX Runtime {self._ort.__version__} cannot load the '
                                      f'model: {error}') from error
                problem = f'{claim}, but it could not start: {error}'
        if require:
            raise ProviderError(problem)
        session, _ = self._open(model, 'cpu', claim, require, threads, scratch)
        return session, f'{problem}. The CPU does the work.'

    def _session_for(self, model: bytes, provider: str, threads: int, scratch: str) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Errors are raised as well: without this each of them, such as one failing frame, is also
        # a line on standard error in a form of its own, past the log of whoever calls.
        options.log_severity_level = _FATAL
        options.enable_profiling = True
        options.profile_file_prefix = f'{scratch}/first'
        if provider != 'cpu':
            # Finds the CUDA and cuDNN that pip installed; ONNX Runtime before 1.21 lacks it.
            getattr(self._ort, 'preload_dlls', lambda: None)()
        offered = self._offered()
        chain = [(_EXECUTION_PROVIDERS[name], _OPTIONS.get(name, {}))
                 for name in _CHAINS[provider] if name in offered]
        # Left alone, ONNX Runtime prints an error and goes on with another provider.
        session = self._ort.InferenceSession(model, options, providers=chain, enable_fallback=0)
        session.disable_fallback()
        return session


def load_onnxruntime() -> Any:
    """
    Return the module ``onnxruntime``, told to send nothing.

    :raises EngineError: it cannot be imported.
    """
    # From 1.29 on, the wheels send usage data to Microsoft unless told not to before they load
    # (Privacy.md within the wheel). A vehicle's computer talks to nobody it was not told to.
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f'ONNX Runtime cannot be imported ({error}). It has no rosdep key: install it with '
            f'"pip install onnxruntime", or "pip install onnxruntime-gpu" for an NVIDIA GPU.'
        ) from error
    return onnxruntime


def node_events(profile: Path) -> list[dict[str, Any]]:
    """Return every run of a node of the graph that ONNX Runtime's profile has, in order."""
    return [event for event in json.loads(profile.read_text(encoding='utf-8'))
            if event.get('cat') == 'Node' and 'provider' in event.get('args', {})]


def _only(tensors: Any, what: str) -> TensorInfo:
    if len(tensors) != 1:
        raise EngineError(f'the model has {len(tensors)} {what}s '
                          f'({", ".join(tensor.name for tensor in tensors)}); one is expected')
    return TensorInfo(tensors[0].name, tensors[0].type, tuple(tensors[0].shape))


def _heavy_nodes(profile: Path) -> Counter[str]:
    """Count, for each provider, the convolutions and matrix products that it ran."""
    nodes = [event['args'] for event in node_events(profile)]
    heavy = [node for node in nodes if any(part in node['op_name'] for part in _HEAVY)]
    counted = Counter(_NAMES.get(node['provider'], node['provider']) for node in heavy or nodes)
    if not counted:
        raise EngineError("ONNX Runtime's profile of the first inference names no provider")
    return counted


def _difference(wanted: str, claim: str, ran: Counter[str]) -> str | None:
    if set(ran) == {wanted}:
        return None
    total = sum(ran.values())
    shares = ', '.join(f'{name} ran {count}' for name, count in ran.most_common())
    return f'{claim}, but of {total} convolutions and matrix products {shares}'
