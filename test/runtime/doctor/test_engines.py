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
"""What is said of GPU, ONNX Runtime, TensorRT, and what an inference showed."""

from pathlib import Path

import pytest
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.runtime.doctor.attempt import Attempt
from frm_perception.runtime.doctor.engines import Runtime
from frm_perception.runtime.doctor.engines import as_unasked
from frm_perception.runtime.doctor.engines import check_attempt
from frm_perception.runtime.doctor.engines import check_dla
from frm_perception.runtime.doctor.engines import check_engine
from frm_perception.runtime.doctor.engines import check_gpu
from frm_perception.runtime.doctor.engines import check_inference
from frm_perception.runtime.doctor.engines import check_onnxruntime
from frm_perception.runtime.doctor.engines import check_tensorrt
from frm_perception.runtime.doctor.engines import providers_to_try
from frm_perception.runtime.doctor.engines import tensorrt_release
from frm_perception.runtime.doctor.finding import Level

FOR_CPU = Runtime('', '1.23.2', {'onnxruntime': '1.23.2'}, ('cpu',))
FOR_GPU = Runtime('', '1.23.0', {'onnxruntime-gpu': '1.23.0'}, ('tensorrt', 'cuda', 'cpu'))
FOR_CUDA_13 = Runtime('', '1.31.1', {'onnxruntime-gpu': '1.31.1'}, ('tensorrt', 'cuda', 'cpu'),
                      '13.0')
BOTH = Runtime('', '1.23.0', {'onnxruntime': '1.23.2', 'onnxruntime-gpu': '1.23.0'},
               ('tensorrt', 'cuda', 'cpu'))
MISSING = Runtime('ONNX Runtime cannot be imported', '', {}, ())
BROKEN_DRIVER = 'cuInit of libcuda.so.1 failed with CUDA error 803'
NO_DRIVER = 'libcuda.so.1: cannot open shared object file'


@pytest.mark.parametrize(('files', 'problem', 'provider', 'level'), [
    (ORIN_NANO, NO_DRIVER, 'auto', Level.ERROR), (ORIN_NANO, NO_DRIVER, 'cpu', Level.SKIPPED),
    (DESKTOP, NO_DRIVER, 'auto', Level.SKIPPED), (DESKTOP, NO_DRIVER, 'cuda', Level.ERROR),
    (DESKTOP, BROKEN_DRIVER, 'auto', Level.WARNING),
    (DESKTOP, BROKEN_DRIVER, 'tensorrt', Level.ERROR)])
def test_a_driver_that_cannot_be_used_is_an_error_where_a_gpu_must_be(
        tmp_path: Path, files: dict[str, str], problem: str, provider: str, level: Level) -> None:
    finding = check_gpu(laid_out(tmp_path, files), None, problem, provider)
    assert finding.level is level and bool(finding.remedy) == (level is not Level.SKIPPED)


def test_a_gpu_is_told_with_its_compute_capability(tmp_path: Path) -> None:
    properties = {'name': 'Orin', 'compute capability': '8.7', 'cuda driver': '12060'}
    finding = check_gpu(laid_out(tmp_path, ORIN_NANO), properties, '', 'auto')
    assert finding.level is Level.OK
    assert finding.found == 'Orin, compute capability 8.7, cuda driver 12060'


