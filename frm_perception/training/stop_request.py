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
"""Ctrl-C and SIGTERM as a wish that a loop grants when it can."""

from __future__ import annotations

import math
import signal
import sys
import time
from types import FrameType
from types import TracebackType
from typing import Any


class StopRequest:
    """
    While it is entered, SIGINT and SIGTERM set :attr:`asked` and interrupt nothing.

    A later SIGINT interrupts at once, for those who cannot wait. To be entered in a process's
    main thread.
    """

    _echo_s = 1.0
    """One Ctrl-C may come twice: from the terminal, and from what launched this process."""

    def __init__(self) -> None:
        self.asked = False
        self._first = math.inf
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT and now > self._first + self._echo_s:
            raise KeyboardInterrupt
        if not self.asked:
            self._first = now
            print('\nstopping after this step; Ctrl-C again stops at once', file=sys.stderr)
        self.asked = True
