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
Which NVIDIA GPU this is, and which CUDA and TensorRT run on it: what their engines depend on.

And which Jetson it is, which has a Deep Learning Accelerator (DLA) or none.

Asked of the libraries themselves, because a Jetson has neither Python packages of them nor
nvidia-smi: https://docs.nvidia.com/cuda/cuda-driver-api/ and, for TensorRT,
https://docs.nvidia.com/deeplearning/tensorrt/latest/_static/c-api/. The authors have run this
where none of them is; that it refuses there is tested, what it answers on a GPU is not.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

_DRIVER = 'libcuda.so.1'
_DEVICE = 0
"""ONNX Runtime's default."""

# Of the driver API's enum CUdevice_attribute.
_COMPUTE_CAPABILITY_MAJOR = 75
_COMPUTE_CAPABILITY_MINOR = 76
_LONGEST_NAME = 256

_DEVICE_TREE = Path('/proc/device-tree')
_ORIN = 'nvidia,tegra234'
# Part numbers of Orin Nano, which alone of the modules with Orin has no DLA, as Linux has them:
# https://www.kernel.org/doc/Documentation/devicetree/bindings/arm/tegra.yaml.
_ORIN_NANO = ('p3767-0003', 'p3767-0004', 'p3767-0005')


def gpu_properties() -> dict[str, str]:
    """
    Return the name of the first GPU, its compute capability, and the CUDA version of its driver.

    :raises OSError: there is no driver, or it has no such GPU.
    """
    driver = ctypes.CDLL(_DRIVER)
    _ask(driver, 'cuInit', 0)
    device, number = ctypes.c_int(), ctypes.c_int()
    _ask(driver, 'cuDeviceGet', ctypes.byref(device), _DEVICE)
    name = ctypes.create_string_buffer(_LONGEST_NAME)
    _ask(driver, 'cuDeviceGetName', name, _LONGEST_NAME, device)
    capability = []
    for attribute in (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR):
        _ask(driver, 'cuDeviceGetAttribute', ctypes.byref(number), attribute, device)
        capability.append(str(number.value))
    _ask(driver, 'cuDriverGetVersion', ctypes.byref(number))
    return {'name': name.value.decode(), 'compute capability': '.'.join(capability),
            'cuda driver': str(number.value)}


def tensorrt_version(runtime: Any) -> str:
    """
    Return the version of the TensorRT that ONNX Runtime loads, such as '101300'.

    :param runtime: the module ``onnxruntime``, one with TensorRT.
    :raises OSError: it has none, or that TensorRT cannot be loaded.
    """
    return str(ctypes.CDLL(tensorrt_library(runtime)).getInferLibVersion())


def tensorrt_library(runtime: Any) -> str:
    """
    Return the name of the library of TensorRT that ONNX Runtime loads, such as 'libnvinfer.so.10'.

    :param runtime: the module ``onnxruntime``, one with TensorRT.
    :raises OSError: it has none.
    """
    provider = Path(runtime.__file__).parent / 'capi' / 'libonnxruntime_providers_tensorrt.so'
    # The name that the dynamic linker looks for stands in the library as plain text.
    wanted = re.search(rb'libnvinfer\.so\.[0-9]+', provider.read_bytes())
    if wanted is None:
        raise OSError(f'{provider} names no libnvinfer')
    return wanted[0].decode()


def has_dla(device_tree: Path = _DEVICE_TREE) -> bool:
    """Return whether this is a Jetson with a DLA: an Orin NX or an AGX Orin."""
    compatible = _property(device_tree / 'compatible')
    return _ORIN in compatible and not any(part in compatible for part in _ORIN_NANO)


def computer_name(device_tree: Path = _DEVICE_TREE) -> str:
    """Return what a computer with a device tree, such as a Jetson, says that it is."""
    return _property(device_tree / 'model') or 'no Jetson'


def _property(file: Path) -> str:
    try:
        return file.read_text(encoding='ascii', errors='replace').replace('\0', ' ').strip()
    except OSError:  # a computer without a device tree
        return ''


def _ask(driver: ctypes.CDLL, function: str, *arguments: Any) -> None:
    status = getattr(driver, function)(*arguments)
    if status:
        raise OSError(f'{function} of {_DRIVER} failed with CUDA error {status}')
