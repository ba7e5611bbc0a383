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
What computes the network here: the GPU, ONNX Runtime, TensorRT, and what an inference proves.

What concerns a GPU is written to the vendors' documentation and has not been run on one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from frm_perception.runtime.doctor.attempt import Attempt
from frm_perception.runtime.doctor.finding import REINSTALL
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.jetson import GUIDE
from frm_perception.runtime.doctor.machine import Machine

ON_GPU = ('tensorrt', 'cuda')
_LIBRARY_FOLDERS = ('/usr/lib/*-linux-gnu', '/usr/lib/*-linux-gnu/tegra', '/usr/lib64',
                    '/usr/local/lib', '/usr/local/cuda/lib64', '/usr/local/tensorrt/lib')
_MISSING = re.compile(r'(lib[\w.+-]*): cannot open shared object file')
_NO_KERNELS = ('no kernel image', 'nokernelimage')


@dataclass(frozen=True)
class Runtime:
    """
    The ONNX Runtime that is installed.

    :param problem: why it cannot be imported; then the rest is empty.
    :param distributions: names and versions of the Python packages that hold it.
    :param offered: what it offers, as this package calls it: 'tensorrt', 'cuda', 'cpu'.
    :param cuda: the version of CUDA that it is built for; empty: for none.
    """

    problem: str
    version: str
    distributions: Mapping[str, str]
    offered: Sequence[str]
    cuda: str = ''


def check_gpu(machine: Machine, properties: Mapping[str, str] | None, problem: str,
              provider: str) -> Finding:
    """
    Tell which NVIDIA GPU there is.

    :param properties: of :func:`frm_perception.runtime.nvidia.gpu_properties`; None: it failed.
    :param problem: why it did.
    :param provider: as asked for.
    """
    source = 'libcuda.so.1'
    if properties is not None:
        return Finding('GPU', Level.OK, ', '.join(
            f'{name} {value}' if name != 'name' else value
            for name, value in properties.items()), source)
    wanted = provider in ON_GPU or machine.is_jetson and provider == 'auto'
    if not wanted and _MISSING.search(problem):
        return Finding('GPU', Level.SKIPPED, 'no NVIDIA driver', source)
    remedy = ('in a container: "docker run --runtime nvidia"; else JetPack must be installed, and '
              'the user in the groups video and render' if machine.is_jetson else
              'in a container: "docker run --gpus all"; else "nvidia-smi" tells more, and after '
              'an update of the driver the computer has to be started again')
    return Finding('GPU', Level.ERROR if wanted else Level.WARNING,
                   f'the driver cannot be used: {problem}', source, remedy)


