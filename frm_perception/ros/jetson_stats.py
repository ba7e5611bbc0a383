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
Temperature, power mode and GPU load of a Jetson, as jetson-stats tells where it is installed.

It is asked by https://rnext.it/jetson_stats/reference/jtop.html and never told anything. What it
does, such as waiting for its service, it does on a thread of its own: the node waits for none of
it. Not run on a Jetson; the test has a stand-in for the library.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from frm_perception.ros.diagnostics import Values

PERIOD_S = 1.0
"""How often it is read, as often as the node reports."""
RETRY_S = 30.0
"""How long a service that does not answer is left alone; each attempt starts a few programs."""
STALE_S = 10.0
"""What was read longer ago is not known any more."""
NOT_INSTALLED = 'not installed'

_OFFLINE_C = -200.0
"""A sensor of a part that is switched off reads -256."""


class JetsonStats:
    """What jetson-stats told last; made once, and then asked as often as one likes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = 'waiting for jtop.service'
        self._read: dict[str, str | float | None] = {}
        self._read_at = -math.inf
        self._end = threading.Event()
        if find_spec('jtop') is None:
            self._state = NOT_INSTALLED
            return
        # A daemon: it may wait for the service for ever, and nobody waits for it.
        threading.Thread(target=self._run, name='jetson_stats', daemon=True).start()

    def values(self) -> Values:
        """
        Return what is known now, for the status of the node.

        Without jetson-stats that is one value, which says so.
        """
        with self._lock:
            state, read, age = self._state, dict(self._read), time.monotonic() - self._read_at
        if not read or age > STALE_S:
            read = dict.fromkeys(read)
            if math.isfinite(age):
                state = f'{state}; nothing for {age:.0f} s'
        return {'jetson_stats': state, **read}

    def close(self) -> None:
        """Ask no more."""
        self._end.set()

    def _run(self) -> None:
        try:
            from jtop import jtop
        except Exception as error:  # whatever somebody else's module raises
            return self._say(f'cannot be imported: {error}')
        while not self._end.is_set():
            try:
                with jtop(interval=PERIOD_S) as jetson:
                    while jetson.ok() and not self._end.is_set():
                        self._take(jetson)
                self._say('jtop.service does not answer any more')
            except Exception as error:
                self._say(' '.join(str(error).split()) or type(error).__name__)
            self._end.wait(RETRY_S)

    def _say(self, state: str) -> None:
        with self._lock:
            self._state = state

    def _take(self, jetson: Any) -> None:
        read = read_values(jetson)
        with self._lock:
            self._state, self._read, self._read_at = 'read', read, time.monotonic()


def read_values(jetson: Any) -> dict[str, str | float | None]:
    """
    Return what a connected ``jtop`` knows; None is what this board or release does not tell.

    Temperatures are in degrees Celsius, the power of the whole board is in watts.
    """
    celsius = _known(lambda: {
        str(name): degrees for name, sensor in jetson.temperature.items()
        if (degrees := _number(sensor['temp'])) is not None and degrees > _OFFLINE_C}) or {}
    milliwatts = _known(lambda: _number(jetson.power['tot']['power']))
    return {
        'gpu_load_percent': _known(lambda: max(
            load for gpu in jetson.gpu.values()
            if (load := _number(gpu['status']['load'])) is not None)),
        'hottest_c': max(celsius.values(), default=None),
        'temperatures_c': ', '.join(f'{name} {value:.1f}' for name, value in celsius.items()),
        'power_mode': _known(lambda: str(jetson.nvpmodel.name)),
        'power_w': None if milliwatts is None else milliwatts / 1e3,
    }


def _known(read: Callable[[], Any]) -> Any:
    """Return what is read, or None where a board or a release of jetson-stats lacks it."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
