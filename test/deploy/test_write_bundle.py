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
"""A checkpoint becomes a bundle that loads, with the accuracy of that very file."""

import hashlib
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')

from tiny_run import DRIVES  # noqa: E402
from tiny_run import tiny_config  # noqa: E402
from tiny_run import train_tiny  # noqa: E402
from tiny_run import write_drives  # noqa: E402

from frm_perception.deploy.write_bundle import write_bundle  # noqa: E402
from frm_perception.evaluation.comparison import Comparison  # noqa: E402
from frm_perception.evaluation.segmentation_score import SegmentationScore  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.config import CamVidData  # noqa: E402
from frm_perception.training.config import LossConfig  # noqa: E402
from frm_perception.training.config import RenderedData  # noqa: E402
from frm_perception.training.config import parse_config  # noqa: E402

SIZE = (96, 128)
COMMAND = 'frm export x -o y'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_drives(tmp_path_factory.mktemp('drives'))


@pytest.fixture(scope='module')
def held(data, tmp_path_factory):
    """Train on one drive; two are held out."""
    return train_tiny(tiny_config(data, DRIVES[:2]), tmp_path_factory.mktemp('held'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Train on all drives, with rendered ones, with another seed and for longer."""
    config = tiny_config(data, (), seed=3)
    config = replace(config, sources=(*config.sources, RenderedData(1, 2, 96, 128)))
    return train_tiny(config, tmp_path_factory.mktemp('whole'), 2)


@pytest.fixture(scope='module')
def made(held):
    bundle = held.parent / 'models' / 'made'
    bundle.mkdir(parents=True)
    (bundle / 'model.yaml').write_text('of the bundle that was here')
    (bundle / 'left-over.txt').write_text('of the bundle that was here')
    return bundle, write_bundle(held, bundle, COMMAND, default_size=SIZE)


@pytest.fixture(scope='module')
def half(held):
    """Export for one size, in half precision too."""
    folder = held.parent / 'half' / 'bundle'
    return folder, write_bundle(held, folder, COMMAND, size=SIZE, half=True)


@pytest.fixture(scope='module')
def validated(whole, held):
    folder = whole.parent / 'models' / 'validated'
    return folder, write_bundle(whole, folder, COMMAND, size=SIZE, half=True, validated_by=[held])


def _exported(monkeypatch, half):
    """Let exports give the model that is there already: for tests of all that is around it."""
    model = (half[0] / 'fp32.onnx').read_bytes()
    monkeypatch.setattr('frm_perception.deploy.write_bundle.export_onnx', lambda *_: model)


def test_the_bundle_loads_and_segments_at_any_size(made):
    bundle = Bundle.load(made[0])
    image = RenderedDrive(4, 120, 160, 1)[0].image
    for resolution in ('auto', '64x96'):
        with Segmenter.load(bundle, resolution=resolution) as segmenter:
            assert segmenter.segment(image).labels.shape == (120, 160)
    assert bundle.label_space == CAMVID
    assert bundle.input.default == SIZE


def test_the_manifest_has_hash_and_accuracy_of_the_file(made):
    folder, manifest = made
    assert yaml.safe_load((folder / 'model.yaml').read_text()) == manifest
    entry = Bundle.load(folder).entry('fp32')
    assert entry.sha256 == hashlib.sha256((folder / 'fp32.onnx').read_bytes()).hexdigest()
    assert entry.accuracy['resolution'] == '96x128'
    assert entry.accuracy['images'] == 4
    assert list(entry.accuracy['sequences']) == list(DRIVES[:2])
    assert entry.accuracy['partly_trained_on'] == []
    assert entry.accuracy['seen_before'] == 0
    assert manifest['training']['validation'] == []


@pytest.mark.parametrize('drives', [DRIVES[:1], DRIVES[1:2], DRIVES[:2]])
def test_figures_are_those_of_the_evaluation_of_each_drive_and_of_all(made, data, drives):
    bundle = Bundle.load(made[0])
    score = SegmentationScore(Comparison.between(CAMVID, CAMVID))
    with Segmenter.load(bundle) as segmenter:
        for drive in drives:
            for index in range(2):
                image = cv2.imread(f'{data.images}/{drive}_{index}.png')[..., ::-1]
                target = cv2.imread(f'{data.labels}/{drive}_{index}.png', cv2.IMREAD_UNCHANGED)
                score.update(target, segmenter.segment(image, confidence=True))
    accuracy = bundle.entry('fp32').accuracy
    figures = accuracy if len(drives) > 1 else accuracy['sequences'][drives[0]]
    expected = score.result()
    assert figures['images'] == 2 * len(drives)
    for key in ('mean_iou', 'drivable_iou', 'pixel_accuracy', 'mean_boundary_iou'):
        assert figures[key] == pytest.approx(expected[key], abs=1e-4)
    assert figures['calibration_error'] == pytest.approx(expected['calibration']['ece'], abs=1e-4)
    assert set(figures['iou']) == set(CAMVID.classes)
    for name, value in expected['iou'].items():
        assert figures['iou'][name] == (value if value is None else pytest.approx(value, abs=1e-4))


def test_the_bundle_replaces_the_old_one_whole(made):
    folder, _ = made
    assert {file.name for file in folder.iterdir()} == {
        'model.yaml', 'fp32.onnx', 'README.md', 'failures.jpg'}
    assert [path.name for path in folder.parent.iterdir()] == ['made']


def test_the_worst_images_are_shown_in_the_bundle_without_the_photographs(made):
    folder, _ = made
    picture = cv2.imread(str(folder / 'failures.jpg'))
    with_photographs = cv2.imread(str(folder.parents[1] / 'made-failures.jpg'))
    assert picture is not None
    assert (folder / 'failures.jpg').stat().st_size < 300_000
    assert with_photographs.shape[1] > 1.5 * picture.shape[1]


def test_the_configuration_in_manifest_and_card_trains_it_again(made, data):
    folder, manifest = made
    config = tiny_config(data, DRIVES[:2])
    assert parse_config(manifest['training']['config'], 'manifest') == config
    card = (folder / 'README.md').read_text()
    recipe = card.partition('```yaml\n')[2].partition('```')[0]
    assert parse_config(yaml.safe_load(recipe), 'card') == config


def test_sources_are_counted_and_their_licence_is_told(whole, validated):
    files, rendered = validated[1]['training']['data']
    assert (files['images'], files['licence']) == (6, 'not stated')
    assert (rendered['images'], rendered['licence'][:10]) == (2, 'Apache-2.0')
    assert 'not stated' in validated[1]['training']['licence']


def test_a_bundle_of_one_size_takes_that_size_alone(half):
    bundle = Bundle.load(half[0])
    assert bundle.input.min == bundle.input.max == bundle.input.default == SIZE
    image = RenderedDrive(4, 120, 160, 1)[0].image
    with Segmenter.load(bundle) as segmenter:
        assert segmenter.info.resolution == SIZE
        assert segmenter.segment(image).labels.shape == (120, 160)
    with pytest.raises(ValueError, match='96x160 does not fit .* made for 96x128 alone'):
        Segmenter.load(bundle, resolution='96x160')


def test_half_precision_is_measured_and_gives_the_same_labels(half):
    bundle = Bundle.load(half[0])
    assert list(bundle.precisions) == ['fp32', 'fp16']
    accuracy = bundle.entry('fp16').accuracy
    assert accuracy['images'] == 4
    gate = accuracy['gate']
    assert 0.995 <= gate['label_agreement'] <= 1.0
    assert (gate['on'], gate['images']) == ('what its training held out', 4)
    assert gate['mean_iou_loss'] <= gate['limits']['mean_iou_loss']
    assert f'{gate["label_agreement"]:.2%}' in (half[0] / 'README.md').read_text()
    image = RenderedDrive(4, 96, 128, 1)[0].image
    with Segmenter.load(bundle) as full, Segmenter.load(bundle, precision='fp16') as rounded:
        agreement = np.mean(full.segment(image).labels == rounded.segment(image).labels)
    assert agreement >= 0.995
    # Both keep 2.6 million weights in 16 bits.
    for file in half[0].glob('*.onnx'):
        assert 5_000_000 < file.stat().st_size < 6_500_000


def test_half_precision_that_changes_labels_is_refused_with_the_figures(held, tmp_path):
    state = torch.load(held, weights_only=True)
    # Logits this large are 4 apart in 16 bits, and so all the same.
    state['average']['head.classifier.bias'].fill_(5000.0)
    damaged = tmp_path / 'checkpoint.pt'
    torch.save(state, damaged)
    with pytest.raises(ValueError, match=r'fp16 is refused: on 4 images .* [0-9.]+% .* 99.50%'):
        write_bundle(damaged, tmp_path / 'models' / 'made', COMMAND, size=(64, 64), half=True)
    assert [path.name for path in tmp_path.iterdir()] == ['checkpoint.pt']


def test_figures_of_another_run_are_never_those_of_the_file(validated, held, half):
    folder, manifest = validated
    assert manifest['precisions']['fp32']['accuracy'] == {}
    (other,) = manifest['training']['validation']
    assert other['checkpoint'] == str(held)
    assert other['held_out'] == list(DRIVES[:2])
    assert other['learned_by_this_file'] == list(DRIVES[:2])
    assert other['differs_in'] == ['sources', 'seed']
    assert (manifest['training']['iterations_in_all'], other['iterations_in_all']) == (2, 1)
    # Its own export was measured on the same images, at the same size.
    assert other['accuracy'] == half[1]['precisions']['fp32']['accuracy']
    Bundle.load(folder)


def test_several_runs_each_have_their_figures_and_share_the_pictures(
        whole, data, half, tmp_path, monkeypatch):
    _exported(monkeypatch, half)
    others = [train_tiny(tiny_config(data, [drive]), tmp_path / drive, 0) for drive in DRIVES[:2]]
    manifest = write_bundle(whole, tmp_path / 'made', COMMAND, size=SIZE, validated_by=others)
    of_both = half[1]['precisions']['fp32']['accuracy']['sequences']
    for other, drive in zip(manifest['training']['validation'], DRIVES, strict=False):
        assert other['held_out'] == [drive]
        assert other['accuracy']['sequences'] == {drive: of_both[drive]}
    # The same four images as where one run held out both drives.
    pictures = [(folder / 'failures.jpg').read_bytes() for folder in (tmp_path / 'made', half[0])]
    assert pictures[0] == pictures[1]


def test_a_run_cannot_validate_itself(held, tmp_path):
    with pytest.raises(ValueError, match='cannot validate itself'):
        write_bundle(held, tmp_path / 'made', COMMAND, validated_by=[held])


def test_half_precision_is_checked_on_what_other_runs_held_out(validated):
    accuracy = validated[1]['precisions']['fp16']['accuracy']
    assert set(accuracy) == {'gate'}
    assert accuracy['gate']['on'] == 'what other runs of its recipe held out'
    assert accuracy['gate']['images'] == 4


def test_without_figures_there_are_no_pictures_and_the_card_says_so(whole, tmp_path):
    beside = whole.parent / 'made-failures.jpg'
    beside.write_text('of an earlier bundle of that name')
    manifest = write_bundle(whole, tmp_path / 'made', COMMAND, size=(64, 64), half=True)
    assert manifest['precisions']['fp32']['accuracy'] == {}
    accuracy = manifest['precisions']['fp16']['accuracy']
    assert (accuracy['gate']['on'], accuracy['gate']['images']) == (
        'the first training images', 6)
    assert 'mean_iou_loss' not in accuracy['gate']
    assert {file.name for file in (tmp_path / 'made').iterdir()} == {
        'model.yaml', 'fp32.onnx', 'fp16.onnx', 'README.md'}
    card = (tmp_path / 'made' / 'README.md').read_text()
    assert 'Nothing was held out' in card
    assert not beside.exists()


@pytest.mark.parametrize(('changed', 'named'), [
    ({'network': 'fpn-mobilenetv2'}, "network is 'fpn-mobilenetv2', not 'frm-light-mobilenetv2'"),
    ({'loss': LossConfig(contrast=0.0)}, 'loss.contrast is 0.0, not 0.1'),
    ({'held_out': ()}, 'holds nothing out')])
def test_a_run_of_another_recipe_is_refused_with_what_differs(
        whole, data, tmp_path, changed, named):
    other = train_tiny(replace(tiny_config(data, DRIVES[:1]), **changed), tmp_path / 'run', 0)
    with pytest.raises(ValueError, match='cannot validate') as error:
        write_bundle(whole, tmp_path / 'made', COMMAND, validated_by=[other])
    assert named in str(error.value)
    assert str(other) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ['run']


def test_images_that_the_start_was_trained_on_are_counted_as_seen(
        whole, data, half, tmp_path, monkeypatch):
    _exported(monkeypatch, half)
    config = tiny_config(data, DRIVES[:1], start=str(whole))
    checkpoint = train_tiny(config, tmp_path / 'run', 0)
    manifest = write_bundle(checkpoint, tmp_path / 'made', COMMAND, size=SIZE)
    assert manifest['precisions']['fp32']['accuracy']['seen_before'] == 2
    (start,) = manifest['training']['learned_from']
    assert (start['role'], start['checkpoint'], start['iterations']) == ('start', str(whole), 2)
    assert [source['images'] for source in start['data']] == [6, 2]
    assert manifest['training']['iterations_in_all'] == 2
    assert '2 of the 2 images were not unseen' in (tmp_path / 'made' / 'README.md').read_text()


def test_images_that_a_bundle_to_begin_with_was_trained_on_are_counted_as_seen(
        held, data, half, tmp_path, monkeypatch):
    _exported(monkeypatch, half)
    start = tmp_path / 'start'
    write_bundle(held, start, COMMAND, size=SIZE)
    config = tiny_config(data, DRIVES[2:], start=str(start))
    checkpoint = train_tiny(config, tmp_path / 'run', 0)
    manifest = write_bundle(checkpoint, tmp_path / 'made', COMMAND, size=SIZE)
    assert manifest['precisions']['fp32']['accuracy']['seen_before'] == 2
    assert manifest['training']['learned_from'][0]['checkpoint'] == str(start)


def test_drives_of_which_other_images_were_learned_are_named(data, half, tmp_path, monkeypatch):
    """As CamVid's val, a clip of a drive that is in its train, too."""
    _exported(monkeypatch, half)
    _write_camvid(data, tmp_path / 'camvid')
    root = str(tmp_path / 'camvid')
    config = replace(tiny_config(data, ()), sources=(CamVidData(root),),
                     held_out=(CamVidData(root, 'val'),))
    checkpoint = train_tiny(config, tmp_path / 'run', 0)
    manifest = write_bundle(checkpoint, tmp_path / 'made', COMMAND, size=SIZE)
    assert manifest['precisions']['fp32']['accuracy']['partly_trained_on'] == [DRIVES[0]]
    card = (tmp_path / 'made' / 'README.md').read_text()
    assert f'learned from other images of {DRIVES[0]}' in card
    assert manifest['training']['licence'].startswith('research use')


def _write_camvid(data, root):
    """Lay drives out as CamVid: the first one is in two splits."""
    for split, images in (('train', ('EAST_0', 'NORTH_0')), ('val', ('EAST_1', 'WEST_1'))):
        for folder, source in ((split, data.images), (f'{split}annot', data.labels)):
            (root / folder).mkdir(parents=True)
            for name in images:
                shutil.copy(f'{source}/{name}.png', root / folder)


def test_data_that_are_gone_are_not_counted(data, half, tmp_path, monkeypatch):
    _exported(monkeypatch, half)
    config = tiny_config(data, DRIVES[:1])
    gone = replace(config.sources[0], images=str(tmp_path / 'gone'))
    shutil.copytree(data.images, gone.images)
    checkpoint = train_tiny(replace(config, sources=(gone,)), tmp_path / 'run', 0)
    shutil.rmtree(gone.images)
    manifest = write_bundle(checkpoint, tmp_path / 'made', COMMAND, size=SIZE)
    assert manifest['training']['data'][0]['images'] is None
    assert '| not counted |' in (tmp_path / 'made' / 'README.md').read_text()


@pytest.mark.parametrize('there', ['folder', 'file', 'link'])
def test_what_is_no_bundle_is_never_replaced(held, tmp_path, there):
    precious = tmp_path / 'precious'
    precious.mkdir()
    (precious / 'file').write_text('mine')
    target = {'folder': precious, 'file': precious / 'file', 'link': tmp_path / 'link'}[there]
    (tmp_path / 'link').symlink_to(precious)
    with pytest.raises(ValueError, match='is no model bundle .* choose another name'):
        write_bundle(held, target, COMMAND)
    assert (precious / 'file').read_text() == 'mine'


def test_an_interruption_leaves_the_old_bundle_and_nothing_else(
        held, half, tmp_path, monkeypatch):
    _exported(monkeypatch, half)
    old = tmp_path / 'models' / 'made'
    old.mkdir(parents=True)
    (old / 'model.yaml').write_text('old')

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('frm_perception.deploy.write_bundle.card_text', interrupted)
    for folder in (old, tmp_path / 'new' / 'made'):
        with pytest.raises(KeyboardInterrupt):
            write_bundle(held, folder, COMMAND, size=SIZE)
    assert [path.name for path in tmp_path.rglob('*')] == ['models', 'made', 'model.yaml']
    assert (old / 'model.yaml').read_text() == 'old'


def test_a_default_size_that_does_not_fit_is_refused_with_sizes_that_do(held, tmp_path):
    with pytest.raises(ValueError, match='multiples of 32, .* nearest is 96x128 or 128x128'):
        write_bundle(held, tmp_path / 'made', COMMAND, default_size=(100, 128))
    with pytest.raises(ValueError, match='--size or --default-size'):
        write_bundle(held, tmp_path / 'made', COMMAND, size=SIZE, default_size=(64, 64))
    assert not list(tmp_path.iterdir())


def test_pixels_that_no_class_is_known_of_do_not_count(data, half, tmp_path, monkeypatch):
    """Void, 11 in CamVid's own files, is none of the 11 classes."""
    _exported(monkeypatch, half)
    more = write_drives(tmp_path / 'more')
    for index in range(2):
        file = f'{more.labels}/{DRIVES[0]}_{index}.png'
        labels = cv2.imread(file, cv2.IMREAD_UNCHANGED)
        labels[:, :] = 11 if index else 255
        labels[-1] = CAMVID.classes.index('road')
        cv2.imwrite(file, labels)
    config = replace(tiny_config(more, DRIVES[:1]), sources=(replace(data, sequences=DRIVES[1:]),))
    checkpoint = train_tiny(config, tmp_path / 'run', 0)
    accuracy = write_bundle(checkpoint, tmp_path / 'made', COMMAND,
                            size=SIZE)['precisions']['fp32']['accuracy']
    # Only road occurs, so accuracy is its recall; nothing else can be right.
    assert accuracy['iou']['road'] == accuracy['pixel_accuracy'] == accuracy['drivable_iou']
    assert {value for name, value in accuracy['iou'].items() if name != 'road'} <= {None, 0.0}
