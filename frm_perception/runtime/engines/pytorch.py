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
PyTorch, for a GPU that has it and no ONNX Runtime of its own.

The network is built anew and its weights are read from the bundle's ONNX file. That is possible
for networks of convolutions and batch normalisation alone, such as those on MobileNetV2. The GPU
has not been tried by the authors; that the same code computes on the CPU what ONNX Runtime does
has. Where PyTorch really computed, and in what, is read from the results of the first inference.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engines.engine import EngineError
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.engine import ProviderError
from frm_perception.runtime.engines.engine import TensorInfo
from frm_perception.runtime.engines.engine import black_image
from frm_perception.runtime.engines.engine import check_batch
from frm_perception.runtime.engines.engine import check_result
from frm_perception.runtime.engines.engine import check_tensors
from frm_perception.runtime.engines.engine import has_free_batch
from frm_perception.runtime.engines.proof import Proof
from frm_perception.runtime.engines.proof import claim
from frm_perception.runtime.threads import thread_count

if TYPE_CHECKING:
    import torch

_PRECISIONS = {'float32': 'fp32', 'float16': 'fp16', 'bfloat16': 'bf16'}
_ON_CPU = 'torch on the CPU'


class TorchEngine:
    """
    A network in PyTorch; see :class:`frm_perception.runtime.engines.engine.Engine`.

    Where there is no GPU the CPU computes, and ``fallback`` says so.

    :param model: the serialised ONNX model in fp32.
    :param file: where it is from, for messages.
    :raises ValueError: a negative number of threads.
    :raises ProviderError: PyTorch is not installed, the file does not hold the network's weights
        one by one, or the options require the provider and there is no GPU.
    :raises EngineError: the model cannot be run.
    """

    def __init__(self, model: bytes, file: str, options: EngineOptions) -> None:
        self._file = file
        self._size = options.size
        beginning = claim(options, 'torch')
        try:
            import torch

            from frm_perception.networks.exported import exported_tensors
            from frm_perception.networks.exported import rebuilt
        except ImportError as error:
            raise ProviderError(
                f'{beginning}, but PyTorch cannot be imported ({error}): pip install -r '
                f'requirements/train.txt') from error
        self._torch = torch
        self.threads = thread_count(options.threads)
        torch.set_num_threads(self.threads)
        try:
            inputs, outputs = exported_tensors(model)
            network = rebuilt(options.network, model)
        except ValueError as error:
            raise ProviderError(f'{beginning}, but it cannot run {file}: {error}') from error
        self.input, self.output = check_tensors(
            file, [TensorInfo(*tensor) for tensor in inputs],
            [TensorInfo(*tensor) for tensor in outputs], options.size)
        self.takes_batches = has_free_batch(self.input)
        self._device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self._network: Any = network.to(
            self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.first_shape, proof = self._prove()
        self.provider, self.precision = proof.provider, proof.precision
        self.note: str | None = None
        self.fallback = proof.other_provider('torch', beginning)
        if self.fallback and options.require_provider:
            raise ProviderError(f'{file}: {self.fallback}')

    def buffer(self, images: int = 1) -> NDArray[np.uint8]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.buffer`."""
        image = self._torch.empty((images, *self._size, 3), dtype=self._torch.uint8,
                                  pin_memory=self._device.type == 'cuda')
        pinned: NDArray[np.uint8] = image.numpy()
        return pinned

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.infer`."""
        if self._network is None:
            raise EngineError('the engine is closed')
        check_batch(batch)
        torch = self._torch
        try:
            # Left alone, cuDNN rounds the operands of fp32 convolutions to TF32.
            with torch.inference_mode(), torch.backends.cudnn.flags(
                    enabled=True, allow_tf32=False):
                image = torch.from_numpy(batch).to(self._device, non_blocking=True)
                logits = self._network(image).cpu().numpy()
        except RuntimeError as error:
            raise EngineError(f'{self._file}: inference of {batch.shape} {batch.dtype} failed: '
                              f'{error}') from error
        return check_result(self._file, logits)

    def close(self) -> None:
        """See :meth:`frm_perception.runtime.engines.engine.Engine.close`."""
        self._network = None

    def _prove(self) -> tuple[tuple[int, ...], Proof]:
        """Run once; return the result's shape, and where and in what every convolution ran."""
        results: list[torch.Tensor] = []
        handles = [module.register_forward_hook(lambda _, __, result: results.append(result))
                   for module in self._network.modules()
                   if isinstance(module, self._torch.nn.Conv2d)]
        shape = self.infer(black_image(self._size)).shape
        for handle in handles:
            handle.remove()
        return shape, Proof(
            Counter('torch' if result.is_cuda else _ON_CPU for result in results),
            Counter(_PRECISIONS[str(result.dtype).removeprefix('torch.')] for result in results))
