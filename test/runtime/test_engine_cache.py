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
"""The engine cache: built once, verified before every use, private."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from tiny_bundle import tiny_model

from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engine_cache import EngineCacheError
from frm_perception.runtime.engine_cache import EngineKey
from frm_perception.runtime.engine_cache import open_cache

KEY = EngineKey(
    engine='test', model='ab' * 32, shapes={'image': (1, 96, 160, 3)}, precision='fp32',
    options={'threads': '2'}, versions={'onnxruntime': '1.31.1'}, device={'model name': 'none'})

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')


class Recorder:
    """A cache of one folder, with what it has logged and how often it has built."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.builds = 0
        self.cache = EngineCache(folder, self.lines.append)

    def entry(self, key: EngineKey = KEY) -> Path:
        return self.cache.entry(key, self._build)

    def _build(self, folder: Path) -> None:
        self.builds += 1
        (folder / 'engine').write_bytes(b'machine code')
        (folder / 'timings').write_bytes(b'measured')


@pytest.fixture
def cache(tmp_path: Path) -> Recorder:
    """Return a cache that does not exist yet."""
    return Recorder(tmp_path / 'caches' / 'engines')


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_an_engine_is_built_once(cache: Recorder) -> None:
    first = cache.entry()
    assert (first / 'engine').read_bytes() == b'machine code'
    assert cache.entry() == first
    assert cache.builds == 1 and cache.lines == []


def test_a_later_cache_of_the_same_folder_finds_it(cache: Recorder) -> None:
    first = cache.entry()
    later = Recorder(cache.cache.folder)
    assert later.entry() == first
    assert later.builds == 0 and later.lines == []


def test_all_of_it_is_private_whatever_the_umask(cache: Recorder) -> None:
    before = os.umask(0)
    try:
        entry = cache.entry()
    finally:
        os.umask(before)
    assert _mode(cache.cache.folder) == _mode(entry) == 0o700
    assert {_mode(entry / name) for name in ('engine', 'timings')} == {0o600}


def test_the_manifest_has_the_key_in_plain_text_and_every_file(cache: Recorder) -> None:
    entry = cache.entry()
    manifest = json.loads((entry / 'manifest.json').read_text())
    assert manifest['key'] == {
        'engine': 'test', 'model': 'ab' * 32, 'shapes': {'image': [1, 96, 160, 3]},
        'precision': 'fp32', 'options': {'threads': '2'}, 'versions': {'onnxruntime': '1.31.1'},
        'device': {'model name': 'none'}}
    assert {name: file['size'] for name, file in manifest['files'].items()} == {
        'engine': 12, 'timings': 8}


def test_engines_of_different_keys_stand_side_by_side(cache: Recorder) -> None:
    other = replace(KEY, precision='fp16')
    assert cache.entry() != cache.entry(other)
    assert cache.builds == 2
    assert cache.entry() == cache.cache.folder / KEY.digest
    assert cache.builds == 2


def _truncate(entry: Path) -> None:
    (entry / 'engine').write_bytes(b'machine')


def _change(entry: Path) -> None:
    (entry / 'engine').write_bytes(b'machine c0de')


def _remove(entry: Path) -> None:
    (entry / 'timings').unlink()


def _add(entry: Path) -> None:
    (entry / 'plugin.so').write_bytes(b'')


def _add_folder(entry: Path) -> None:
    (entry / 'more').mkdir()


def _link_file(entry: Path) -> None:
    (entry / 'engine').rename(entry.parent / 'engine')
    (entry / 'engine').symlink_to(entry.parent / 'engine')


def _link_entry(entry: Path) -> None:
    entry.rename(entry.parent / 'elsewhere')
    entry.symlink_to(entry.parent / 'elsewhere')


def _replace_by_file(entry: Path) -> None:
    entry.rename(entry.parent / 'elsewhere')
    entry.write_bytes(b'')


def _open_file(entry: Path) -> None:
    (entry / 'engine').chmod(0o620)


def _open_folder(entry: Path) -> None:
    entry.chmod(0o702)


def _remove_manifest(entry: Path) -> None:
    (entry / 'manifest.json').unlink()


def _damage_manifest(entry: Path) -> None:
    file = entry / 'manifest.json'
    file.write_bytes(file.read_bytes()[:-9])


def _write(manifest: bytes) -> Callable[[Path], object]:
    return lambda entry: (entry / 'manifest.json').write_bytes(manifest)


