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
Temperature, clocks and throttling of a computer while it works, as the kernel tells.

https://docs.kernel.org/admin-guide/pm/cpufreq.html and
https://docs.kernel.org/admin-guide/abi-testing.html have the files of clocks and counters. The GPU
of a Jetson is among the devices of devfreq.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.doctor.thermal import zones
from frm_perception.runtime.meanwhile import meanwhile

PERIOD_S = 1.0
_CPU_CLOCKS = '/sys/devices/system/cpu/cpufreq/policy*'
_DEVICE_CLOCKS = '/sys/class/devfreq/*'
_COUNTERS = ('/sys/class/hwmon/hwmon*/oc*_event_cnt',
             '/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count')
"""Over-current of a Jetson, heat of a processor of Intel: events since the computer started."""


@dataclass(frozen=True)
class Reading:
    """
    A computer at one moment.

    :param celsius: temperature of each thermal zone.
    :param megahertz: clock of each group of cores, and of each device that changes its own.
    :param slowed: thermal zones that slow something down now.
    :param events: what the counters of throttling say.
    :param load: average of the last minute, this program included; None: not known.
    """

    celsius: dict[str, float]
    megahertz: dict[str, float]
    slowed: frozenset[str]
    events: dict[str, int]
    load: float | None


def read(machine: Machine) -> Reading:
    """Return what the kernel tells now; empty where it tells nothing, as in a virtual machine."""
    known = zones(machine)
    clocks = {}
    for pattern, file, unit in ((_CPU_CLOCKS, 'scaling_cur_freq', 1e3),
                                (_DEVICE_CLOCKS, 'cur_freq', 1e6)):
        for path in machine.paths(pattern):
            value = machine.number(f'{path}/{file}')
            if value is not None:
                clocks[path.rsplit('/', 1)[1]] = value / unit
    events = {path: machine.number(path) for pattern in _COUNTERS
              for path in machine.paths(pattern)}
    return Reading(
        {zone.name: zone.celsius for zone in known}, clocks,
        frozenset(zone.name for zone in known if zone.throttling),
        {path: count for path, count in events.items() if count is not None}, _load(machine))


def _load(machine: Machine) -> float | None:
    words = (machine.text('/proc/loadavg') or '').split()
    return float(words[0]) if words else None


class Watch:
    """A computer over time; read once at first, and then as often as :meth:`look` is called."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._readings = [read(machine)]

    def look(self) -> None:
        """Take another reading."""
        self._readings.append(read(self._machine))

    def summary(self) -> dict[str, Any]:
        """
        Return what the readings show, for a JSON file.

        ``throttled`` says in words what was; None: the kernel tells nothing that could show it.
        """
        first, last = self._readings[0], self._readings[-1]
        celsius: dict[str, list[float]] = {}
        megahertz: dict[str, list[float]] = {}
        for reading in self._readings:
            for name, value in reading.celsius.items():
                celsius.setdefault(name, []).append(value)
            for name, value in reading.megahertz.items():
                megahertz.setdefault(name, []).append(value)
        return {
            'readings': len(self._readings),
            'load': {'before': first.load,
                     'most': max((reading.load for reading in self._readings
                                  if reading.load is not None), default=None)},
            'celsius': {name: {'before': values[0], 'hottest': max(values), 'after': values[-1]}
                        for name, values in celsius.items()},
            'megahertz': {name: {'least': min(values), 'most': max(values)}
                          for name, values in megahertz.items()},
            'throttled': self._throttled(first, last) if celsius or first.events else None}

    def _throttled(self, first: Reading, last: Reading) -> list[str]:
        times = Counter(name for reading in self._readings for name in reading.slowed)
        said = [f'{name} slowed down in {count} of {len(self._readings)} readings'
                for name, count in sorted(times.items())]
        for path, count in last.events.items():
            more = count - first.events.get(path, 0)
            if more:
                said.append(f'{path} counted {more}')
        return said


@contextmanager
def watching(machine: Machine) -> Iterator[Watch]:
    """Take a reading every :data:`PERIOD_S` seconds as long as the block runs, and at its end."""
    watch = Watch(machine)
    with meanwhile(PERIOD_S, lambda _: watch.look()):
        yield watch
    watch.look()
