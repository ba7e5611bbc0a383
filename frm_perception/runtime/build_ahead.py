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
"""Build an engine ahead of its first use, telling how long that takes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.meanwhile import meanwhile
from frm_perception.runtime.segmenter import Segmenter

PERIOD_S = 5.0


def build_ahead(load: Callable[[EngineCache], Segmenter], cache: EngineCache,
                log: Callable[[str], None]) -> bool:
    """
    Load a segmenter for the engine that this leaves in the cache; for the main thread.

    Ctrl-C ends the process at once, which leaves nothing that a later build does not clear away.

    :param load: loads it, with that cache.
    :param log: takes a line every :data:`PERIOD_S` seconds, and one on what came of it.
    :return: whether what was asked for is in the cache, or needs none.
    """
    started = monotonic()
    with meanwhile(PERIOD_S, lambda seconds: log(f'building for {seconds:.0f} s')), \
            _ends_at_once(), load(cache) as segmenter:
        info = segmenter.info
    seconds = monotonic() - started
    height, width = info.resolution
    what = f'{info.bundle} at {height}x{width} ({info.precision}, {info.provider})'
    said = {
        'built': f'built the engine of {what} in {seconds:.1f} s; it is in {cache.folder}',
        'found': f'the engine of {what} is there already, in {cache.folder}; it loads in '
                 f'{seconds:.1f} s',
        'failed': f'the engine of {what} was not kept',
        'unused': f'{what} has no engine to build ahead; it loads in {seconds:.1f} s',
    }
    log(said[cache.outcome])
    return cache.outcome != 'failed' and info.fallback is None


@contextmanager
def _ends_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process; Python's handler would wait for the library to return."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
