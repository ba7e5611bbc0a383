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
Heat and current that slow a computer down, as the kernel tells.

https://docs.kernel.org/driver-api/thermal/sysfs-api.html has the files of zones, trip points and
cooling devices. A Jetson counts what over-current has throttled in oc*_event_cnt, which is in
"Electrical management" of the Jetson Linux Developer Guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.machine import Machine

_ZONES = '/sys/class/thermal/thermal_zone*'
_ZONE_SOURCE = '/sys/class/thermal'
_CURRENT = '/sys/class/hwmon/hwmon*/oc*_event_cnt'

_SLOWING = ('passive', 'hot', 'critical')
"""Kinds of trip points beyond which the kernel slows down or stops; 'active' starts a fan."""
_MARGIN_C = 5.0
"""So near below such a point it will be passed as soon as there is work."""
_OFFLINE_C = -200.0
"""A sensor of a part that is switched off reads -256 on a Jetson."""


@dataclass(frozen=True)
class Zone:
    """
    A place whose temperature is known.

    :param celsius: the temperature.
    :param limit_c: the lowest trip point that slows down; None: it has none.
    :param throttling: whether a device that slows down to cool this zone does so now.
    """

    name: str
    celsius: float
    limit_c: float | None
    throttling: bool


def zones(machine: Machine) -> list[Zone]:
    """Return the zones that tell a temperature."""
    found = []
    for path in machine.paths(_ZONES):
        milli = machine.number(f'{path}/temp')
        if milli is None or milli / 1e3 < _OFFLINE_C:
            continue
        trips = {}
        for kind_path in machine.paths(f'{path}/trip_point_*_type'):
            index = kind_path.rsplit('_', 2)[1]
            limit = machine.number(f'{path}/trip_point_{index}_temp')
            if limit is not None and limit > 0 and machine.text(kind_path) in _SLOWING:
                trips[index] = limit / 1e3
        found.append(Zone(machine.text(f'{path}/type') or path, milli / 1e3,
                          min(trips.values(), default=None), _throttles(machine, path, trips)))
    return found


def _throttles(machine: Machine, zone: str, trips: dict[str, float]) -> bool:
    """Return whether a cooling device at work is bound to one of a zone's trip points."""
    for bound in machine.paths(f'{zone}/cdev*_trip_point'):
        device = bound.removesuffix('_trip_point')
        if machine.text(bound) in trips and (machine.number(f'{device}/cur_state') or 0) > 0:
            return True
    return False


def check_temperature(machine: Machine) -> Finding:
    """Tell whether heat slows the computer down now, or is about to."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('temperature', level, found, _ZONE_SOURCE, remedy)

    known = zones(machine)
    if not known:
        return finding(Level.SKIPPED, 'the kernel tells no temperature')
    remedy = ('see to fan, heat sink and air; "sudo nvpmodel -m ID" with less power is steadier '
              'than one that throttles' if machine.is_jetson else 'see to fan, heat sink and air')
    # On many a PC a passive trip point is advice to a program, and means nothing by itself.
    hot = [zone for zone in known if zone.throttling or (
        machine.is_jetson and zone.limit_c is not None and zone.celsius >= zone.limit_c)]
    if hot:
        return finding(Level.ERROR, f'throttled by heat: {_listed(hot)}', remedy)
    warm = [zone for zone in known
            if zone.limit_c is not None and zone.celsius >= zone.limit_c - _MARGIN_C]
    if warm:
        return finding(Level.WARNING, f'throttled soon: {_listed(warm)}', remedy)
    return finding(Level.OK, _listed([max(known, key=lambda zone: zone.celsius)]))


def check_over_current(machine: Machine) -> Finding:
    """Tell whether too much current, or too low a voltage, has slowed a Jetson down."""
    counters = machine.paths(_CURRENT)
    if not counters:
        return Finding('over-current', Level.SKIPPED, 'no counters of it', _CURRENT)
    counts = {path: machine.number(path) or 0 for path in counters}
    throttled = {path: count for path, count in counts.items() if count}
    if not throttled:
        return Finding('over-current', Level.OK, 'none since the computer started', _CURRENT)
    told = ', '.join(f'{re.sub("_event_cnt$", "", path.rsplit("/", 1)[1])} {count}'
                     for path, count in throttled.items())
    return Finding(
        'over-current', Level.WARNING, f'has throttled since the computer started: {told}',
        _CURRENT, 'a larger power supply, a shorter cable, or a power mode of fewer watts')


def _listed(found: list[Zone]) -> str:
    return ', '.join(
        f'{zone.name} {zone.celsius:.1f} C'
        + ('' if zone.limit_c is None else f' (slows down at {zone.limit_c:.1f} C)')
        for zone in found)
