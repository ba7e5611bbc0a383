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
"""Engines that are kept, for those who can do without: what cannot be kept is built anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engine_cache import EngineCacheError
from frm_perception.runtime.engine_cache import EngineKey


def kept(cache: EngineCache | None, key: Callable[[], EngineKey],
         build: Callable[[Path], None]) -> Path | None:
    """
    Return the folder of an engine's files, built now where they are not there yet.

    A full disk must not keep a vehicle from seeing: where the cache cannot be used, the engine has
    to be built without it, and a line in the cache's log says so.

    :param key: makes the key; may raise OSError where it cannot be known what the engine is for.
    :param build: writes the files; see :meth:`EngineCache.entry`. What it raises is passed on.
    :return: None where there is no cache, or none that can be used.
    """
    if cache is None:
        return None
    try:
        return cache.entry(key(), build)
    except (EngineCacheError, OSError) as error:
        cache.outcome = 'failed'
        cache.log(f'{error}. The engine is not kept: it is built at every start')
        return None
