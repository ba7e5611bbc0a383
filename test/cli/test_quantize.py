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
"""`frm quantize`: what it prints, what it refuses, and with which exit status."""

import numpy as np
import pytest
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import write_bundle
from tiny_layers import layered_model

pytest.importorskip('torch', reason='the card describes the networks: requirements/train.txt')

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.media.files import write_image  # noqa: E402
from frm_perception.media.video import VideoWriter  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402

SPACE = """
name: tiny
classes: [sky, road, tree, car]
drivable: [road]
"""


def _scene(seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 4, (12, 20), np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.fixture
def folder(tmp_path):
    """Write a bundle, images to calibrate with, labelled images, a video and what is both."""
    model = layered_model(wide=False)
    write_bundle(tmp_path / 'models', manifest(model), model)
    for index in range(3):
        write_image(tmp_path / 'frames' / f'{index}.png', TINY.colors()[_scene(index)])
        scene = _scene(10 + index)
        write_image(tmp_path / 'val' / 'images' / f'{index}.png', TINY.colors()[scene])
        write_image(tmp_path / 'val' / 'labels' / f'{index}.png', scene)
    with VideoWriter(tmp_path / 'drive.webm', 10.0) as video:
        for index in range(4):
            video.write(TINY.colors()[_scene(20 + index)])
    write_image(tmp_path / 'mixed' / '0.png', TINY.colors()[_scene(30)])
    (tmp_path / 'mixed' / '1.png').symlink_to(tmp_path / 'val' / 'images' / '2.png')
    (tmp_path / 'tiny.yaml').write_text(SPACE)
    (tmp_path / 'bag').mkdir()
    for name in ('metadata.yaml', '0.mcap'):
        (tmp_path / 'bag' / name).touch()
    return tmp_path


def _quantize(folder, *arguments):
    return main(['quantize', str(folder / 'models' / 'tiny'),
                 *(argument.format(folder) for argument in arguments)])


LABELLED = ('--images', '{}/val/images', '--labels', '{}/val/labels', '--label-space',
            '{}/tiny.yaml')
INT8 = ('--precision', 'int8', '--calibrate', '{}/frames')


def test_a_variant_that_passes_is_announced_with_its_figures(folder, capsys):
    assert _quantize(folder, *INT8, *LABELLED) == 0
    out = capsys.readouterr().out
    gate = Bundle.load(folder / 'models' / 'tiny').entry('int8').accuracy['gate']
    assert f'on 3 images ({folder}/val/images, labelled) at 96x160, computed by cpu' in out
    assert f'{gate["label_agreement"]:.2%} of the pixels keep the label of fp32' in out
    assert 'it may have learned from these images' in out
    assert 'left in 32 bits: no layer' in out
    assert gate['limits'] == {'agreement': 0.98, 'mean_iou_loss': 0.01, 'drivable_iou_loss': 0.005}


def test_videos_calibrate_and_images_need_no_labels(folder, capsys):
    assert _quantize(folder, '--precision', 'int8-tensorrt', '--calibrate', '{}/drive.webm',
                     '--images', '{}/val/images') == 0
    accuracy = Bundle.load(folder / 'models' / 'tiny').entry('int8-tensorrt').accuracy
    assert accuracy['calibration']['images'] == 4
    assert accuracy['gate']['mean_iou'] is None
    assert accuracy['gate']['limits'] == {'agreement': 0.98}
    assert 'mean IoU was not measured; drivable IoU was not' in capsys.readouterr().out


def test_half_precision_can_be_measured_on_a_video(folder):
    assert _quantize(folder, '--precision', 'fp16', '--images', '{}/drive.webm') == 0
    assert Bundle.load(folder / 'models' / 'tiny').entry('fp16').accuracy['gate']['images'] == 4


def test_limits_are_given_in_per_cent_and_points(folder):
    assert _quantize(folder, '--precision', 'fp16', *LABELLED, '--min-agreement', '90',
                     '--max-miou-loss', '2') == 0
    gate = Bundle.load(folder / 'models' / 'tiny').entry('fp16').accuracy['gate']
    assert gate['limits'] == {'agreement': 0.9, 'mean_iou_loss': 0.02, 'drivable_iou_loss': 0.005}


def test_labels_of_what_is_drivable_limit_its_loss_alone(folder, capsys):
    assert _quantize(folder, '--precision', 'fp16', '--images', '{}/val/images', '--labels',
                     '{}/val/labels', '--drivable-ids', '1', '--max-drivable-loss', '2') == 0
    gate = Bundle.load(folder / 'models' / 'tiny').entry('fp16').accuracy['gate']
    assert gate['limits'] == {'agreement': 0.995, 'drivable_iou_loss': 0.02}
    assert gate['mean_iou'] is None
    assert 'mean IoU was not measured; drivable IoU is' in capsys.readouterr().out


def test_a_variant_that_the_gate_refuses_is_no_error_in_the_arguments(folder, capsys):
    """Of noise, whose cells are all nearly grey, not every label can be the same."""
    noise = np.random.default_rng(5).integers(0, 256, (96, 160, 3), np.uint8)
    write_image(folder / 'noise' / '0.png', noise)
    assert _quantize(folder, *INT8, '--images', '{}/noise', '--min-agreement', '100') == 1
    said = capsys.readouterr().err
    assert f'int8 is refused: on 1 images ({folder}/noise)' in said
    assert 'at least 100.00% of the labels' in said
    assert list(Bundle.load(folder / 'models' / 'tiny').precisions) == ['fp32']


@pytest.mark.parametrize(('arguments', 'said'), [
    (('--precision', 'int8', *LABELLED), 'int8 needs images to calibrate with'),
    (('--precision', 'fp16', '--calibrate', '{}/frames', *LABELLED), 'leave --calibrate out'),
    (('--precision', 'int8', '--calibrate', '{}/val/images', *LABELLED),
     'val/images/0.png and 2 more in common'),
    (('--precision', 'int8', '--calibrate', '{}/val/images/1.png', *LABELLED),
     'val/images/1.png in common'),
    (('--precision', 'int8', '--calibrate', '{}/mixed', *LABELLED), 'val/images/2.png in common'),
    (('--precision', 'int8', '--calibrate', '{}/drive.webm', '--images',
      '{}/frames/../drive.webm'), 'drive.webm in common'),
    (('--precision', 'int8', '--calibrate', '{}/bag', '--images', '{}/bag/0.mcap'),
     'bag/0.mcap in common'),
    ((*INT8, '--images', '{}/val/images', '--max-miou-loss', '0'),
     'the loss of mean IoU is limited, but cannot be measured: these images have no labels'),
    ((*INT8, '--images', '{}/val/images', '--max-drivable-loss', '0'),
     'the loss of drivable IoU is limited, but cannot be measured: these images have no labels'),
    ((*INT8, '--images', '{}/val/images', '--labels', '{}/val/labels', '--drivable-ids', '1',
      '--max-miou-loss', '0'), 'only tell what is drivable'),
    ((*INT8, '--images', '{}/none'), 'none does not exist'),
    ((*INT8, '--images', '{}/val/images', '--label-space', 'camvid'), 'what --labels mean'),
    ((*INT8, '--images', '{}/val/images', '--labels', '{}/val/labels'), 'give --label-space'),
    ((*INT8, '--images', '{}/val/images', '--labels', '{}/frames', '--label-space',
      '{}/tiny.yaml'), 'frames'),
    (('--precision', 'int8', '--calibrate', '{}/tiny.yaml', *LABELLED), 'cannot read')])
def test_what_cannot_be_is_refused_and_nothing_is_written(folder, capsys, arguments, said):
    bundle = folder / 'models' / 'tiny'
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}
    assert _quantize(folder, *arguments) == 2
    assert said in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before


@pytest.mark.parametrize('text', ['-1', '101', 'nan', 'much'])
def test_limits_that_are_no_percentages_are_refused(folder, capsys, text):
    with pytest.raises(SystemExit):
        _quantize(folder, *INT8, *LABELLED, '--max-miou-loss', text)
    assert f'{text!r} is not between 0 and 100' in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_named(folder, capsys):
    assert main(['quantize', str(folder / 'none'), '--precision', 'fp16', '--images',
                 str(folder / 'frames')]) == 2
    assert f'no model bundle at {folder}/none' in capsys.readouterr().err
