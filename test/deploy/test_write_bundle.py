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
import pytest
import yaml

torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')

from frm_perception.deploy.write_bundle import write_bundle  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.loop import Run  # noqa: E402


@pytest.fixture(scope='module')
def made(tmp_path_factory):
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
    bundle = folder / 'models' / 'made'
    bundle.mkdir(parents=True)
    (bundle / 'left-over.txt').write_text('of the bundle that was here')
    accuracy = write_bundle(run.checkpoint, bundle, 'frm export x -o y')
    return bundle, accuracy


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
