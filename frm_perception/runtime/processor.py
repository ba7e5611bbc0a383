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
"""Which processor this is, as the kernel describes it: https://docs.kernel.org/filesystems/proc.html."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path('/proc/cpuinfo')

_IDENTIFYING = ('vendor_id', 'model name', 'cpu family', 'model', 'stepping', 'flags',
                'CPU implementer', 'CPU architecture', 'CPU variant', 'CPU part', 'Features')
"""Lines that say what a core is and which instructions it has: of x86, then of ARM."""


def cpu_name() -> str:
    """Return the name of the processor; on kernels of ARM that give none, its architecture."""
    return cpu_properties().get('model name', platform.machine())


def cpu_properties() -> dict[str, str]:
    """
    Return what code that is compiled for this processor depends on, such as its instructions.

    Where the cores differ, as on many ARM processors, a property has every value, once.
    """
    values: dict[str, dict[str, None]] = {}
    for line in _CPUINFO.read_text(encoding='utf-8').splitlines():
        name, _, value = line.partition(':')
        if name.strip() in _IDENTIFYING:
            values.setdefault(name.strip(), {})[value.strip()] = None
    return {'architecture': platform.machine(),
            **{name: ' | '.join(sorted(different)) for name, different in values.items()}}
