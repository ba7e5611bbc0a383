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
"""A run learns, can be interrupted, and goes on as if it had not been."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.loop import Run  # noqa: E402
from frm_perception.training.loop import load_average  # noqa: E402


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    drive = RenderedDrive(3, 96, 128, 4)
    for index in range(4):
        scene = drive[index]
        cv2.imwrite(str(folder / 'images' / f'A_{index}.png'), scene.image[..., ::-1])
        cv2.imwrite(str(folder / 'labels' / f'A_{index}.png'), scene.labels)
    data = FolderData(str(folder / 'images'), str(folder / 'labels'))
    return TrainingConfig(
        network='frm-light-mobilenetv2', label_space='camvid', held_out=data, folders=(data,),
        iterations=4, batch=2, crop_height=64, crop_width=64, warm_up=1, contrast_start=1,
        evaluate_every=100, checkpoint_every=2, bf16=False)


def _weights(checkpoint):
    return torch.load(checkpoint, weights_only=True)['network']


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_very_weights_of_an_uninterrupted_one(config, tmp_path):
    whole = Run(config, tmp_path / 'whole', tmp_path)
    whole.train()
    stopped = Run(config, tmp_path / 'parts', tmp_path)
    for number, (images, labels) in enumerate(stopped._batches()):
        stopped.step(images, labels)
        if number == 1:
            break
    stopped.save()
    resumed = Run(config, tmp_path / 'parts', tmp_path)
    assert resumed.iteration == 2
    resumed.train()
    expected, got = _weights(whole.checkpoint), _weights(resumed.checkpoint)
    assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_an_interruption_leaves_a_checkpoint_that_loads(config, tmp_path, monkeypatch):
    run = Run(config, tmp_path / 'run', tmp_path)
    step = run.step

    def interrupt(images, labels):
        if run.iteration == 1:
            raise KeyboardInterrupt
        return step(images, labels)

    monkeypatch.setattr(run, 'step', interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.train()
    network, saved = load_average(run.checkpoint)
    assert saved['iteration'] == 1
    assert not network.training
    assert not list((tmp_path / 'run').glob('*.partial'))


def test_a_crop_that_the_network_does_not_take_is_refused_before_anything_is_read(
        config, tmp_path):
    nowhere = replace(config.held_out, images=str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='crop_height.* of cgrseg-t: .*64x96.*multiples of 64'):
        Run(replace(config, network='cgrseg-t', crop_width=96, held_out=nowhere),
            tmp_path / 'run', tmp_path)


def test_a_folder_of_another_configuration_is_refused(config, tmp_path):
    Run(config, tmp_path / 'run', tmp_path).save()
    with pytest.raises(ValueError, match='learning_rate'):
        Run(replace(config, learning_rate=0.5), tmp_path / 'run', tmp_path)


def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path):
    file = tmp_path / 'checkpoint.pt'
    file.write_bytes(b'nothing of the kind')
    with pytest.raises(ValueError, match=r'checkpoint\.pt'):
        load_average(file)


@pytest.mark.slow
def test_the_loss_falls_on_four_rendered_frames(config, tmp_path):
    run = Run(replace(config, iterations=60, batch=4, learning_rate=2e-3), tmp_path, tmp_path)
    images, labels = next(iter(run._batches()))
    losses = [run.step(images, labels)['cross_entropy'] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:3])
