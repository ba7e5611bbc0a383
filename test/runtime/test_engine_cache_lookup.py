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
"""An engine cache tells whether it would build, without building."""

from __future__ import annotations

from pathlib import Path

import pytest

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engine_cache import EngineCacheError
from frm_perception.runtime.engine_cache import EngineKey

KEY = EngineKey(
    engine='test', model='ab' * 32, shapes={'image': (1, 96, 160, 3)}, precision='fp32',
    options={}, versions={'onnxruntime': '1.31.1'}, device={'name': 'none'})


def test_it_tells_whether_an_engine_is_there(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / 'engines', pytest.fail)
    assert cache.problem(KEY) == f'it is not in the engine cache {cache.folder}'
    entry = cache.entry(KEY, lambda folder: (folder / 'engine').touch())
    assert cache.problem(KEY) is None
    (entry / 'engine').unlink()
    assert cache.problem(KEY) == f'the one in {entry} cannot be used: engine is missing'


def test_a_folder_that_cannot_be_the_cache_is_told(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(EngineCacheError, match='Not a directory'):
        EngineCache(tmp_path / 'file' / 'engines', pytest.fail).problem(KEY)
    (tmp_path / 'link').symlink_to(tmp_path)
    with pytest.raises(EngineCacheError, match='a link'):
        EngineCache(tmp_path / 'link', pytest.fail).problem(KEY)