@pytest.mark.parametrize(('files', 'runtime', 'provider', 'driver', 'level'), [
    (ORIN_NANO, FOR_CPU, 'auto', '12060', Level.ERROR),
    (ORIN_NANO, FOR_CPU, 'cpu', '12060', Level.OK),
    (ORIN_NANO, FOR_GPU, 'tensorrt', '12060', Level.OK),
    (ORIN_NANO, BOTH, 'tensorrt', '12060', Level.WARNING),
    (ORIN_NANO, MISSING, 'auto', '12060', Level.ERROR),
    (DESKTOP, FOR_CPU, 'auto', '', Level.OK),
    (DESKTOP, FOR_CPU, 'auto', '12060', Level.WARNING),
    (DESKTOP, FOR_CPU, 'cuda', '12060', Level.ERROR),
    (DESKTOP, FOR_CPU, 'tensorrt', '', Level.ERROR),
    (DESKTOP, FOR_CPU, 'openvino', '12060', Level.OK),
    (ORIN_NANO, FOR_CUDA_13, 'auto', '12060', Level.ERROR),
    (ORIN_NANO, FOR_CUDA_13, 'cuda', '13020', Level.OK),
    (DESKTOP, FOR_CUDA_13, 'auto', '12060', Level.WARNING),
    (DESKTOP, FOR_CUDA_13, 'cuda', '12060', Level.ERROR),
])
def test_a_build_that_does_not_fit_is_as_bad_as_a_gpu_is_wanted(
        tmp_path: Path, files: dict[str, str], runtime: Runtime, provider: str, driver: str,
        level: Level) -> None:
    finding = check_onnxruntime(laid_out(tmp_path, files), runtime, provider, driver)
    assert finding.level is level and bool(finding.remedy) == (level is not Level.OK)


def test_on_a_jetson_the_guide_is_named_and_no_wheel_that_it_cannot_take(tmp_path: Path) -> None:
    finding = check_onnxruntime(laid_out(tmp_path, ORIN_NANO), FOR_CPU, 'auto', '12060')
    assert 'docs/jetson.md' in finding.remedy and 'onnxruntime-gpu' not in finding.remedy


def test_another_tensorrt_than_is_wanted_is_named_with_what_is_there(tmp_path: Path) -> None:
    there = '/usr/lib/aarch64-linux-gnu/libnvinfer.so.8'
    finding = check_tensorrt(laid_out(tmp_path, ORIN_NANO, {there: ''}), 'libnvinfer.so.10', '',
                             'libnvinfer.so.10: cannot open shared object file', 'tensorrt')
    assert finding.level is Level.ERROR
    assert 'wants libnvinfer.so.10; there is ' + there in finding.found


def test_a_tensorrt_that_is_not_asked_for_may_be_wrong(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, DESKTOP)
    assert check_tensorrt(machine, 'libnvinfer.so.10', '', 'gone', 'cuda').level is Level.SKIPPED
    assert check_tensorrt(machine, '', '', '', 'cpu').level is Level.SKIPPED
    assert check_tensorrt(machine, '', '', '', 'tensorrt').level is Level.ERROR


@pytest.mark.parametrize(('number', 'release'), [
    (8502, '8.5.2'), (8603, '8.6.3'), (100300, '10.3.0'), (101300, '10.13.0'),
    (101602, '10.16.2'), (110000, '11.0.0')])
def test_a_version_is_read_as_tensorrt_counts(number: int, release: str, tmp_path: Path) -> None:
    assert tensorrt_release(number) == release
    finding = check_tensorrt(laid_out(tmp_path, DESKTOP), 'libnvinfer.so.10', str(number), '',
                             'tensorrt')
    assert finding.level is Level.OK and release in finding.found


def test_a_wheel_without_kernels_for_the_gpu_is_called_that(tmp_path: Path) -> None:
    attempt = Attempt('cpu', 'fp32', 'provider cuda was asked for, but it could not start: CUDA '
                      'error cudaErrorNoKernelImageForDevice:no kernel image is available for '
                      'execution on the device. The CPU does the work')
    finding = check_attempt(laid_out(tmp_path, ORIN_NANO), 'cuda', attempt, '8.7')
    assert finding.level is Level.ERROR
    assert 'no kernels for the GPU (compute capability 8.7)' in finding.found
    assert 'docs/jetson.md' in finding.remedy


