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
"""What all engines have in common: what they are asked for, what they offer, what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engine_cache import EngineCache

REMEDY = 'Copy the bundle again, or make it anew with "frm export".'

_FREE = (str, type(None))


class EngineError(RuntimeError):
    """What computes is missing, or cannot load or run the model."""


class ProviderError(EngineError):
    """The provider or precision that was asked for is not there or does not do the work."""


@dataclass(frozen=True)
class EngineOptions:
    """
    What an engine is asked for.

    :param provider: one of :data:`frm_perception.runtime.engines.PROVIDERS`.
    :param precision: what the convolutions are to compute in: 'fp32', 'fp16', 'bf16' or 'int8'.
        Of these only 'bf16' is not a matter of the model but of the engine: OpenVINO's, with a
        model in fp32. Of any other name it is not checked what it means.
    :param require_provider: refuse to work unless provider and precision are what really runs;
        'auto' asks for no provider in particular.
    :param threads: of one inference; 0 is the default of
        :func:`frm_perception.runtime.threads.thread_count`.
    :param size: (height, width) of the inference that proves them; on a GPU it is also the size
        that the kernels are chosen for.
    :param network: the name that the network is built by, for PyTorch.
    :param cache: where TensorRT and OpenVINO keep what they compiled; None keeps nothing.
    :param dla_core: of a Jetson's Deep Learning Accelerator (DLA), for TensorRT; -1 is none.
    :param max_gpu_memory_mib: most MiB that ONNX Runtime's CUDA provider takes altogether, and
        TensorRT to work in; 0 sets no limit.
    """

    provider: str = 'auto'
    precision: str = 'fp32'
    require_provider: bool = False
    threads: int = 0
    size: tuple[int, int] = (64, 64)
    network: str = ''
    cache: EngineCache | None = None
    dla_core: int = -1
    max_gpu_memory_mib: int = 0


@dataclass(frozen=True)
class TensorInfo:
    """
    A tensor that the model declares.

    :param dtype: NumPy's name, such as 'uint8'.
    :param shape: for each dimension a number, a name for a free one, or None.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class Engine(Protocol):
    """
    A loaded model: uint8 images in, float32 logits out (or integer labels, if it has those).

    Not for use by several threads at once.

    Attributes: ``provider`` is where the convolutions and matrix products of the first inference
    ran, ``precision`` what they computed in ('fp32', or '60 int8, 9 fp32'), both as the runtime
    itself reports after it. ``fallback`` says in words what differs from what was asked (None:
    nothing), ``note`` what else is worth knowing, such as what 'auto' would have taken and could
    not (or None). ``threads`` is how many one inference may use. ``input`` and ``output`` describe
    the model's tensors, ``first_shape`` is the output's shape for one image of the options' size.
    ``takes_batches`` tells whether one inference may be of several images.
    """

    provider: str
    precision: str
    fallback: str | None
    note: str | None
    threads: int
    input: TensorInfo
    output: TensorInfo
    first_shape: tuple[int, ...]
    takes_batches: bool

    def buffer(self, images: int = 1) -> NDArray[np.uint8]:
        """
        Return an array (N, H, W, 3) of the options' size, which :meth:`infer` reads best.

        :param images: N; above 1 only of an engine that takes batches.
        """

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """
        Return the (N, C, h, w) float32 logits of a batch, in memory that is the caller's own.

        :param batch: (N, H, W, 3) uint8 RGB, contiguous.
        :raises EngineError: the model failed, returned values that are not finite, or the engine
            is closed.
        """

    def close(self) -> None:
        """Free the model and its memory."""


def black_image(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the (1, H, W, 3) image that an engine is proved with."""
    return np.zeros((1, *size, 3), np.uint8)


def has_free_batch(image: TensorInfo) -> bool:
    """Return whether a model's input may be any number of images."""
    return isinstance(image.shape[0], _FREE)


def check_tensors(file: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
                  size: tuple[int, int]) -> tuple[TensorInfo, TensorInfo]:
    """
    Return the input and the output of a model that takes images of that (height, width).

    :param file: where the model is from, for the messages.
    :raises EngineError: there is not one of each, or the input is another.
    """
    for what, tensors in (('input', inputs), ('output', outputs)):
        if len(tensors) != 1:
            names = ', '.join(tensor.name for tensor in tensors)
            raise EngineError(f'{file}: the model has {len(tensors)} {what}s ({names}); one is '
                              f'expected. {REMEDY}')
    image = inputs[0]
    fixed = list(image.shape)
    if image.dtype != 'uint8' or len(fixed) != 4 or fixed[3] != 3:
        raise EngineError(
            f'{file}: the model takes {image.dtype} {_shape_text(image)}, and not uint8 images '
            f'(N, height, width, 3): it was not made by this package, whose exports hold the '
            f'normalisation themselves. Make it with "frm export".')
    if not all(isinstance(side, _FREE) or side == asked
               for side, asked in zip(fixed, (1, *size, 3), strict=True)):
        raise EngineError(
            f'{file}: the model takes images {_shape_text(image)} alone, and not (1, {size[0]}, '
            f'{size[1]}, 3): choose its own resolution, or export it for this one with --size.')
    return image, outputs[0]


def check_batch(batch: NDArray[np.uint8]) -> None:
    """
    Refuse what is no batch of images, before a runtime reads it as something else.

    :raises EngineError: it is not uint8 (N, H, W, 3).
    """
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3:
        raise EngineError(f'inference of {batch.shape} {batch.dtype} failed: uint8 (N, height, '
                          f'width, 3) is expected')


def check_result(file: str, result: NDArray[Any]) -> NDArray[Any]:
    """
    Return logits as float32, and labels as they are.

    :raises EngineError: logits that are not finite.
    """
    if np.issubdtype(result.dtype, np.integer):
        return result
    logits = np.asarray(result, np.float32)
    if not np.isfinite(logits).all():
        raise EngineError(
            f'{file}: the network returned values that are not finite numbers: its weights are '
            f'damaged, or beyond what its precision holds. {REMEDY}')
    return logits


def _shape_text(tensor: TensorInfo) -> str:
    return '({})'.format(', '.join('?' if side is None else str(side) for side in tensor.shape))
