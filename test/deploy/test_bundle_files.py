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
"""A precision comes to be in a bundle whole, or not at all."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import yaml
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import tiny_model

pytest.importorskip('torch', reason='the card describes the networks: requirements/train.txt')

from frm_perception.deploy.bundle_files import extend  # noqa: E402
from frm_perception.deploy.bundle_files import write_folder  # noqa: E402
from frm_perception.labels import LabelSpace  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.bundle import BundleError  # noqa: E402

OTHER = tiny_model(LabelSpace('other', TINY.classes, TINY.palette[::-1], ('road',)))
ANOTHER = tiny_model(LabelSpace('another', TINY.classes, (*TINY.palette[2:], *TINY.palette[:2]),
                                ('road',)))
ACCURACY = {'gate': {'label_agreement': 0.99}}


def test_what_stands_in_two_places_of_a_manifest_is_written_twice(tmp_path):
    shared = {'images': [1, 2]}
    content = {**manifest(tiny_model()), 'training': {'first': shared, 'second': shared}}
    bundle = write_folder(tmp_path / 'tiny', content, {'fp32': tiny_model()})
    assert bundle.training == content['training']
    assert '&' not in (tmp_path / 'tiny' / 'model.yaml').read_text()


def _fp32(folder):
    return Bundle.load(folder).entry('fp32').sha256


def test_a_precision_is_added_with_hash_and_accuracy_and_the_rest_stays(tiny_bundle):
    before = yaml.safe_load((tiny_bundle / 'model.yaml').read_text())
    extend(tiny_bundle, 'int8', OTHER, ACCURACY, _fp32(tiny_bundle))
    bundle = Bundle.load(tiny_bundle)
    assert bundle.verified_model('int8') == OTHER
    assert bundle.entry('int8').accuracy == ACCURACY
    assert bundle.verified_model('fp32') == tiny_model()
    after = yaml.safe_load((tiny_bundle / 'model.yaml').read_text())
    del after['precisions']['int8']
    assert after == before
    assert sorted(file.name for file in tiny_bundle.iterdir()) == [
        'fp32.onnx', 'int8.onnx', 'model.yaml']


def test_a_precision_without_a_file_of_its_own_is_that_of_fp32(tiny_bundle):
    extend(tiny_bundle, 'bf16', None, ACCURACY, _fp32(tiny_bundle))
    bundle = Bundle.load(tiny_bundle)
    assert bundle.entry('bf16').file == 'fp32.onnx'
    assert bundle.verified_model('bf16') == tiny_model()
    assert bundle.entry('bf16').accuracy == ACCURACY
    assert bundle.entry('fp32').accuracy == {}


def test_an_older_variant_is_replaced(tiny_bundle):
    for model in (OTHER, ANOTHER):
        extend(tiny_bundle, 'int8', model, ACCURACY, _fp32(tiny_bundle))
        assert Bundle.load(tiny_bundle).verified_model('int8') == model


@pytest.mark.parametrize('steps', range(3))
@pytest.mark.parametrize('older', [False, True])
def test_however_far_it_comes_every_precision_that_is_named_is_whole(
        tiny_bundle, monkeypatch, steps, older):
    if older:
        extend(tiny_bundle, 'int8', OTHER, ACCURACY, _fp32(tiny_bundle))
    replace, done = os.replace, []

    def killed(source, target):
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, 'replace', killed)
        if older or steps < 2:
            with pytest.raises(KeyboardInterrupt):
                extend(tiny_bundle, 'int8', ANOTHER, ACCURACY, _fp32(tiny_bundle))
        else:
            extend(tiny_bundle, 'int8', ANOTHER, ACCURACY, _fp32(tiny_bundle))
    bundle = Bundle.load(tiny_bundle)
    for precision in bundle.precisions:
        bundle.verified_model(precision)
    assert not [file for file in tiny_bundle.iterdir() if 'partial' in file.name]
    extend(tiny_bundle, 'int8', ANOTHER, ACCURACY, _fp32(tiny_bundle))
    assert Bundle.load(tiny_bundle).verified_model('int8') == ANOTHER


def test_all_that_extend_a_bundle_at_once_are_in_it(tiny_bundle):
    """Threads do for processes: the lock belongs to whoever opened the folder, not to either."""
    names = [f'variant-{index}' for index in range(8)]
    start, fp32 = Barrier(len(names)), _fp32(tiny_bundle)

    def add(name):
        start.wait()
        extend(tiny_bundle, name, OTHER, ACCURACY, fp32)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    bundle = Bundle.load(tiny_bundle)
    assert set(bundle.precisions) == {'fp32', *names}
    assert {bundle.verified_model(name) for name in names} == {OTHER}
    assert {file.name for file in tiny_bundle.iterdir()} == {
        'model.yaml', 'fp32.onnx', *(f'{name}.onnx' for name in names)}


def _content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize('older', [False, True])
def test_a_card_that_cannot_be_told_changes_nothing(tiny_bundle, older):
    if older:
        extend(tiny_bundle, 'int8', OTHER, ACCURACY, _fp32(tiny_bundle))
    # The network of this bundle is none that the card could describe.
    (tiny_bundle / 'README.md').write_text('# Tiny')
    before = _content(tiny_bundle)
    with pytest.raises(BundleError, match=r'model\.yaml does not say .*README\.md cannot be'):
        extend(tiny_bundle, 'int8', ANOTHER, ACCURACY, _fp32(tiny_bundle))
    assert _content(tiny_bundle) == before


def test_no_room_for_the_new_model_leaves_the_older_one_in_place(tiny_bundle, monkeypatch):
    extend(tiny_bundle, 'int8', OTHER, ACCURACY, _fp32(tiny_bundle))
    before, write = _content(tiny_bundle), Path.write_bytes

    def full(path, content):
        if content == ANOTHER:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, 'No space left on device')
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, 'write_bytes', full)
        with pytest.raises(OSError, match='No space left'):
            extend(tiny_bundle, 'int8', ANOTHER, ACCURACY, _fp32(tiny_bundle))
    assert _content(tiny_bundle) == before


def test_a_bundle_that_was_exported_again_meanwhile_is_left_alone(tiny_bundle):
    before = (tiny_bundle / 'model.yaml').read_bytes()
    with pytest.raises(BundleError, match='exported again meanwhile'):
        extend(tiny_bundle, 'int8', OTHER, ACCURACY, '0' * 64)
    assert (tiny_bundle / 'model.yaml').read_bytes() == before
    assert not (tiny_bundle / 'int8.onnx').exists()


def test_a_bundle_of_links_gets_its_file_where_its_files_are(tiny_bundle, tmp_path):
    linked = tmp_path / 'installed'
    linked.mkdir()
    for file in tiny_bundle.iterdir():
        (linked / file.name).symlink_to(file)
    extend(linked, 'int8', OTHER, ACCURACY, _fp32(linked))
    assert Bundle.load(tiny_bundle).verified_model('int8') == OTHER
    assert (linked / 'model.yaml').is_symlink()