def test_a_missing_library_is_called_that(tmp_path: Path) -> None:
    attempt = Attempt('cpu', 'fp32', 'the CPU does the work. Failed to load library '
                      'libonnxruntime_providers_cuda.so with error: libcudnn.so.9: cannot open '
                      'shared object file: No such file or directory')
    finding = check_attempt(laid_out(tmp_path, ORIN_NANO), 'cuda', attempt, '8.7')
    assert finding.level is Level.ERROR
    assert finding.found.startswith('libcudnn.so.9, which it needs, is missing: ')


def test_what_else_went_wrong_is_said_as_it_is(tmp_path: Path) -> None:
    attempt = Attempt('', '', 'the process was ended by SIGSEGV')
    finding = check_attempt(laid_out(tmp_path, DESKTOP), 'cuda', attempt, '')
    assert finding.level is Level.ERROR and 'SIGSEGV' in finding.found and finding.remedy


@pytest.mark.parametrize(('files', 'level'), [(DESKTOP, Level.WARNING), (ORIN_NANO, Level.ERROR)])
def test_what_auto_would_have_taken_and_could_not_is_bad_where_a_gpu_must_be(
        tmp_path: Path, files: dict[str, str], level: Level) -> None:
    attempt = Attempt('cpu', 'fp32', '', 'provider auto chose cuda, but it could not start')
    finding = check_attempt(laid_out(tmp_path, files), 'auto', attempt, '')
    assert finding.level is level and finding.remedy


@pytest.mark.parametrize(('why', 'may_build', 'level'), [
    (None, False, Level.OK), ('it is not there', True, Level.WARNING),
    ('it is not there', False, Level.ERROR)])
def test_an_engine_that_is_not_built_is_as_bad_as_the_node_takes_it(
        why: str | None, may_build: bool, level: Level) -> None:
    finding = check_engine(why, may_build)
    assert finding.level is level
    assert ('frm engine build' in finding.remedy) == (level is not Level.OK)


@pytest.mark.parametrize(('core', 'refusal', 'level'), [
    (-1, '', Level.SKIPPED), (0, '', Level.OK), (0, 'this computer has none', Level.ERROR)])
def test_a_dla_that_is_asked_for_has_to_be_there(core: int, refusal: str, level: Level) -> None:
    assert check_dla(core, refusal).level is level


def test_what_computes_as_asked_is_well(tmp_path: Path) -> None:
    attempt = Attempt('cuda', 'fp32', '')
    finding = check_attempt(laid_out(tmp_path, ORIN_NANO), 'cuda', attempt, '8.7')
    assert finding.level is Level.OK and finding.found == 'cuda computes in fp32'
    assert check_inference(attempt).level is Level.OK
    assert check_inference(Attempt('cpu', 'fp32', 'not as asked')).level is Level.ERROR


@pytest.mark.parametrize(('asked', 'offered', 'has_openvino', 'has_gpu', 'tried'), [
    ('auto', ('cpu',), True, False, ['auto', 'cpu', 'openvino']),
    ('cpu', ('cpu',), False, False, ['cpu']),
    ('auto', ('tensorrt', 'cuda', 'cpu'), False, True, ['auto', 'tensorrt', 'cuda', 'cpu']),
    ('cuda', ('tensorrt', 'cuda', 'cpu'), False, False, ['cuda', 'cpu']),
    ('torch', ('cpu',), False, True, ['cpu'])])
def test_each_provider_that_could_compute_is_tried(
        asked: str, offered: tuple[str, ...], has_openvino: bool, has_gpu: bool, tried: list[str]
        ) -> None:
    assert providers_to_try(asked, offered, has_openvino, has_gpu) == tried


def test_what_is_not_asked_for_may_fail(tmp_path: Path) -> None:
    machine = laid_out(tmp_path, ORIN_NANO)
    bad = as_unasked(check_attempt(machine, 'tensorrt', Attempt('cpu', 'fp32', 'wrong'), '8.7'))
    assert bad.level is Level.SKIPPED and bad.found == 'not asked for: wrong' and not bad.remedy
    good = check_attempt(machine, 'cuda', Attempt('cuda', 'fp32', ''), '8.7')
    assert as_unasked(good) is good
