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
"""The files of a computer that tell how it is: those of the kernel and of the vendor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

_JETSON = 'Jetson'
_TEGRA = 'nvidia,tegra'
"""Begins a name of every such chip in the device tree."""


@dataclass(frozen=True)
class Machine:
    """
    A computer, as its files show it.

    :param root: where its files lie; tests lay out another computer's there.
    :param environment: the variables that the node would be started with.
    """

    root: Path = Path('/')
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def text(self, path: str) -> str | None:
        """Return what a file says, without space and NUL around it; None: it cannot be read."""
        try:
            content = (self.root / path.lstrip('/')).read_bytes()
        except OSError:
            return None
        return content.decode(errors='replace').strip('\0 \t\r\n')

    def number(self, path: str) -> int | None:
        """Return the whole number that a file begins with; None: it does not, or is not there."""
        try:
            return int((self.text(path) or '').split()[0])
        except (IndexError, ValueError):
            return None

    def paths(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern such as '/sys/class/thermal/thermal_zone*'."""
        return [f'/{path.relative_to(self.root)}'
                for path in sorted(self.root.glob(pattern.lstrip('/')))]

    @property
    def model(self) -> str:
        """What the device tree calls the computer; empty where there is none, as on a PC."""
        return self.text('/proc/device-tree/model') or ''

    @property
    def is_jetson(self) -> bool:
        """Whether this is one of NVIDIA's Jetsons, or a container on one."""
        compatible = self.text('/proc/device-tree/compatible') or ''
        return (_JETSON in self.model or _TEGRA in compatible
                or self.text('/etc/nv_tegra_release') is not None)
