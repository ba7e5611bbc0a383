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
"""What is asked of NVIDIA's libraries: here, that it is refused by name where they are not."""

import shutil
from ctypes.util import find_library
from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import pytest

from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines.tensorrt import tensorrt_key
from frm_perception.runtime.nvidia import computer_name
from frm_perception.runtime.nvidia import gpu_properties
from frm_perception.runtime.nvidia import has_dla
from frm_perception.runtime.nvidia import tensorrt_version

needs_no_gpu = pytest.mark.skipif(find_library('cuda') is not None, reason='there is a driver')


@needs_no_gpu
def test_a_missing_driver_is_named() -> None:
    with pytest.raises(OSError, match='libcuda.so.1'):
        gpu_properties()


@pytest.mark.skipif('TensorrtExecutionProvider' in onnxruntime.get_available_providers(),
                    reason='this ONNX Runtime has TensorRT')
def test_an_onnx_runtime_without_tensorrt_is_refused_by_the_file_it_lacks() -> None:
    with pytest.raises(OSError, match='libonnxruntime_providers_tensorrt.so'):
        tensorrt_version(onnxruntime)


@needs_no_gpu
def test_without_a_gpu_no_engine_of_tensorrt_can_be_told_from_another() -> None:
    with pytest.raises(OSError):
        tensorrt_key(onnxruntime, b'', EngineOptions('tensorrt'))


def _runtime(folder: Path, library: bytes) -> SimpleNamespace:
    """Return what lies on disk like an ONNX Runtime whose provider has that content."""
    (folder / 'capi').mkdir()
    (folder / 'capi' / 'libonnxruntime_providers_tensorrt.so').write_bytes(library)
    return SimpleNamespace(__file__=str(folder / '__init__.py'))


def test_the_library_that_is_asked_is_the_one_that_the_provider_is_linked_to(
        tmp_path: Path) -> None:
    runtime = _runtime(tmp_path, b'\x7fELF\0libnvinfer_plugin.so.97\0libnvinfer.so.98\0')
    with pytest.raises(OSError, match='libnvinfer.so.98'):
        tensorrt_version(runtime)
    shutil.rmtree(tmp_path / 'capi')
    with pytest.raises(OSError, match='names no libnvinfer'):
        tensorrt_version(_runtime(tmp_path, b'\x7fELF\0libcudart.so.12\0'))


# As NVIDIA's device trees have it: model, compatible, and whether that module has a DLA.
@pytest.mark.parametrize(('model', 'compatible', 'expected'), [
    ('NVIDIA Jetson AGX Orin Developer Kit',
     'nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0', True),
    ('NVIDIA Jetson Orin NX Engineering Reference Developer Kit',
     'nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0', True),
    ('NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super',
     'nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0', False),
    ('a carrier of somebody else', 'nvidia,p3767-0003\0nvidia,tegra234\0', False),
    ('NVIDIA Jetson AGX Thor Developer Kit',
     'nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0', False),
    ('Raspberry Pi 5 Model B Rev 1.0', 'raspberrypi,5-model-b\0brcm,bcm2712\0', False),
])
def test_the_module_tells_whether_there_is_a_dla(
        tmp_path: Path, model: str, compatible: str, expected: bool) -> None:
    (tmp_path / 'model').write_bytes(model.encode() + b'\0')
    (tmp_path / 'compatible').write_bytes(compatible.encode())
    assert has_dla(tmp_path) == expected
    assert computer_name(tmp_path) == model


def test_a_computer_without_a_device_tree_is_no_jetson(tmp_path: Path) -> None:
    assert not has_dla(tmp_path / 'none')
    assert computer_name(tmp_path / 'none') == 'no Jetson'
