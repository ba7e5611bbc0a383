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
"""Says of a recurring problem only once in a while, for each source by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable


class LogThrottle:
    """
    Decides whether a message may be logged now.

    rclpy's own throttle keeps one clock for a line of code, so that one camera's trouble would
    silence another's.

    :param seconds: least time between two messages of the same key.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[Hashable, float] = {}
        self._lock = threading.Lock()

    def allows(self, *key: Hashable) -> bool:
        """Tell whether the key was quiet long enough; if so its time starts again."""
        now = time.monotonic()
        with self._lock:
            last = self._last.get(key)
            if last is not None and now - last < self._seconds:
                return False
            self._last[key] = now
            return True
