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
"""The model and the cache of engines."""

from pathlib import Path

import pytest

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.model import check_engine_cache
from frm_perception.runtime.doctor.model import check_model
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engine_cache import EngineKey


def test_a_model_whose_files_are_as_its_manifest_says_is_well(tiny_bundle: Path) -> None:
    finding, bundle = check_model(lambda: Bundle.load(tiny_bundle), 'fp32')
    assert finding.level is Level.OK and bundle is not None
    assert finding.source == str(tiny_bundle)


def test_a_changed_byte_is_an_error(tiny_bundle: Path) -> None:
    file = tiny_bundle / 'fp32.onnx'
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    finding, bundle = check_model(lambda: Bundle.load(tiny_bundle), 'fp32')
    assert finding.level is Level.ERROR and bundle is None and 'SHA-256' in finding.found


def test_a_model_or_a_precision_that_is_not_there_is_an_error(tiny_bundle: Path) -> None:
    for folder, precision in ((tiny_bundle / 'gone', 'fp32'), (tiny_bundle, 'fp16')):
        finding, bundle = check_model(lambda folder=folder: Bundle.load(folder), precision)
        assert finding.level is Level.ERROR and bundle is None


def _built(folder: Path) -> Path:
    cache = EngineCache(folder, print)
    key = EngineKey('test', '0' * 64, {'input': (1,)}, 'fp32', {}, {}, {})
    cache.entry(key, lambda place: (place / 'engine').write_bytes(b'engine'))
    return folder


def test_a_cache_that_is_there_tells_how_much_it_holds(tmp_path: Path) -> None:
    finding = check_engine_cache(_built(tmp_path / 'engines'), 'tensorrt')
    assert finding.level is Level.OK and finding.found == 'engines in it: 1'


def test_one_that_is_open_to_others_is_worth_a_warning_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = _built(tmp_path / 'engines')
    folder.chmod(0o755)
    assert check_engine_cache(folder, 'tensorrt').level is Level.WARNING
    assert folder.stat().st_mode & 0o777 == 0o755


def test_one_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    finding = check_engine_cache(tmp_path / 'new' / 'engines', 'tensorrt')
    assert finding.level is Level.OK and not (tmp_path / 'new').exists()


@pytest.mark.parametrize(('provider', 'level'), [
    ('tensorrt', Level.ERROR), ('openvino', Level.WARNING), ('cpu', Level.SKIPPED)])
def test_what_cannot_be_a_cache_is_as_bad_as_a_build_is_long(
        tmp_path: Path, provider: str, level: Level) -> None:
    (tmp_path / 'photo.jpg').write_bytes(b'')
    (tmp_path / 'file').write_bytes(b'')
    for folder in (tmp_path, tmp_path / 'file', None):
        assert check_engine_cache(folder, provider).level is level
