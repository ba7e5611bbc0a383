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

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.deploy.write_bundle import write_bundle  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.loop import Run  # noqa: E402


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    drive = RenderedDrive(3, 96, 128, 3)
    for index in range(3):
        scene = drive[index]
        cv2.imwrite(str(folder / 'images' / f'HELD_{index}.png'), scene.image[..., ::-1])
        cv2.imwrite(str(folder / 'labels' / f'HELD_{index}.png'), scene.labels)
    data = FolderData(str(folder / 'images'), str(folder / 'labels'))
    run = Run(TrainingConfig(network='frm-light-mobilenetv2', label_space='camvid', held_out=data,
                             folders=(data,), crop_height=64, crop_width=64), folder, folder)
    run.save()
    return run.checkpoint


@pytest.fixture(scope='module')
def made(checkpoint):
    bundle = checkpoint.parent / 'models' / 'made'
    bundle.mkdir(parents=True)
    (bundle / 'left-over.txt').write_text('of the bundle that was here')
    accuracies = write_bundle(checkpoint, bundle, 'frm export x -o y')
    return bundle, accuracies['fp32']


def test_the_bundle_loads_and_segments(made):
    bundle = Bundle.load(made[0])
    image = RenderedDrive(4, 96, 128, 1)[0].image
    with Segmenter.load(bundle, resolution='96x128') as segmenter:
        assert segmenter.segment(image).labels.shape == (96, 128)
    assert bundle.label_space == CAMVID


def test_the_manifest_holds_hash_and_accuracy_of_the_file(made):
    folder, accuracy = made
    entry = yaml.safe_load((folder / 'model.yaml').read_text())['precisions']['fp32']
    model = (folder / 'fp32.onnx').read_bytes()
    assert entry['sha256'] == hashlib.sha256(model).hexdigest()
    assert entry['accuracy'] == accuracy
    assert accuracy['images'] == 3
    assert accuracy['sequences'] == ['HELD']
    assert set(accuracy['iou']) == set(CAMVID.classes)


def test_the_card_says_what_was_measured_and_where_it_was_worst(made):
    folder, accuracy = made
    card = (folder / 'README.md').read_text()
    assert f'{accuracy["drivable_iou"]:.1%}' in card
    assert 'HELD' in card
    assert all(f'HELD_{index} (' in card for index in range(3))


def test_a_picture_of_the_worst_images_lies_beside_the_checkpoint(made):
    folder, _ = made
    picture = cv2.imread(str(folder.parents[1] / 'made-failures.jpg'))
    assert picture.shape == (3 * 96, 3 * 128, 3)


def test_the_bundle_replaces_the_old_one_whole(made):
    folder, _ = made
    assert {file.name for file in folder.iterdir()} == {'model.yaml', 'fp32.onnx', 'README.md'}
    assert [path.name for path in folder.parent.iterdir()] == ['made']


@pytest.fixture(scope='module')
def fixed(checkpoint):
    """Export for one size, in half precision too, by the command."""
    folder = checkpoint.parent / 'fixed' / 'bundle'
    assert main(['export', str(checkpoint), '-o', str(folder), '--size', '96x128', '--fp16']) == 0
    return folder


def test_a_bundle_of_one_size_takes_that_size_alone(fixed):
    bundle = Bundle.load(fixed)
    assert bundle.input.min == bundle.input.max == bundle.input.default == (96, 128)
    image = RenderedDrive(4, 120, 160, 1)[0].image
    with Segmenter.load(bundle) as segmenter:
        assert segmenter.info.resolution == (96, 128)
        assert segmenter.segment(image).labels.shape == (120, 160)
    with pytest.raises(ValueError, match='96x160 does not fit .* made for 96x128 alone'):
        Segmenter.load(bundle, resolution='96x160')


def test_half_precision_is_measured_and_gives_the_same_labels(fixed):
    bundle = Bundle.load(fixed)
    assert list(bundle.precisions) == ['fp32', 'fp16']
    accuracy = bundle.entry('fp16').accuracy
    assert accuracy['images'] == 3
    assert 0.995 <= accuracy['label_agreement'] <= 1.0
    assert f'{accuracy["label_agreement"]:.2%}' in (fixed / 'README.md').read_text()
    image = RenderedDrive(4, 96, 128, 1)[0].image
    with Segmenter.load(bundle) as full, Segmenter.load(bundle, precision='fp16') as half:
        agreement = np.mean(full.segment(image).labels == half.segment(image).labels)
    assert agreement >= 0.995
    # Half the bytes of the weights.
    assert (fixed / 'fp16.onnx').stat().st_size < 0.6 * (fixed / 'fp32.onnx').stat().st_size


def test_the_manifest_has_the_command_that_makes_the_same_bundle(fixed):
    command = Bundle.load(fixed).training['command']
    assert command.startswith('frm export ')
    assert command.endswith(f'-o {fixed} --size 96x128 --fp16')


def test_a_size_that_does_not_fit_is_refused_with_sizes_that_do(checkpoint, tmp_path, capsys):
    arguments = ['export', str(checkpoint), '-o', str(tmp_path / 'made'), '--size', '100x128']
    assert main(arguments) == 2
    assert 'multiples of 32, such as 96x128 or 128x128' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_half_precision_that_changes_labels_is_refused_with_the_figures(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)
    # Logits this large are 4 apart in 16 bits, and so all the same.
    state['average']['head.classifier.bias'].fill_(5000.0)
    damaged = tmp_path / 'checkpoint.pt'
    torch.save(state, damaged)
    with pytest.raises(ValueError, match=r'labels of only [0-9.]+% .* must keep 99.5%'):
        write_bundle(damaged, tmp_path / 'models' / 'made', 'frm export x -o y', (64, 64), True)
    assert not list((tmp_path / 'models').iterdir())
