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
"""A model takes its place in the store whole or not at all, whatever happens on the way."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from tiny_bundle import tiny_model
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError
from frm_perception.runtime.model_store import ModelStore
from frm_perception.runtime.model_store import ModelStoreError


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Return a store that is not there yet."""
    return ModelStore(tmp_path / 'store')


def bundle(tmp_path: Path, name: str) -> Path:
    """Return the folder of a bundle of that name."""
    return write_tiny_bundle(tmp_path / f'from-{name}', name)


def packed(folder: Path, *more: tarfile.TarInfo) -> Path:
    """Return a tar file with a bundle, and with further members."""
    file = folder.parent / 'bundle.tar.gz'
    with tarfile.open(file, 'w:gz') as archive:
        archive.add(folder, folder.name)
        for member in more:
            archive.addfile(member, io.BytesIO(b'x' * member.size))
    return file


def accept(_: Bundle) -> None:
    """Find nothing wrong with a bundle."""


def install(store: ModelStore, source: Path) -> Path:
    """Make a bundle the current one; return its folder in the store."""
    with store.locked():
        added = store.add(source, accept)
        store.make_current(added.folder)
        store.prune()
    return added.folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_current_and_the_previous_model_are_kept_and_no_more(
        store: ModelStore, tmp_path: Path) -> None:
    first, second = (install(store, bundle(tmp_path, name)) for name in ('one', 'two'))
    assert (store.current, store.previous) == (second, first)
    third = install(store, packed(bundle(tmp_path, 'three')))
    assert (store.current, store.previous) == (third, second)
    assert not first.exists()
    assert contents(third) == contents(tmp_path / 'from-three' / 'three')
    assert Bundle.load(store.folder / 'current').name == 'three'
    assert [(model.version, model.is_current, model.is_previous) for model in store.models()] == [
        (third.name, True, False), (second.name, False, True)]


def test_to_install_the_current_model_again_keeps_the_previous_one_and_mends_it(
        store: ModelStore, tmp_path: Path) -> None:
    first = install(store, bundle(tmp_path, 'one'))
    second = install(store, bundle(tmp_path, 'two'))
    (second / 'fp32.onnx').write_bytes(b'damaged')
    assert install(store, tmp_path / 'from-two' / 'two') == second
    assert (store.current, store.previous) == (second, first)
    assert (second / 'fp32.onnx').read_bytes() == tiny_model()


@pytest.mark.parametrize('damage', [
    lambda folder: (folder / 'fp32.onnx').write_bytes(tiny_model()[:-1]),
    lambda folder: (folder / 'fp32.onnx').unlink(),
    lambda folder: (folder / 'model.yaml').write_text('format: 1'),
    lambda folder: (folder / 'model.yaml').unlink()])
def test_a_damaged_bundle_is_kept_out(store: ModelStore, tmp_path: Path, damage: object) -> None:
    good = install(store, bundle(tmp_path, 'good'))
    damage(bundle(tmp_path, 'bad'))  # type: ignore[operator]
    for source in (tmp_path / 'from-bad' / 'bad', packed(tmp_path / 'from-bad' / 'bad')):
        with pytest.raises(BundleError), store.locked():
            store.add(source, accept)
    assert store.current == good
    assert list((store.folder / 'versions').iterdir()) == [good]