def _manifest(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(entry: Path) -> None:
        content = json.loads((entry / 'manifest.json').read_text())
        edit(content)
        (entry / 'manifest.json').write_text(json.dumps(content))
    return damage


def _take_other_engine(entry: Path) -> None:
    """Put a whole and unharmed entry, of another key, where that of KEY was."""
    other = Recorder(entry.parent).entry(replace(KEY, device={'model name': 'faster'}))
    entry.rename(entry.parent / 'elsewhere')
    other.rename(entry)


@pytest.mark.parametrize(('damage', 'reason'), [
    (_truncate, "engine is not as manifest.json says: {'size': 7"),
    (_change, "engine is not as manifest.json says: {'size': 12"),
    (_remove, 'timings is missing'),
    (_add, 'plugin.so is not in manifest.json'),
    (_add_folder, 'more is not a plain file, but something else'),
    (_link_file, 'engine is not a plain file, but a link'),
    (_link_entry, 'its folder is not a folder, but a link'),
    (_replace_by_file, 'its folder is not a folder'),
    (_open_file, 'engine can be written to by other users (mode 0620)'),
    (_open_folder, 'its folder can be written to by other users (mode 0702)'),
    (_remove_manifest, 'manifest.json: No such file'),
    (_damage_manifest, 'manifest.json is damaged'),
    (_write(b'\xff\xfe\x00'), 'manifest.json is damaged'),
    (_write(b'[' * 100_000), 'manifest.json is damaged'),
    (_manifest(lambda content: content['files'].update(engine=[0] * 99)), ', 0, 0, ...]'),
    (_manifest(lambda content: content.pop('key')), 'manifest.json is damaged'),
    (_manifest(lambda content: content.update(more=1)), 'manifest.json is damaged'),
    (_manifest(lambda content: content.update(files=[])), 'engine is not in manifest.json'),
    (_manifest(lambda content: content.update(format=2)), 'manifest.json is of another format'),
    (_manifest(lambda content: content['files'].clear()), 'engine is not in manifest.json'),
    (_take_other_engine, 'manifest.json is of another key'),
])
def test_what_is_not_as_it_was_built_is_built_again_with_a_line_that_says_why(
        cache: Recorder, damage: Callable[[Path], object], reason: str) -> None:
    entry = cache.entry()
    damage(entry)
    assert cache.entry() == entry
    assert cache.builds == 2
    line, = cache.lines
    assert f'{entry} is not used, but built again: ' in line and reason in line
    assert (entry / 'engine').read_bytes() == b'machine code'
    assert sorted(path.name for path in entry.iterdir()) == ['engine', 'manifest.json', 'timings']
    # And it is as good as any.
    assert cache.entry() == entry
    assert cache.builds == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(['engine', 'timings']), st.integers(0), st.integers(1, 255))
def test_any_changed_byte_is_noticed(
        cache: Recorder, name: str, position: int, change: int) -> None:
    file = cache.entry() / name
    content = bytearray(file.read_bytes())
    content[position % len(content)] ^= change
    file.write_bytes(content)
    builds = cache.builds
    assert cache.entry() == file.parent
    assert cache.builds == builds + 1 and file.read_bytes() != content


def test_a_linked_file_outside_is_left_alone(cache: Recorder, tmp_path: Path) -> None:
    entry = cache.entry()
    outside = tmp_path / 'outside'
    outside.mkdir()
    (entry / 'engine').rename(outside / 'engine')
    (entry / 'engine').symlink_to(outside / 'engine')
    cache.entry()
    assert (outside / 'engine').read_bytes() == b'machine code'


@needs_root
@pytest.mark.parametrize(('name', 'what'), [('', 'its folder'), ('engine', 'engine'),
                                            ('manifest.json', 'manifest.json')])
def test_what_belongs_to_another_user_is_built_again(
        cache: Recorder, name: str, what: str) -> None:
    entry = cache.entry()
    os.chown(entry / name, 12345, -1)
    assert cache.entry() == entry
    assert cache.builds == 2
    assert f'{what} belongs to another user (id 12345)' in cache.lines[0]
    assert (entry / name).lstat().st_uid == os.geteuid()


@needs_root
def test_a_folder_of_another_user_is_refused(cache: Recorder) -> None:
    cache.entry()
    os.chown(cache.cache.folder, 12345, -1)
    with pytest.raises(EngineCacheError, match='belongs to another user .id 12345.*give another'):
        cache.entry()


def test_a_folder_that_others_could_write_to_is_closed_and_emptied(cache: Recorder) -> None:
    cache.entry()
    cache.cache.folder.chmod(0o770)
    cache.entry()
    assert _mode(cache.cache.folder) == 0o700
    assert cache.builds == 2
    assert 'was open to other users (mode 0770)' in cache.lines[0]
    assert '1 engines: they are discarded' in cache.lines[1]


def test_a_folder_that_others_could_only_read_is_closed(cache: Recorder) -> None:
    cache.entry()
    cache.cache.folder.chmod(0o755)
    cache.entry()
    assert _mode(cache.cache.folder) == 0o700
    assert cache.builds == 1
    assert ['mode 0755' in line for line in cache.lines] == [True]