def check_onnxruntime(machine: Machine, runtime: Runtime, provider: str, driver: str) -> Finding:
    """
    Tell whether the ONNX Runtime that is installed is one for this computer.

    :param provider: as asked for.
    :param driver: CUDA's version of the driver of an NVIDIA GPU, as CUDA counts it (12060 is
        12.6); empty: there is no such GPU that can be used.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('ONNX Runtime', level, found,
                       'its Python package, get_available_providers()', remedy)

    with_gpu = (f'install the ONNX Runtime with GPU that {GUIDE} names for this JetPack, and '
                f'uninstall "onnxruntime"' if machine.is_jetson else
                '"pip uninstall onnxruntime", then "pip install onnxruntime-gpu" (x86-64), or '
                'provider cpu')
    if runtime.problem:
        return finding(Level.ERROR, runtime.problem,
                       with_gpu if machine.is_jetson else REINSTALL)
    packages = ', '.join(f'{name} {version}' for name, version in runtime.distributions.items())
    built_for = f' for CUDA {runtime.cuda}' if runtime.cuda else ''
    found = (f'{packages or runtime.version}{built_for}, which offers '
             f'{", ".join(runtime.offered)}')
    if not any(name in ON_GPU for name in runtime.offered):
        if provider in ON_GPU or machine.is_jetson and provider == 'auto':
            return finding(Level.ERROR, f'{found}: a build for the CPU alone', with_gpu)
        if driver and provider == 'auto':
            return finding(Level.WARNING, f'{found}: a build for the CPU alone, beside a GPU',
                           with_gpu)
    if driver and runtime.cuda and int(driver) // 1000 < int(runtime.cuda.partition('.')[0]):
        return finding(
            Level.ERROR if provider in ON_GPU or machine.is_jetson else Level.WARNING,
            f'{found}; the driver knows CUDA {int(driver) // 1000}.{int(driver) % 1000 // 10}',
            f'{with_gpu}; or a newer driver, which on a Jetson is a newer JetPack')
    if len(runtime.distributions) > 1:
        return finding(
            Level.WARNING, f'{found}: of several packages with the same files, the one that was '
            f'installed last counts',
            'uninstall all of them, then install the one that is wanted')
    return finding(Level.OK, found)


def check_tensorrt(machine: Machine, wanted: str, version: str, problem: str, provider: str
                   ) -> Finding:
    """
    Tell whether the TensorRT that ONNX Runtime wants is the one that is there.

    :param wanted: name of the library that ONNX Runtime loads, such as 'libnvinfer.so.10'; empty
        where it has no TensorRT.
    :param version: of what was loaded by that name, as TensorRT counts; empty: it cannot be.
    :param problem: why it cannot.
    :param provider: as asked for.
    """
    source = 'libonnxruntime_providers_tensorrt.so'
    if not wanted:
        level = Level.ERROR if provider == 'tensorrt' else Level.SKIPPED
        return Finding('TensorRT', level, 'this ONNX Runtime has none', source,
                       '' if level is Level.SKIPPED else
                       f'install one that has: {GUIDE}, or take provider cuda or cpu')
    if version:
        return Finding('TensorRT', Level.OK, f'{tensorrt_release(int(version))} ({wanted})',
                       source)
    there = sorted({path for folder in _LIBRARY_FOLDERS
                    for path in machine.paths(f'{folder}/libnvinfer.so.*')})
    found = (f'ONNX Runtime wants {wanted}; there is {", ".join(there) or "no libnvinfer"} '
             f'({problem})')
    if provider != 'tensorrt':
        return Finding('TensorRT', Level.SKIPPED, f'{found}, and it is not asked for', source)
    return Finding('TensorRT', Level.ERROR, found, source,
                   f'install the TensorRT that this ONNX Runtime was built with, or an ONNX '
                   f'Runtime for the TensorRT that is there: {GUIDE}')


def tensorrt_release(number: int) -> str:
    """Return what the number of a version means: from 10 on TensorRT counts in another way."""
    major = 10000 if number >= 100000 else 1000
    return f'{number // major}.{number % major // 100}.{number % 100}'


def providers_to_try(asked: str, offered: Sequence[str], has_openvino: bool, has_gpu: bool
                     ) -> list[str]:
    """
    Return what the tiny model is run with: what is asked for, and all else that could be.

    :param offered: by ONNX Runtime.
    :param has_gpu: whether an NVIDIA GPU can be used.
    """
    others = [name for name in offered if has_gpu or name not in ON_GPU]
    if has_openvino:
        others.append('openvino')
    # PyTorch runs no model that it does not know by name.
    return [name for name in dict.fromkeys([asked, *others]) if name != 'torch']


def as_unasked(finding: Finding) -> Finding:
    """Return the finding of a provider that is not asked for: where bad, nothing is to be done."""
    if finding.level is Level.OK:
        return finding
    return Finding(finding.check, Level.SKIPPED, f'not asked for: {finding.found}', finding.source)


def check_attempt(machine: Machine, provider: str, attempt: Attempt, capability: str) -> Finding:
    """
    Tell whether a provider really computes.

    :param attempt: at the tiny model, with that provider.
    :param capability: compute capability of the GPU, such as '8.7'; empty: there is none.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding(f'provider {provider}', level, found, 'an inference with a tiny model',
                       remedy)

    problem = attempt.problem or attempt.note
    if not problem:
        return finding(Level.OK, f'{attempt.provider} computes in {attempt.precision}')
    # 'auto' goes on with the CPU: well enough for a PC.
    bad = Level.ERROR if attempt.problem or machine.is_jetson else Level.WARNING
    if any(words in problem.lower() for words in _NO_KERNELS):
        return finding(
            bad, f'this ONNX Runtime has no kernels for the GPU'
            f'{f" (compute capability {capability})" if capability else ""}: {problem}',
            f'it was built for other GPUs, whatever it says that it offers; install one built for '
            f'this one: {GUIDE}')
    missing = _MISSING.search(problem)
    if missing:
        return finding(
            bad, f'{missing[1]}, which it needs, is missing: {problem}',
            f'install the CUDA, cuDNN or TensorRT that this ONNX Runtime was built with, or the '
            f'ONNX Runtime for those that are there: {GUIDE}')
    return finding(bad, problem, _remedy(machine, provider))


def check_engine(why: str | None, may_build: bool) -> Finding:
    """
    Tell whether the engine of TensorRT is built.

    :param why: it would have to be; None: it is there.
    :param may_build: the node's parameter allow_engine_build.
    """
    source = 'the engine cache'
    if why is None:
        return Finding('engine', Level.OK, 'it is built', source)
    remedy = ('"frm engine build --params FILE", or with the options that were given here, on '
              'this computer and as the user who runs the node')
    if may_build:
        return Finding('engine', Level.WARNING, f'the node would build it for minutes: {why}',
                       source, remedy)
    return Finding('engine', Level.ERROR, f'the node would refuse to build it: {why}', source,
                   remedy)


def check_dla(core: int, refusal: str) -> Finding:
    """
    Tell whether the DLA that is asked for can be had.

    :param core: the node's parameter dla_core; negative: none is asked for.
    :param refusal: why it cannot; empty: it can.
    """
    source = '/proc/device-tree'
    if core < 0:
        return Finding('DLA', Level.SKIPPED, 'not asked for', source)
    if refusal:
        return Finding('DLA', Level.ERROR, refusal, source, 'dla_core -1')
    return Finding('DLA', Level.OK, f'core {core}', source)


def check_inference(attempt: Attempt) -> Finding:
    """
    Tell whether the very model computes as asked.

    :param attempt: at the bundle that the node would load.
    """
    source = 'an inference as in configure'
    if attempt.problem:
        return Finding('inference', Level.ERROR, attempt.problem, source,
                       'choose another provider, precision or resolution, or mend what else was '
                       'found here')
    return Finding('inference', Level.OK,
                   f'{attempt.provider} computes in {attempt.precision}', source)


def _remedy(machine: Machine, provider: str) -> str:
    if provider == 'openvino':
        return 'pip install -r requirements/openvino.txt'
    if provider in (*ON_GPU, 'auto'):
        return (f'{GUIDE} names the ONNX Runtime for each JetPack' if machine.is_jetson else
                'install onnxruntime-gpu, with a driver, CUDA and cuDNN that fit it, or take '
                'provider cpu')
    return REINSTALL