def test_a_bundle_that_does_not_work_is_kept_out(store: ModelStore, tmp_path: Path) -> None:
    def refuse(found: Bundle) -> None:
        assert found.folder.is_relative_to(store.folder)  # the copy is tried, not the source
        raise BundleError('it sees nothing')

    with pytest.raises(BundleError, match='it sees nothing'), store.locked():
        store.add(bundle(tmp_path, 'one'), refuse)
    assert store.current is None and store.models() == []


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    """Return a member that is a link."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize('member', [
    tarfile.TarInfo('../outside'), tarfile.TarInfo('/tmp/outside'), tarfile.TarInfo('second'),
    tarfile.TarInfo('one/deeper/file'), link('one/link', '/etc/passwd', tarfile.SYMTYPE),
    link('one/link', '/etc/passwd', tarfile.LNKTYPE), link('one/pipe', '', tarfile.FIFOTYPE)],
    ids=lambda member: member.name)
def test_a_tar_file_with_anything_but_the_files_of_one_folder_is_refused(
        store: ModelStore, tmp_path: Path, member: tarfile.TarInfo) -> None:
    source = packed(bundle(tmp_path, 'one'), member)
    with pytest.raises(ModelStoreError, match='nothing else'), store.locked():
        store.add(source, accept)
    assert list((store.folder / 'versions').iterdir()) == []


def test_what_is_no_tar_file_or_not_a_whole_one_is_refused(
        store: ModelStore, tmp_path: Path) -> None:
    whole = packed(bundle(tmp_path, 'one')).read_bytes()
    for data in (b'', b'no tar file', whole[:len(whole) // 2]):
        (tmp_path / 'part').write_bytes(data)
        with pytest.raises((ModelStoreError, BundleError, OSError)), store.locked():
            store.add(tmp_path / 'part', accept)
    with pytest.raises(OSError), store.locked():
        store.add(tmp_path / 'nothing', accept)
    assert list((store.folder / 'versions').iterdir()) == []


def test_one_at_a_time(store: ModelStore) -> None:
    with store.locked(), pytest.raises(ModelStoreError, match='another process'), \
            ModelStore(store.folder).locked():
        pass


_ENDLESSLY = """
import sys
from pathlib import Path
from frm_perception.runtime.model_store import ModelStore
store = ModelStore(Path(sys.argv[1]))
with store.locked():
    print('begun', flush=True)
    while True:
        for source in sys.argv[2:]:
            store.make_current(store.add(Path(source), lambda _: None).folder)
            store.prune()
"""


def test_who_is_killed_at_any_moment_leaves_a_whole_model_current(
        store: ModelStore, tmp_path: Path) -> None:
    names = ('one', 'two', 'three')
    sources = [str(bundle(tmp_path, name)) for name in names]
    install(store, Path(sources[0]))
    for turn in range(12):
        process = subprocess.Popen(
            [sys.executable, '-c', _ENDLESSLY, str(store.folder), *sources],
            stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b'begun\n'
        time.sleep(0.003 * turn)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        current = Bundle.load(store.folder / 'current')
        assert current.name in names
        assert current.verified_model('fp32') == tiny_model()
    install(store, Path(sources[0]))
    left = {path.name for path in (store.folder / 'versions').iterdir()}
    assert left == {path.name for path in (store.current, store.previous) if path is not None}


def test_the_command_installs_lists_and_rolls_back(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ['--store', str(tmp_path / 'store')]
    assert main(['model', 'rollback', *store]) == 1
    assert 'no previous model' in capsys.readouterr().err
    for name in ('one', 'two'):
        assert main(['model', 'install', str(bundle(tmp_path, name)), *store]) == 0
    said = capsys.readouterr().err
    assert 'two runs (fp32 on the CPU)' in said and f'{tmp_path}/store/current' in said
    assert main(['model', 'list', *store]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ['previous', 'current']
    for current in ('one', 'two'):
        assert main(['model', 'rollback', *store]) == 0
        assert os.readlink(tmp_path / 'store' / 'current').startswith(f'versions/{current}-')


def test_the_command_refuses_a_damaged_bundle_and_one_that_sees_the_same_everywhere(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ['--store', str(tmp_path / 'store')]
    assert main(['model', 'install', str(bundle(tmp_path, 'one')), *store]) == 0
    broken = bundle(tmp_path, 'broken')
    (broken / 'fp32.onnx').write_bytes(b'')
    assert main(['model', 'install', str(broken), *store]) == 1
    assert 'SHA-256' in capsys.readouterr().err
    from frm_perception.labels import LabelSpace
    blind = write_tiny_bundle(tmp_path, 'blind', space=LabelSpace(
        'blind', ('black', 'grey'), ((0, 0, 0), (120, 120, 120)), ('black',)))
    shutil.copy(blind / 'fp32.onnx', tmp_path / 'kept')
    assert main(['model', 'install', str(_blinded(blind)), *store]) == 1
    assert 'sees nothing but' in capsys.readouterr().err
    assert main(['model', 'list', *store]) == 0
    assert capsys.readouterr().out.split()[:2][1] == 'current'


def _blinded(folder: Path) -> Path:
    """Let a bundle's network give one class alone."""
    import hashlib

    import onnx
    model = onnx.load(folder / 'fp32.onnx')
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == 'bias')
    values = onnx.numpy_helper.to_array(bias).copy()
    values[0] += 1000
    bias.CopyFrom(onnx.numpy_helper.from_array(values, 'bias'))
    data = model.SerializeToString()
    manifest = folder / 'model.yaml'
    old = hashlib.sha256((folder / 'fp32.onnx').read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(old, hashlib.sha256(data).hexdigest()))
    (folder / 'fp32.onnx').write_bytes(data)
    return folder
