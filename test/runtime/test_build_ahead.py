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
"""Building ahead: what it tells meanwhile and in the end."""

import signal
import threading
from pathlib import Path

import pytest

from frm_perception.runtime import build_ahead as module
from frm_perception.runtime.build_ahead import build_ahead
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.segmenter import Segmenter


def test_a_long_build_tells_how_long_it_has_taken(
        tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'PERIOD_S', 0.01)
    lines: list[str] = []
    told_twice = threading.Event()

    def log(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            told_twice.set()

    def load(cache: EngineCache) -> Segmenter:
        assert told_twice.wait(60)
        return Segmenter.load(Bundle.load(tiny_bundle), provider='openvino', cache=cache)

    assert build_ahead(load, EngineCache(tmp_path / 'engines', pytest.fail), log)
    assert lines[0] == 'building for 0 s'
    assert lines[-1].startswith('built the engine of tiny at 96x160 (fp32, openvino) in ')
    assert str(tmp_path / 'engines') in lines[-1]


def test_ctrl_c_ends_a_build_at_once_and_nothing_else(tiny_bundle: Path, tmp_path: Path) -> None:
    during = []

    def load(cache: EngineCache) -> Segmenter:
        during.append(signal.getsignal(signal.SIGINT))
        raise ValueError('no')

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match='no'):
        build_ahead(load, EngineCache(tmp_path / 'engines', pytest.fail), pytest.fail)
    assert during == [signal.SIG_DFL] and signal.getsignal(signal.SIGINT) == before
