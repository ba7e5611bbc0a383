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
"""Something to be said again and again while something else takes its time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


@contextmanager
def meanwhile(period_s: float, call: Callable[[float], None]) -> Iterator[None]:
    """
    Call something at regular times, on a thread of its own, as long as the block runs.

    :param call: takes the seconds since the block began; not called any more once it has ended.
    """
    ended = threading.Event()
    started = monotonic()

    def run() -> None:
        while not ended.wait(period_s):
            call(monotonic() - started)

    # Ctrl-C may come while the thread starts: it then ends by itself, and nobody waits for it.
    thread = threading.Thread(target=run, name='meanwhile', daemon=True)
    try:
        thread.start()
        yield
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()
