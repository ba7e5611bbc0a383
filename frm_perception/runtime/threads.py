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
"""How many threads an inference may use."""

from __future__ import annotations

import os
from pathlib import Path

MAX_THREADS = 256
_TOPOLOGY = Path('/sys/devices/system/cpu')


def thread_count(asked: int) -> int:
    """
    Return the number of threads of one inference.

    :param asked: that many; 0 leaves the other nodes of a vehicle room: it is every core of one or
        two, and three quarters of more, rounded down.
    :raises ValueError: not a whole number from 0 to :data:`MAX_THREADS`.
    """
    if asked not in range(MAX_THREADS + 1):
        raise ValueError(f'threads is {asked}; 0 leaves other programs room, otherwise it is a '
                         f'number of threads, at most {MAX_THREADS}')
    cores = core_count()
    return asked or (cores if cores <= 2 else cores * 3 // 4)


def core_count() -> int:
    """Return how many cores this process may run on; two threads of one core count once."""
    siblings = set()
    for cpu in os.sched_getaffinity(0):
        try:
            listed = (_TOPOLOGY / f'cpu{cpu}/topology/thread_siblings_list').read_text()
        except OSError:  # a system without that folder
            listed = str(cpu)
        siblings.add(listed.strip())
    return len(siblings)
