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
Inferences in processes of their own, run for real.

A wheel that does not fit this computer's GPU cannot run where there is none: for that alone
``sitecustomize`` makes the ONNX Runtime that is installed here behave as such a wheel does.
"""

from pathlib import Path

import pytest
from trial_model import trial_model

from frm_perception.runtime.doctor import attempt
from frm_perception.runtime.doctor.attempt import try_bundle
from frm_perception.runtime.doctor.attempt import try_provider

WHEEL = """
import os, signal
import onnxruntime as ort
session = ort.InferenceSession
ort.get_available_providers = lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider']
def start(model, options, providers, **rest):
    if providers[0][0] == 'CUDAExecutionProvider':
        {what}
    return session(model, options, providers=providers, **rest)
ort.InferenceSession = start
"""
NO_KERNELS = ("raise RuntimeError('CUDA error cudaErrorNoKernelImageForDevice:no kernel image is "
              "available for execution on the device')")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that makes ONNX Runtime behave otherwise in processes to come."""
    root = Path(__file__).resolve().parents[3]
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}:{root}')
    return tmp_path / 'sitecustomize.py'


def test_the_model_in_the_package_is_the_one_that_is_described() -> None:
    file = Path(attempt.__file__).with_name('tiny.onnx')
    assert file.read_bytes() == trial_model()


@pytest.mark.parametrize('provider', ['cpu', 'openvino'])
def test_what_computes_here_is_proved_to(provider: str) -> None:
    found = try_provider(provider)
    assert (found.provider, found.precision, found.problem) == (provider, 'fp32', '')


def test_a_bundle_is_loaded_as_the_node_does(tiny_bundle: Path) -> None:
    assert try_bundle(tiny_bundle, {'provider': 'cpu'}).provider == 'cpu'
    refused = try_bundle(tiny_bundle, {'provider': 'cpu', 'resolution': '97x160'})
    assert refused.provider == '' and 'does not fit the model' in refused.problem


def test_a_wheel_without_kernels_is_found_by_running_it(wheel: Path) -> None:
    wheel.write_text(WHEEL.format(what=NO_KERNELS))
    found = try_provider('cuda')
    assert found.provider == 'cpu' and 'no kernel image is available' in found.problem


def test_a_library_that_ends_the_process_is_survived(wheel: Path) -> None:
    wheel.write_text(WHEEL.format(what='os.kill(os.getpid(), signal.SIGABRT)'))
    assert try_provider('cuda').problem == 'the process was ended by SIGABRT'


def test_what_libraries_print_is_told(wheel: Path) -> None:
    said = ('Failed to load library libonnxruntime_providers_cuda.so with error: libcublas.so.12: '
            'cannot open shared object file')
    line = f'\x1b[1;31m[E:onnxruntime:Default, a.cc:1 Get] [ONNXRuntimeError] : 1 : FAIL : {said}'
    wheel.write_text(WHEEL.format(what=f'os.write(2, {line.encode()!r}); os._exit(3)'))
    assert try_provider('cuda').problem == f'the process ended with status 3. {said}'


def test_a_library_that_hangs_is_given_up(wheel: Path) -> None:
    wheel.write_text(WHEEL.format(what='signal.pause()'))
    assert try_provider('cuda', limit_s=1.0).problem == 'it took longer than 1 s'
