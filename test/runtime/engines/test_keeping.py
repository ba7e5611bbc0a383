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
"""Engines that are kept between starts: the same as built anew, and never in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_model

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import ProviderError
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.engines.keeping import kept

SIZE = (64, 96)
IMAGE = np.random.default_rng(1).integers(0, 256, (1, *SIZE, 3), np.uint8)


class Opener:
    """Opens the tiny model in OpenVINO with one cache, and hears what the cache says."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.cache = EngineCache(folder, self.lines.append)

    def open(self, precision: str = 'fp32', threads: int = 1,
             size: tuple[int, int] = SIZE) -> Engine:
        return open_engine(tiny_model(), 'tiny.onnx', EngineOptions(
            'openvino', precision, threads=threads, size=size, cache=self.cache))

    def entries(self) -> list[Path]:
        return [file.parent for file in self.cache.folder.glob('*/manifest.json')]


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / 'engines')


def _plain() -> Engine:
    return open_engine(tiny_model(), 'tiny.onnx', EngineOptions('openvino', threads=1, size=SIZE))


def test_an_engine_of_openvino_is_the_same_from_the_cache(opener: Opener) -> None:
    engines = [_plain(), opener.open(), opener.open()]
    assert opener.cache.outcome == 'found' and opener.lines == []
    plain, *others = engines
    for other in others:
        assert np.array_equal(other.infer(IMAGE), plain.infer(IMAGE))
        for what in ('provider', 'precision', 'fallback', 'threads', 'input', 'output',
                     'first_shape'):
            assert getattr(other, what) == getattr(plain, what), what


def test_a_kept_engine_takes_batches_of_other_shapes_too(opener: Opener) -> None:
    batch = np.random.default_rng(2).integers(0, 256, (2, 96, 64, 3), np.uint8)
    opener.open()
    assert np.array_equal(opener.open().infer(batch), _plain().infer(batch))


@pytest.mark.parametrize('different', [
    {'threads': 2}, {'precision': 'bf16'}, {'size': (96, 64)}])
def test_what_is_compiled_otherwise_is_another_entry(
        opener: Opener, different: dict[str, object]) -> None:
    opener.open()
    opener.open(**different)  # type: ignore[arg-type]
    assert opener.cache.outcome == 'built' and len(opener.entries()) == 2


def test_a_damaged_engine_is_compiled_again(opener: Opener) -> None:
    opener.open()
    entry, = opener.entries()
    (entry / 'model.blob').write_bytes(b'damaged')
    assert np.array_equal(opener.open().infer(IMAGE), _plain().infer(IMAGE))
    assert 'model.blob is not as manifest.json says' in opener.lines[0]
    assert opener.open() and opener.cache.outcome == 'found'


def test_where_engines_cannot_be_kept_they_are_compiled_and_a_line_says_so(
        tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    opener = Opener(tmp_path / 'file' / 'engines')
    assert np.array_equal(opener.open().infer(IMAGE), _plain().infer(IMAGE))
    assert opener.cache.outcome == 'failed'
    line, = opener.lines
    assert 'Not a directory' in line and 'The engine is not kept' in line


def test_a_model_that_cannot_be_compiled_leaves_no_entry(opener: Opener) -> None:
    with pytest.raises(ProviderError, match='cannot load tiny.onnx'):
        open_engine(b'no model', 'tiny.onnx', EngineOptions(
            'openvino', require_provider=True, size=SIZE, cache=opener.cache))
    assert opener.entries() == []


def test_what_the_engine_is_for_may_be_impossible_to_find_out(opener: Opener) -> None:
    def key() -> Callable[..., object]:
        raise OSError('libcuda.so.1: no such file')
    assert kept(opener.cache, key, pytest.fail) is None  # type: ignore[arg-type]
    assert opener.cache.outcome == 'failed'
    assert opener.lines == [
        'libcuda.so.1: no such file. The engine is not kept: it is built at every start']
