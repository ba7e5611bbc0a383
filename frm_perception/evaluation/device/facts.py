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
Which computer this is, and what of its software the speed of a network hangs on.

Nothing that tells one computer from another of its kind, or whose it is: no name in a network, no
serial number, no user, no folder. What concerns a Jetson is written to the vendor's documentation,
see :mod:`frm_perception.runtime.doctor.jetson`, and has not been run on one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from frm_perception.runtime.doctor.engines import tensorrt_release
from frm_perception.runtime.doctor.jetson import jetpack_of
from frm_perception.runtime.doctor.jetson import jetson_linux
from frm_perception.runtime.doctor.jetson import power_mode
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.engines.onnx_runtime import load_onnxruntime
from frm_perception.runtime.nvidia import gpu_properties
from frm_perception.runtime.nvidia import tensorrt_version
from frm_perception.runtime.processor import cpu_name

_MEMORY = re.compile(r'^MemTotal:\s+(\d+) kB', re.MULTILINE)
_FOLDERS = re.compile(r"(?<![\w/.])~?/(?:[^\s/:\"']+/)+")


def device_facts(machine: Machine) -> dict[str, Any]:
    """
    Return the facts for a JSON file; None stands for what is not known or not there.

    :raises EngineError: ONNX Runtime is missing.
    """
    runtime = load_onnxruntime()
    linux = jetson_linux(machine)
    jetpack = None if linux is None else jetpack_of(linux[1])
    memory = _MEMORY.search(machine.text('/proc/meminfo') or '')
    try:
        gpu = gpu_properties()
    except OSError:
        gpu = None
    try:
        tensorrt = tensorrt_release(int(tensorrt_version(runtime)))
    except OSError:
        tensorrt = None
    return {
        'name': machine.model or cpu_name(),
        'jetson_linux': None if linux is None else '.'.join(map(str, linux[1])),
        'jetpack': None if jetpack is None else jetpack.name,
        'power_mode': power_mode(machine),
        'memory_mib': None if memory is None else int(memory[1]) >> 10,
        'gpu': gpu,
        'cuda': runtime.cuda_version or None,
        'tensorrt': tensorrt,
        'onnxruntime_offers': runtime.get_available_providers()}


def without_folders(text: str) -> str:
    """Return a message with the names of files alone, for folders may name their owner."""
    return _FOLDERS.sub('', text.replace(str(Path.home()), '~'))
