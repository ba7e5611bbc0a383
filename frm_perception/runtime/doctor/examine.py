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
"""Look at everything, in an order in which causes come before what they cause."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.doctor.attempt import try_bundle
from frm_perception.runtime.doctor.attempt import try_provider
from frm_perception.runtime.doctor.capacity import Space
from frm_perception.runtime.doctor.capacity import check_cores
from frm_perception.runtime.doctor.capacity import check_disk
from frm_perception.runtime.doctor.capacity import check_memory
from frm_perception.runtime.doctor.capacity import check_shared_memory
from frm_perception.runtime.doctor.capacity import check_swap
from frm_perception.runtime.doctor.clock import check_clock
from frm_perception.runtime.doctor.clock import kernel_clock_state
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
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.jetson import check_jetpack
from frm_perception.runtime.doctor.jetson import check_power_mode
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.doctor.model import check_engine_cache
from frm_perception.runtime.doctor.model import check_model
from frm_perception.runtime.doctor.network import check_dds_buffers
from frm_perception.runtime.doctor.network import check_middleware
from frm_perception.runtime.doctor.network import middleware
from frm_perception.runtime.doctor.software import check_numpy
from frm_perception.runtime.doctor.software import check_packages
from frm_perception.runtime.doctor.software import check_ros
from frm_perception.runtime.doctor.software import import_all
from frm_perception.runtime.doctor.thermal import check_over_current
from frm_perception.runtime.doctor.thermal import check_temperature
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import check_provider
from frm_perception.runtime.engines import why_build
from frm_perception.runtime.engines.onnx_profile import NAMES
from frm_perception.runtime.engines.onnx_runtime import load_onnxruntime
from frm_perception.runtime.nvidia import gpu_properties
from frm_perception.runtime.nvidia import tensorrt_library
from frm_perception.runtime.nvidia import tensorrt_version
from frm_perception.runtime.shared_memory import SHARED_MEMORY
from frm_perception.runtime.threads import thread_count

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What the node would be started with; the node's parameters of the same names."""

    provider: str = 'auto'
    precision: str = 'fp32'
    resolution: str = 'auto'
    fit: str = 'letterbox'
    threads: int = 0
    engine_cache: str = ''
    allow_engine_build: bool = True
    dla_core: int = -1
    max_gpu_memory_mib: int = 0


def examine(asked: Asked, find: Callable[[], Bundle], tell: Tell) -> list[Finding]:
    """
    Return a finding of every check.

    :param find: returns the model bundle, or raises why there is none.
    :param tell: takes a line before anything that may take long.
    :raises ValueError: a number of threads that cannot be.
    """
    machine = Machine()
    threads = thread_count(asked.threads)
    cache = open_cache(asked.engine_cache, lambda line: None)
    folder = None if cache is None else cache.folder
    return [
        *_computer(machine, threads, folder),
        *_transport(machine),
        *_software(machine),
        *_computing(machine, asked, find, folder, tell),
    ]


def _computer(machine: Machine, threads: int, cache: Path | None) -> list[Finding]:
    home = cache or Path.cwd()
    home = next(place for place in (home, *home.absolute().parents) if place.exists())
    try:
        clock = kernel_clock_state()
    except (OSError, AttributeError):
        clock = None
    return [
        check_jetpack(machine), check_power_mode(machine), check_temperature(machine),
        check_over_current(machine), check_cores(machine, len(os.sched_getaffinity(0)), threads),
        check_memory(machine), check_swap(machine), check_disk(_space(home), str(home)),
        check_clock(clock)]


def _transport(machine: Machine) -> list[Finding]:
    fast = middleware(machine).startswith('rmw_fastrtps')
    return [check_middleware(machine), check_shared_memory(_space(SHARED_MEMORY), fast),
            check_dds_buffers(machine)]


def _software(machine: Machine) -> list[Finding]:
    imports = import_all()
    return [check_ros(machine, imports), check_packages(imports), check_numpy(machine, imports)]


def _computing(machine: Machine, asked: Asked, find: Callable[[], Bundle], cache: Path | None,
               tell: Tell) -> list[Finding]:
    gpu, no_gpu = None, ''
    try:
        gpu = gpu_properties()
    except OSError as error:
        no_gpu = str(error)
    runtime = _runtime()
    model, bundle = check_model(find, asked.precision)
    findings = [check_gpu(machine, gpu, no_gpu, asked.provider),
                check_onnxruntime(machine, runtime, asked.provider,
                                  (gpu or {}).get('cuda driver', '')),
                _tensorrt(machine, runtime, asked.provider)]
    for name in providers_to_try(asked.provider, runtime.offered,
                                 find_spec('openvino') is not None, gpu is not None):
        tell(f'trying provider {name} with a tiny model'
             + (', which takes TensorRT its time' if name == 'tensorrt' else ''))
        found = check_attempt(machine, name, try_provider(name),
                              (gpu or {}).get('compute capability', ''))
        findings.append(found if name == asked.provider else as_unasked(found))
    findings.append(model)
    # TensorRT compiles a real model for minutes: that is what "frm engine build" is for.
    if bundle is not None and asked.provider != 'tensorrt':
        tell(f'loading {bundle.name}')
        findings.append(check_inference(try_bundle(bundle.folder, {
            'resolution': asked.resolution, 'precision': asked.precision,
            'provider': asked.provider, 'threads': asked.threads, 'fit': asked.fit})))
    kept = check_engine_cache(cache, asked.provider)
    findings.append(kept)
    if bundle is not None and asked.provider == 'tensorrt' and 'tensorrt' in runtime.offered:
        findings.append(_engine(bundle, asked, kept, cache))
    return [*findings, _dla(asked)]


def _engine(bundle: Bundle, asked: Asked, kept: Finding, cache: Path | None) -> Finding:
    """Look for the engine where nothing has to be made or changed to look."""
    if cache is None or kept.level is not Level.OK or not cache.exists():
        return check_engine(f'none is in {kept.source}: {kept.found}', asked.allow_engine_build)
    try:
        why = why_build(bundle.verified_model(asked.precision), EngineOptions(
            asked.provider, asked.precision, size=parse_resolution(asked.resolution, bundle),
            cache=EngineCache(cache, lambda line: None), dla_core=asked.dla_core,
            max_gpu_memory_mib=asked.max_gpu_memory_mib))
    except ValueError as error:
        why = str(error)
    return check_engine(why, asked.allow_engine_build)


def _dla(asked: Asked) -> Finding:
    try:
        check_provider(asked.provider, asked.precision, asked.dla_core)
    except ValueError as error:
        return check_dla(asked.dla_core, str(error))
    return check_dla(asked.dla_core, '')


def _runtime() -> Runtime:
    # A wheel that a vendor or a user built may bear another name.
    distributions = {
        name: version(name) for name in sorted({*packages_distributions().get('onnxruntime', ())})}
    try:
        runtime = load_onnxruntime()
    except EngineError as error:
        return Runtime(str(error), '', distributions, ())
    return Runtime('', runtime.__version__, distributions, tuple(
        NAMES[name] for name in runtime.get_available_providers() if name in NAMES),
        getattr(runtime, 'cuda_version', ''))


def _tensorrt(machine: Machine, runtime: Runtime, provider: str) -> Finding:
    wanted = there = problem = ''
    if 'tensorrt' in runtime.offered:
        try:
            wanted = tensorrt_library(load_onnxruntime())
            there = tensorrt_version(load_onnxruntime())
        except OSError as error:
            problem = str(error)
    return check_tensorrt(machine, wanted, there, problem, provider)


def _space(folder: Path) -> Space | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Space(usage.total, usage.free)