def test_an_empty_folder_becomes_the_cache(tmp_path: Path) -> None:
    (tmp_path / 'mine').mkdir(mode=0o755)
    cache = Recorder(tmp_path / 'mine')
    cache.entry()
    assert _mode(tmp_path / 'mine') == 0o700


def test_a_folder_of_other_things_is_neither_filled_nor_closed(tmp_path: Path) -> None:
    home = tmp_path / 'home'
    home.mkdir()
    home.chmod(0o755)
    (home / 'letter').write_text('Dear')
    with pytest.raises(EngineCacheError, match='home: the folder holds other things'):
        Recorder(home).entry()
    assert [path.name for path in home.iterdir()] == ['letter'] and _mode(home) == 0o755


def test_a_folder_that_is_a_link_is_refused(cache: Recorder, tmp_path: Path) -> None:
    cache.entry()
    (tmp_path / 'link').symlink_to(cache.cache.folder)
    with pytest.raises(EngineCacheError, match='link: it is not a folder, but a link'):
        Recorder(tmp_path / 'link').entry()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineCacheError, match='engine cache .*file/engines: .*Not a directory'):
        Recorder(tmp_path / 'file' / 'engines').entry()


def _contents(folder: Path) -> list[str]:
    """Return what is in a cache besides its mark and its locks."""
    return sorted(path.name for path in folder.iterdir()
                  if path.name != 'CACHEDIR.TAG' and path.suffix != '.lock')


def test_a_build_that_fails_leaves_nothing_and_can_be_tried_again(cache: Recorder) -> None:
    def fail(folder: Path) -> None:
        (folder / 'engine').write_bytes(b'half')
        raise ValueError('no such layer')
    with pytest.raises(ValueError, match='no such layer'):
        cache.cache.entry(KEY, fail)
    assert _contents(cache.cache.folder) == []
    assert (cache.entry() / 'engine').read_bytes() == b'machine code'


@pytest.mark.parametrize(('build', 'complaint'), [
    (lambda folder: None, 'it wrote no file'),
    (lambda folder: (folder / 'a').mkdir(), 'a is not a plain file'),
    (lambda folder: (folder / 'a').symlink_to('/etc/hostname'), 'a is not a plain file'),
])
def test_a_build_without_usable_files_is_refused(
        cache: Recorder, build: Callable[[Path], None], complaint: str) -> None:
    with pytest.raises(EngineCacheError, match=complaint):
        cache.cache.entry(KEY, build)
    assert _contents(cache.cache.folder) == []


def test_what_became_of_an_entry_is_told(cache: Recorder, tmp_path: Path) -> None:
    outcomes = [cache.cache.outcome]
    for _ in range(2):
        cache.entry()
        outcomes.append(cache.cache.outcome)
    with pytest.raises(EngineCacheError):
        cache.cache.entry(replace(KEY, model=''), lambda folder: None)
    assert [*outcomes, cache.cache.outcome] == ['unused', 'built', 'found', 'failed']


def _folder(given: str) -> Path | None:
    cache = open_cache(given, pytest.fail)
    return cache and cache.folder


def test_the_default_folder_is_in_the_users_caches(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert _folder('') == tmp_path / 'frm_perception' / 'engines'
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    for not_absolute in ('', 'caches'):
        monkeypatch.setenv('XDG_CACHE_HOME', not_absolute)
        assert _folder('') == tmp_path / 'home' / '.cache' / 'frm_perception' / 'engines'
    assert _folder('~/mine') == tmp_path / 'home' / 'mine'


def test_without_a_home_engines_are_not_kept_and_a_line_says_so(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.delenv('HOME')
    # A user that the system does not know, as in `docker run --user 54321`.
    monkeypatch.setattr(os, 'getuid', lambda: 54321)
    lines: list[str] = []
    assert open_cache('', lines.append) is None
    assert 'engines are not kept' in lines[0] and 'XDG_CACHE_HOME' in lines[0]


def test_a_model_that_onnx_runtime_optimised_runs_from_the_cache(cache: Recorder) -> None:
    def session(model: bytes | str, **values: Any) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        for name, value in values.items():
            setattr(options, name, value)
        return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])

    def build(folder: Path) -> None:
        session(tiny_model(), optimized_model_filepath=str(folder / 'model.onnx'))

    file = cache.cache.entry(KEY, build) / 'model.onnx'
    cached = session(
        str(file), graph_optimization_level=onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    batch = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    assert np.array_equal(cached.run(None, {'image': batch})[0],
                          session(tiny_model()).run(None, {'image': batch})[0])
