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
Inference through memory at fixed places, as CUDA graphs need it.

https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview
describes it. :class:`FixedBinding` is the same on every device and is tested on the CPU; on a GPU
it has not been run by the authors, nor has :class:`PinnedBuffer`.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.engines.engine import EngineError
from frm_perception.runtime.engines.engine import TensorInfo

# CU_MEMHOSTREGISTER_PORTABLE of the CUDA driver API: for all its contexts.
_PORTABLE = 1


class FixedBinding:
    """
    A session whose input and output keep one shape and one address.

    Uint8 pixels are copied to the device, and what the model returns is copied back; nothing else
    crosses the bus, and nothing is allocated.

    :param runtime: the module ``onnxruntime``.
    :param session: its ``InferenceSession``.
    :param shape: of the input.
    :param output_shape: what the model makes of it.
    :param device: 'cuda', or 'cpu'.
    """

    def __init__(self, runtime: Any, session: Any, image: TensorInfo, output: TensorInfo,
                 shape: tuple[int, ...], output_shape: tuple[int, ...], device: str) -> None:
        self._parts = runtime, session, image, output
        self._device = device
        allocate = runtime.OrtValue.ortvalue_from_shape_and_type
        self._input = allocate(shape, np.dtype(image.dtype).type, device, 0)
        self._output = allocate(output_shape, np.dtype(output.dtype).type, device, 0)
        self._session = session
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(image.name, self._input)
        self._binding.bind_ortvalue_output(output.name, self._output)
        self._shape = shape
        # Each number of images is a CUDA graph of its own. Elsewhere this is ignored.
        self._run_options = runtime.RunOptions()
        self._run_options.add_run_config_entry('gpu_graph_id', str(shape[0]))

    def resized(self, shape: tuple[int, ...], output_shape: tuple[int, ...]) -> FixedBinding:
        """Return the same session with memory for another shape."""
        return FixedBinding(*self._parts, shape, output_shape, self._device)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        """
        Return the model's output for a batch, in memory of its own.

        :raises EngineError: the batch has another shape; a recorded CUDA graph would compute the
            one before instead.
        """
        if batch.shape != self._shape:
            raise EngineError(f'this engine was opened for batches of {self._shape} alone')
        self._input.update_inplace(np.ascontiguousarray(batch))
        self._session.run_with_iobinding(self._binding, self._run_options)
        # ONNX Runtime's numpy() is a view where the device is the CPU.
        return np.array(self._output.numpy())


class PinnedBuffer:
    """
    An array that the operating system never moves, so that a GPU reads it without a copy.

    Where the CUDA driver does not take it (it is not there, or an old Jetson's), it is an array
    like any other, and only slower.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.array: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        try:
            self._driver: Any = ctypes.CDLL('libcuda.so.1')
        except OSError:
            self.pinned = False
            return
        failed = self._driver.cuMemHostRegister_v2(
            self._address(), ctypes.c_size_t(self.array.nbytes), _PORTABLE)
        self.pinned = not failed

    def release(self) -> None:
        """Let the operating system have it back; the array may be used on."""
        if self.pinned:
            self._driver.cuMemHostUnregister(self._address())
            self.pinned = False

    def _address(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.array.ctypes.data)
