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
ONNX Runtime on TensorRT, CUDA or the CPU, proved by its own profile of the first inference.

The options follow
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html and
https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html. What concerns CUDA
and TensorRT has not been run on such a device by the authors. What is proved at every start is
where the convolutions of the first inference ran and, where inferences go through fixed memory and
a CUDA graph, that answers follow their images; so a wrong option cannot go unnoticed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engines.binding import FixedBinding
from frm_perception.runtime.engines.binding import PinnedBuffer
from frm_perception.runtime.engines.engine import REMEDY
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
from frm_perception.runtime.engines.onnx_profile import EXECUTION_PROVIDERS
from frm_perception.runtime.engines.onnx_profile import NAMES
from frm_perception.runtime.engines.onnx_profile import read_proof
from frm_perception.runtime.engines.proof import Proof
from frm_perception.runtime.engines.proof import claim
from frm_perception.runtime.engines.provider_options import provider_options
from frm_perception.runtime.engines.tensorrt import TF32
from frm_perception.runtime.engines.tensorrt import tensorrt_key
from frm_perception.runtime.threads import thread_count

# TensorRT is not among them: it compiles for minutes, so it has to be asked for.
_AUTOMATIC = ('cuda', 'cpu')

# What a provider cannot run goes to the next one.
_CHAINS = {'cpu': ('cpu',), 'cuda': ('cuda', 'cpu'), 'tensorrt': ('tensorrt', 'cuda', 'cpu')}

_WITH_GPU = ('onnxruntime-gpu has it ("pip install onnxruntime-gpu"; on a Jetson the wheel that '
             'docs/jetson.md names)')

_SPINNING_US = '1000'

# ONNX Runtime's number for it; the next below is errors.
_FATAL = 4

_DTYPES = {'float': 'float32', 'double': 'float64'}

# The same image twice, on one GPU: what else than rounding could differ.
_LARGEST_DISAGREEMENT = 1e-3


