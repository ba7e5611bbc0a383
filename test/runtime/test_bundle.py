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
"""Model bundles: what is read, what is refused, and what is found."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import tiny_model
from tiny_bundle import write_bundle
from tiny_bundle import write_tiny_bundle

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.bundle import parse_resolution

Edit = Callable[[dict[str, Any]], object]


def test_a_bundle_is_what_its_manifest_says(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    assert (bundle.name, bundle.backbone, bundle.label_space) == ('tiny', 'none', TINY)
    assert bundle.input.default == (96, 160) and bundle.output.stride == 4
    assert bundle.verified_model('fp32') == (tiny_bundle / 'fp32.onnx').read_bytes()


def _edit(folder: Path, edit: Edit) -> None:
    file = folder / 'model.yaml'
    content = yaml.safe_load(file.read_text())
    edit(content)
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(('edit', 'key'), [
    (lambda c: c.pop('backbone'), "'backbone' is missing"),
    (lambda c: c['input'].pop('min'), "'input.min' is missing"),
    (lambda c: c.update(colour='red'), "'colour' is not a known key"),
    (lambda c: c['input'].update(mean=[0]), "'input.mean' is not a known key"),
    (lambda c: c['precisions']['fp32'].update(x=1), "'precisions.fp32.x' is not a known key"),
    (lambda c: c.update(format=2), "'format' is 2; this version reads format 1"),
    (lambda c: c.update(format='1'), "'format' must hold whole numbers"),
    (lambda c: c.update(format=True), "'format' must hold whole numbers"),
    (lambda c: c.update(name=5), "'name' must be text"),
    (lambda c: c.update(input=[]), "'input' must be a mapping"),
    (lambda c: c['input'].update(layout='NCHW'), "'input.layout' is 'NCHW'"),
    (lambda c: c['input'].update(dtype='float32'), "'input.dtype' is 'float32'"),
    (lambda c: c['input'].update(default=[96]), "'input.default' must be a list of 2"),
    (lambda c: c['input'].update(default=[96, 161]), "'input.default' does not fit"),
    (lambda c: c['input'].update(max=[0, 64]), "'input.max' must hold whole numbers"),
    (lambda c: c['input'].update(padding=[0, 0, 256]), "'input.padding' must hold whole numbers"),
    (lambda c: c['input'].update(max=[8192, 8193]), 'from 1 to 8192, not 8193'),
    (lambda c: c['input'].update(multiple_of=10 ** 3000), "'input.multiple_of' must hold whole"),
    (lambda c: c['output'].update(stride=0), "'output.stride' must hold whole numbers"),
    (lambda c: c['output'].update(stride=3),
     "'output.stride' is 3, and 'input.multiple_of' is 32, no multiple of it: not every image "
     'would have whole cells. Copy the bundle again'),
    (lambda c: c['input'].update(multiple_of=1), "'output.stride' is 4, and 'input.multiple_of' "),
    (lambda c: c.update(name='red\nline'), "'name' must be at most 255 characters that can be"),
    (lambda c: c.update(name='\x1b[31m'), "'name' must be at most 255 characters that can be"),
    (lambda c: c.update(name='a' * 256), "'name' must be at most 255 characters that can be"),
    (lambda c: c.update(name=['a' * 1000] * 1000), "'name' must be text, not ['aaa"),
    (lambda c: c['label_space'].update(classes=['a\tb']), "'label_space.classes' must be at most"),
    (lambda c: c['precisions'].update({'a\nb': {}}), "'precisions' must be a mapping with text"),
    (lambda c: c['label_space'].update(classes='road'), "'label_space.classes' must be a list"),
    (lambda c: c['label_space'].update(palette=[[0, 0]]), "'label_space.palette' must be a list"),
    (lambda c: c['label_space'].update(drivable=['lake']), "no class 'lake'"),
    (lambda c: c.update(precisions={}), "'precisions' is empty"),
    (lambda c: c['precisions']['fp32'].update(sha256='ab'), "'precisions.fp32.sha256' must be 64"),
    (lambda c: c['precisions']['fp32'].update(file='../x.onnx'), 'name of a file beside it'),
    (lambda c: c['precisions']['fp32'].update(file='/etc/passwd'), 'name of a file beside it'),
    (lambda c: c['precisions']['fp32'].update(file='..'), 'name of a file beside it'),
    (lambda c: c['precisions']['fp32'].update(file='fp32\0.onnx'),
     "'precisions.fp32.file' must be at most 255 characters that can be printed"),
])
def test_a_wrong_manifest_is_refused_by_file_and_key(
        tiny_bundle: Path, edit: Edit, key: str) -> None:
    _edit(tiny_bundle, edit)
    with pytest.raises(BundleError) as caught:
        Bundle.load(tiny_bundle)
    assert key in str(caught.value)
    assert str(tiny_bundle / 'model.yaml') in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(('text', 'complaint'), [
    ('a: [', 'is not valid YAML'), ('- 1', 'must be a mapping'), ('', 'must be a mapping'),
    ('1: 2', 'must be a mapping with text keys'), ('!!python/object:os.system {}', 'not valid')])
def test_a_file_that_is_no_manifest_is_refused(
        tiny_bundle: Path, text: str, complaint: str) -> None:
    (tiny_bundle / 'model.yaml').write_text(text)
    with pytest.raises(BundleError, match=complaint):
        Bundle.load(tiny_bundle)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='cannot read .*model.yaml: No such file'):
        Bundle.load(tmp_path)
    with pytest.raises(BundleError, match='no such folder'):
        Bundle.load(tmp_path / 'nothing')


def test_a_changed_model_is_refused(tiny_bundle: Path) -> None:
    file = tiny_bundle / 'fp32.onnx'
    file.write_bytes(file.read_bytes()[:-1] + b'!')
    with pytest.raises(BundleError, match='fp32.onnx is not .*SHA-256 is .* the manifest says .*'
                                           'Copy the bundle again'):
        Bundle.load(tiny_bundle).verified_model('fp32')


def test_a_missing_model_is_named(tiny_bundle: Path) -> None:
    (tiny_bundle / 'fp32.onnx').unlink()
    with pytest.raises(BundleError, match='fp32.onnx: No such file.*Copy the bundle again'):
        Bundle.load(tiny_bundle).verified_model('fp32')


def test_a_precision_that_is_not_there_lists_those_that_are(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no precision 'int8'; it has fp32"):
        Bundle.load(tiny_bundle).verified_model('int8')


def test_a_link_out_of_the_bundle_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / 'elsewhere.onnx'
    (tiny_bundle / 'fp32.onnx').rename(elsewhere)
    (tiny_bundle / 'fp32.onnx').symlink_to(elsewhere)
    with pytest.raises(BundleError, match='fp32.onnx leads to .*outside of the bundle.*copy the '
                                           'model into it'):
        Bundle.load(tiny_bundle).verified_model('fp32')


def test_a_link_that_leads_to_itself_is_refused(tiny_bundle: Path) -> None:
    (tiny_bundle / 'fp32.onnx').unlink()
    (tiny_bundle / 'fp32.onnx').symlink_to('fp32.onnx')
    with pytest.raises(BundleError, match='cannot read the model .*fp32.onnx: .*link.*again'):
        Bundle.load(tiny_bundle).verified_model('fp32')


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
def test_a_model_that_is_no_plain_file_is_refused_at_once(
        tiny_bundle: Path, make: Callable[[Path], None]) -> None:
    (tiny_bundle / 'fp32.onnx').unlink()
    make(tiny_bundle / 'fp32.onnx')
    with pytest.raises(BundleError, match='fp32.onnx: it is not a plain file; put one there'):
        Bundle.load(tiny_bundle).verified_model('fp32')


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
def test_a_manifest_that_is_no_plain_file_is_refused_at_once(
        tiny_bundle: Path, make: Callable[[Path], None]) -> None:
    (tiny_bundle / 'model.yaml').unlink()
    make(tiny_bundle / 'model.yaml')
    for load in (Bundle.load, find_bundle):
        with pytest.raises(BundleError, match='model.yaml: it is not a plain file; put one there'):
            load(tiny_bundle)


def test_a_bundle_installed_by_links_is_loaded(tiny_bundle: Path, tmp_path: Path) -> None:
    installed = tmp_path / 'install' / 'tiny'
    installed.mkdir(parents=True)
    for file in tiny_bundle.iterdir():
        (installed / file.name).symlink_to(file)
    assert Bundle.load(installed).verified_model('fp32')


def _with_external_weights(tmp_path: Path) -> bytes:
    file = tmp_path / 'external.onnx'
    onnx.save_model(onnx.load_from_string(tiny_model()), str(file), save_as_external_data=True,
                    location='weights.bin', size_threshold=0)
    return file.read_bytes()


def test_weights_in_other_files_are_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _with_external_weights(tmp_path)
    folder = write_bundle(tmp_path / 'models', manifest(model), model)
    # Where ONNX Runtime itself would find and use them.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="fp32.onnx keeps 2 tensors in other files .*"
                                           "'(weights|bias)'.*Export the model as one file"):
        Bundle.load(folder).verified_model('fp32')


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers_are_refused(tmp_path: Path, value: float) -> None:
    graph = onnx.load_from_string(tiny_model())
    weights = next(tensor for tensor in graph.graph.initializer if tensor.name == 'weights')
    values = numpy_helper.to_array(weights).copy()
    values[-1, -1] = value
    weights.CopyFrom(numpy_helper.from_array(values, 'weights'))
    model = graph.SerializeToString()
    folder = write_bundle(tmp_path / 'models', manifest(model), model)
    with pytest.raises(BundleError, match="fp32.onnx has weights that are not finite .*'weights'.*"
                                           'Export it again'):
        Bundle.load(folder).verified_model('fp32')


@pytest.mark.parametrize('model', [b'<html>404 Not Found</html>', tiny_model()[:-9]])
def test_a_file_that_is_no_onnx_or_is_cut_off_is_refused(tmp_path: Path, model: bytes) -> None:
    folder = write_bundle(tmp_path / 'models', manifest(model), model)
    with pytest.raises(BundleError, match='fp32.onnx: .*ONNX.*export it again'):
        Bundle.load(folder).verified_model('fp32')


def test_auto_takes_the_default(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one')
    write_tiny_bundle(tmp_path, 'two')
    assert find_bundle(tmp_path).name == 'two'


def test_a_backbone_is_found(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    write_tiny_bundle(tmp_path, 'two', 'van_b1')
    assert find_bundle(tmp_path, 'van_b0').name == 'one'


def test_an_unknown_backbone_lists_what_is_there_and_how_to_make_it(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    broken = write_tiny_bundle(tmp_path, 'two', 'van_b1')
    (broken / 'model.yaml').write_text('format: 7')
    with pytest.raises(BundleError) as caught:
        find_bundle(tmp_path, 'resnet50')
    message = str(caught.value)
    assert 'one: backbone van_b0, precision fp32' in message
    assert 'two: ' in message and "'format' is 7" in message
    assert 'frm train CONFIG.yaml -o runs/NAME' in message
    assert f'frm export runs/NAME/checkpoint.pt -o {tmp_path}/NAME' in message


def test_the_way_to_a_new_bundle_names_what_is_there(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path)
    with pytest.raises(BundleError) as caught:
        find_bundle(tmp_path, 'resnet50')
    message = str(caught.value)
    config, = re.findall(r'copy (\S+)', message)
    assert (Path(__file__).parents[2] / config).is_file()
    assert '`frm networks` lists them' in message


def test_a_precision_that_no_bundle_has_is_not_found(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    with pytest.raises(BundleError, match="'van_b0' with precision 'int8'"):
        find_bundle(tmp_path, 'van_b0', 'int8')
    with pytest.raises(BundleError, match='it has fp32 .*frm export. writes fp32'):
        find_bundle(tmp_path, 'auto', 'int8')


def test_of_several_matching_the_default_is_taken(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    write_tiny_bundle(tmp_path, 'two', 'van_b0')
    assert find_bundle(tmp_path, 'van_b0').name == 'two'
    write_tiny_bundle(tmp_path, 'three', 'van_b1')
    with pytest.raises(BundleError, match='several bundles .* one, two'):
        find_bundle(tmp_path, 'van_b0')


def test_a_bundle_is_found_by_its_name_among_several_with_its_backbone(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    write_tiny_bundle(tmp_path, 'two', 'van_b0')
    assert find_bundle(tmp_path, 'one').name == 'one'
    write_tiny_bundle(tmp_path, 'van_b0', 'van_b1')
    assert find_bundle(tmp_path, 'van_b0').backbone == 'van_b1'
    with pytest.raises(BundleError, match="backbone 'one' with precision 'int8'"):
        find_bundle(tmp_path, 'one', 'int8')


def test_a_default_is_needed_only_to_choose_between_several(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path, 'one', 'van_b0')
    (tmp_path / 'default.yaml').unlink()
    assert find_bundle(tmp_path).name == find_bundle(tmp_path, 'van_b0').name == 'one'
    write_tiny_bundle(tmp_path, 'two', 'van_b1')
    (tmp_path / 'default.yaml').unlink()
    assert find_bundle(tmp_path, 'van_b0').name == 'one'
    with pytest.raises(BundleError, match='several bundles .* one, two.*default.yaml'):
        find_bundle(tmp_path)


def test_a_folder_that_is_a_bundle_is_taken_as_such(tiny_bundle: Path) -> None:
    assert find_bundle(tiny_bundle).name == find_bundle(tiny_bundle, 'none').name == 'tiny'
    with pytest.raises(BundleError, match='tiny: backbone none, precision fp32') as caught:
        find_bundle(tiny_bundle, 'van_b0')
    assert f'-o {tiny_bundle.parent}/NAME' in str(caught.value)


def test_an_empty_folder_of_models_is_said_to_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='there is:\n  nothing\nTo make one'):
        find_bundle(tmp_path)


@pytest.mark.parametrize('text', ['default: ../other', 'default: .', 'default: [1]', 'other: a'])
def test_a_default_that_names_no_folder_beside_it_is_refused(tmp_path: Path, text: str) -> None:
    write_tiny_bundle(tmp_path)
    (tmp_path / 'default.yaml').write_text(text)
    with pytest.raises(BundleError, match='default.yaml'):
        find_bundle(tmp_path)


def test_a_missing_folder_of_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='no folder of models at .*nothing'):
        find_bundle(tmp_path / 'nothing')


def test_resolutions_are_read(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    assert parse_resolution('auto', bundle) == (96, 160)
    assert parse_resolution('384x640', bundle) == (384, 640)


@pytest.mark.parametrize('text', ['', '384', 'x640', '384x', '384X640', '-1x64', '384x640x3',
                                  '384 x 640', 'large', '38.4x640', '\u0663\u0668x64'])
def test_a_text_that_is_no_resolution_is_refused_with_an_example(
        tiny_bundle: Path, text: str) -> None:
    with pytest.raises(ValueError, match="'auto' or HEIGHTxWIDTH, such as '96x160'"):
        parse_resolution(text, Bundle.load(tiny_bundle))


def test_a_resolution_that_does_not_fit_gets_the_rule_and_the_nearest(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    with pytest.raises(ValueError, match='multiples of 32, from 64x64 to 1088x2048; the nearest '
                                         'is 384x640 or 416x672'):
        parse_resolution('400x650', bundle)
    with pytest.raises(ValueError, match='the nearest is 1088x64$'):
        parse_resolution('9999x1', bundle)


def test_a_model_of_one_size_refuses_every_other(tiny_bundle: Path) -> None:
    _edit(tiny_bundle, lambda c: c['input'].update(min=[96, 160], max=[96, 160]))
    bundle = Bundle.load(tiny_bundle)
    assert parse_resolution('96x160', bundle) == (96, 160)
    with pytest.raises(ValueError, match="96x192 does not fit the model 'tiny': it was made for "
                                         '96x160 alone$'):
        parse_resolution('96x192', bundle)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_nearest_resolutions_fit(tiny_bundle: Path, height: int, width: int) -> None:
    spec = Bundle.load(tiny_bundle).input
    nearest = spec.nearest((height, width))
    assert nearest and all(spec.fits(size) for size in nearest)
    if spec.fits((height, width)):
        assert nearest == [(height, width)]
