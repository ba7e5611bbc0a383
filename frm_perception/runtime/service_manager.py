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
"""What a process tells the service manager that started it, by the protocol of `sd_notify(3)`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

ADDRESS = 'NOTIFY_SOCKET'
WATCHDOG = 'WATCHDOG_USEC'
WATCHDOG_PROCESS = 'WATCHDOG_PID'


class ServiceManager:
    """
    Whoever started this process and listens on a socket: systemd, or what speaks as it does.

    Where nobody does, all that is told goes nowhere. Nothing here waits or raises: a service
    manager that does not listen is no reason for a service to stand still.

    :param environment: in which the service manager left its address.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get(ADDRESS, '')
        self._address = '\0' + address[1:] if address.startswith('@') else address
        self.problem = ''
        """Why what was told last did not arrive; empty where it did, or nobody listens."""
        self.watchdog_s = _watchdog_s(environment) if address else None
        """A service that is silent for so many seconds is killed; None: it is not watched."""

    def tell(self, **news: str | int) -> None:
        """
        Tell it of changes, such as ``READY=1``; `sd_notify(3)` lists what it understands.

        :param news: values without line breaks; those of a text become spaces.
        """
        if not self._address:
            return
        message = '\n'.join(f'{name}={" ".join(str(value).splitlines())}'
                            for name, value in news.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.connect(self._address)
                sender.send(message.encode())
        except (OSError, ValueError) as error:  # the latter: an address with a zero in it
            self.problem = f'the service manager at {self._address!r} was not told: {error}'
        else:
            self.problem = ''


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return how long this process may be silent, where the watchdog is meant for it."""
    if environment.get(WATCHDOG_PROCESS, str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get(WATCHDOG, '0'))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