class OnnxEngine:
    """
    A model in ONNX Runtime; see :class:`frm_perception.runtime.engines.engine.Engine`.

    :param model: the serialised ONNX model.
    :param file: where it is from, for messages.
    :param options: with provider 'cpu', 'cuda', 'tensorrt', or 'auto': CUDA where ONNX Runtime
        offers it and it works, else the CPU.
    :raises ValueError: a negative number of threads.
    :raises ProviderError: the options require the provider and the precision, and (part of) the
        work is done by or in another.
    :raises EngineError: the model cannot be loaded or run.
    """

    _session: Any
    _bindings: dict[int, FixedBinding]
    _buffers: dict[int, PinnedBuffer]
    _proof: Proof
    input: TensorInfo
    output: TensorInfo
    first_shape: tuple[int, ...]
    takes_batches: bool

    def __init__(self, model: bytes, file: str, options: EngineOptions) -> None:
        self.threads = thread_count(options.threads)
        self._file = file
        self._options = options
        self._ort = load_onnxruntime()
        self._engines: Path | None = None
        self.note: str | None = None
        automatic = options.provider == 'auto'
        wanted = self._wanted()
        beginning = claim(options, wanted)
        problem = self._open(model, wanted, beginning, options.require_provider and not automatic)
        self.provider, self.precision = self._proof.provider, self._proof.precision
        elsewhere = problem or self._proof.other_provider(wanted, beginning)
        differences = [None if automatic else elsewhere,
                       self._proof.other_precision(options.precision)]
        self.fallback = '. '.join(filter(None, differences)) or None
        if options.dla_core >= 0:
            told = (f'DLA core {options.dla_core} was asked for; ONNX Runtime does not tell which '
                    f'layers it computes, and which the GPU')
            self.note = '. '.join(filter(None, [self.note, told]))
        if automatic:
            self.note = '. '.join(filter(None, [elsewhere, self.note])) or None
        if self.fallback and options.require_provider:
            self.close()
            raise ProviderError(f'{file}: {self.fallback}')

    def buffer(self, images: int = 1) -> NDArray[np.uint8]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.buffer`."""
        shape = (images, *self._options.size, 3)
        if not self._bindings:
            return np.empty(shape, np.uint8)
        if images not in self._buffers:
            self._buffers[images] = PinnedBuffer(shape)
        return self._buffers[images].array

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.infer`."""
        if self._session is None:
            raise EngineError('the engine is closed')
        check_batch(batch)
        try:
            result = self._run_bound(batch) if self._bindings else self._run(batch)
        except Exception as error:  # ONNX Runtime's own exceptions share no other base.
            raise EngineError(f'{self._file}: inference of {batch.shape} {batch.dtype} failed: '
                              f'{error}') from error
        return check_result(self._file, result)

    def close(self) -> None:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.close`."""
        for buffer in self._buffers.values():
            buffer.release()
        self._forget_memory()
        self._session = None

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        return np.asarray(self._session.run([self.output.name], {self.input.name: batch})[0])

    def _run_bound(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """Run through memory of the batch's own, made when the first of its number comes."""
        number = len(batch)
        if number not in self._bindings and self.takes_batches:
            shape, output_shape = (number, *self._options.size, 3), (number, *self.first_shape[1:])
            self._bindings[number] = self._bindings[1].resized(shape, output_shape)
        return self._bindings.get(number, self._bindings[1]).run(batch)

    def _wanted(self) -> str:
        if self._options.provider != 'auto':
            return self._options.provider
        offered = self._offered()
        return next(name for name in _AUTOMATIC if name in offered)

    def _offered(self) -> list[str]:
        return [NAMES[full] for full in self._ort.get_available_providers() if full in NAMES]

    def _open(self, model: bytes, wanted: str, beginning: str, require: bool) -> str | None:
        """
        Start the wanted provider or else the CPU; return why it is not the wanted one (or None).

        :param beginning: of the message: who wanted it.
        """
        if wanted not in self._offered():
            problem = (f'{beginning}, but this ONNX Runtime ({self._ort.__version__}) offers '
                       f'{", ".join(self._offered())}')
            if wanted in ('cuda', 'tensorrt'):
                problem += f'; {_WITH_GPU}'
        elif wanted == 'cpu':
            self._start(model, 'cpu', graph=False)
            return None
        else:
            try:
                if wanted == 'tensorrt':
                    self._engines = kept(
                        self._options.cache,
                        lambda: tensorrt_key(self._ort, model, self._options),
                        lambda folder: self._build(model, folder))
                self._start_gpu(model, wanted)
                return None
            except EngineError as error:
                problem = f'{beginning}, but it could not start: {error}'
        if require:
            raise ProviderError(problem)
        self._start(model, 'cpu', graph=False)
        return f'{problem}. The CPU does the work'

    def _build(self, model: bytes, folder: Path) -> None:
        """Let TensorRT compile the model into a folder, as it does for the first inference."""
        self._engines = folder
        self._start(model, 'tensorrt', graph=False)
        self.close()

    def _start_gpu(self, model: bytes, provider: str) -> None:
        """Start with a CUDA graph, or without one where the model cannot be captured."""
        try:
            self._start(model, provider, graph=True)
        except EngineError as error:
            self._start(model, provider, graph=False)
            self.note = f'no CUDA graph, so every kernel is launched by itself: {error}'

    def _start(self, model: bytes, provider: str, graph: bool) -> None:
        """
        Prove with a session that profiles itself what runs; make the one that stays.

        After its profile has ended, a session of ONNX Runtime 1.31 still keeps some 600 bytes of
        every run.

        :raises EngineError: any of that failed; nothing of the attempt is left.
        """
        self._forget_memory()
        image = black_image(self._options.size)
        with tempfile.TemporaryDirectory(prefix='frm_perception-') as scratch:
            # TensorRT compiles for minutes: the second session finds what the first one compiled.
            engines = self._engines or Path(scratch)
            try:
                self._session = self._session_for(
                    model, provider, False, engines, f'{scratch}/first')
                self.input, self.output = check_tensors(
                    self._file, _tensors(self._session.get_inputs()),
                    _tensors(self._session.get_outputs()), self._options.size)
                # TensorRT compiles for the shapes that it has seen, anew for every other one.
                self.takes_batches = provider != 'tensorrt' and has_free_batch(self.input)
                self.first_shape = self.infer(image).shape
                self._proof = read_proof(Path(self._session.end_profiling()))
                self._session = None
                self._session = self._session_for(model, provider, graph, engines)
                if provider == 'cpu':
                    self.infer(image)
                else:
                    self._bind(image.shape, self.first_shape, 'cuda')
                    self._check_binding(image)
            except Exception as error:  # ONNX Runtime's own exceptions share no other base.
                self._forget_memory()
                self._session = None
                if isinstance(error, EngineError):
                    raise
                raise EngineError(self._explained(error, provider)) from error

    def _bind(self, shape: tuple[int, ...], output_shape: tuple[int, ...], device: str) -> None:
        """Let inferences go through memory at fixed places of a device."""
        self._bindings = {1: FixedBinding(
            self._ort, self._session, self.input, self.output, shape, output_shape, device)}

    def _forget_memory(self) -> None:
        self._bindings = {}
        self._buffers = {}

    def _check_binding(self, image: NDArray[np.uint8]) -> None:
        """
        Refuse fixed memory whose answers do not follow what is put there, as of a bad CUDA graph.

        :raises EngineError: the same image gets another answer, or another image the same.
        """
        noise = np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)
        first, other, again = map(self.infer, (image, noise, image))
        apart = np.abs(first.astype(np.float32) - again).max()
        if apart > _LARGEST_DISAGREEMENT * np.abs(first).max() or np.array_equal(first, other):
            raise EngineError(f'{self._file}: with memory at fixed places of the device the '
                              f'outputs do not follow the inputs')

    def _session_for(self, model: bytes, provider: str, graph: bool, engines: Path,
                     profile: str = '') -> Any:
        """
        Return a session.

        :param engines: folder of what TensorRT compiles.
        :param profile: where its profile begins to be written; empty for none.
        """
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Between two operators threads wait by spinning, since waking them takes longer; but not
        # for long and not between inferences, where they would take the cores from other programs.
        # Older releases of ONNX Runtime know only the latter and ignore the former.
        options.add_session_config_entry('session.intra_op.spin_duration_us', _SPINNING_US)
        options.add_session_config_entry('session.force_spinning_stop', '1')
        # Errors are raised as well: without this each of them, such as one failing frame, is also
        # a line on standard error in a form of its own, past the log of whoever calls.
        options.log_severity_level = _FATAL
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = profile
        if provider != 'cpu':
            # Finds the CUDA and cuDNN that pip installed; ONNX Runtime before 1.21 lacks it.
            getattr(self._ort, 'preload_dlls', lambda: None)()
        if provider == 'tensorrt':
            # Left alone, TensorRT computes fp32 in TF32; ONNX Runtime has no option for it, but
            # all of NVIDIA's libraries heed this.
            os.environ.setdefault(TF32, '0')
        offered = self._offered()
        chain = [(EXECUTION_PROVIDERS[name],
                  provider_options(name, self._options, graph and name == provider, engines))
                 for name in _CHAINS[provider] if name in offered]
        # Left alone, ONNX Runtime prints an error and goes on with another provider.
        session = self._ort.InferenceSession(model, options, providers=chain, enable_fallback=0)
        session.disable_fallback()
        return session

    def _explained(self, error: Exception, provider: str) -> str:
        """Return what ONNX Runtime says of a model that it cannot load, and what to do."""
        text = str(error).strip()
        beginning = f'{self._file}: ONNX Runtime {self._ort.__version__} cannot load the model'
        if type(error).__name__ == 'InvalidProtobuf' or 'No graph was found' in text:
            return f'{beginning}: it is cut off, or no ONNX file ({text}). {REMEDY}'
        if 'opset' in text.lower() or 'model IR version' in text:
            return (f'{beginning}: it is of another ONNX than this ONNX Runtime knows ({text}). '
                    f'Install the versions in requirements/run.txt, or export the model with the '
                    f'package that is installed here.')
        # On a GPU it is as likely the driver's fault as the model's.
        return f'{beginning}: {text}. {REMEDY}' if provider == 'cpu' else f'{beginning}: {text}'


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
            f'"pip install onnxruntime". For an NVIDIA GPU {_WITH_GPU}.'
        ) from error
    return onnxruntime


def _tensors(tensors: Sequence[Any]) -> list[TensorInfo]:
    found = []
    for tensor in tensors:
        dtype = tensor.type.removeprefix('tensor(').removesuffix(')')
        found.append(TensorInfo(tensor.name, _DTYPES.get(dtype, dtype), tuple(tensor.shape)))
    return found
