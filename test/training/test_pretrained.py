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
"""The public ImageNet weights (where the file is at hand) and those of bundles are read right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import write_tiny_bundle

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')
interpreter = pytest.importorskip(
    'ai_edge_litert.interpreter', reason='needs ai-edge-litert: requirements/train.txt')

from tiny_run import DRIVES  # noqa: E402
from tiny_run import tiny_config  # noqa: E402
from tiny_run import train_tiny  # noqa: E402
from tiny_run import write_drives  # noqa: E402

from frm_perception.deploy.write_bundle import write_bundle  # noqa: E402
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.checkpoint import load_average  # noqa: E402
from frm_perception.training.pretrained import load_bundle  # noqa: E402
from frm_perception.training.pretrained import load_mobilenetv2  # noqa: E402

FILE = Path('../shared/data/models/mobilenet-v2-imagenet-int8/mobilenet_v2_1.0_224_quant.tflite')
SHIPPED = Path(__file__).resolve().parents[2] / 'models' / 'frm-light-mobilenetv2'
needs_file = pytest.mark.skipif(not FILE.exists(), reason=f'{FILE} is not at hand')


def _images():
    """Smooth random pictures: noise at several scales, as photographs have."""
    random = np.random.default_rng(0)
    images = torch.zeros(8, 3, 224, 224)
    for size in (7, 14, 28, 56):
        noise = torch.from_numpy(random.normal(0, 40, (8, 3, size, size))).float()
        images += torch.nn.functional.interpolate(noise, 224, mode='bilinear')
    return (images + 120).clamp(0, 255).round()


def _last_map_of_the_file(images):
    runner = interpreter.Interpreter(str(FILE), experimental_preserve_all_tensors=True)
    runner.allocate_tensors()
    name = 'MobilenetV2/expanded_conv_16/project/add_fold'
    detail = next(d for d in runner.get_tensor_details() if d['name'] == name)
    scale, zero = detail['quantization']
    maps = []
    for image in images.byte().permute(0, 2, 3, 1).numpy():
        runner.set_tensor(runner.get_input_details()[0]['index'], image[None])
        runner.invoke()
        maps.append((runner.get_tensor(detail['index'])[0].astype(np.float32) - zero) * scale)
    return torch.from_numpy(np.stack(maps)).permute(0, 3, 1, 2)


@needs_file
@pytest.mark.parametrize('training', [False, True], ids=['evaluation', 'training'])
def test_the_last_feature_map_is_the_files(training):
    images = _images()
    backbone = MobileNetV2()
    load_mobilenetv2(backbone, FILE, images)
    with torch.no_grad():
        got = backbone.train(training)((images - 128) / 128)[-1]
    expected = _last_map_of_the_file(images)
    correlation = torch.corrcoef(torch.stack([got.flatten(), expected.flatten()]))[0, 1]
    # Not 1: the file computes in 8 bits.
    assert correlation > 0.85


@needs_file
def test_a_file_of_another_network_is_refused():
    other = FILE.parents[1] / 'deeplab-edgetpu-slim-cityscapes' / (
        'deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite')
    with pytest.raises(ValueError, match='not MobileNetV2'):
        load_mobilenetv2(MobileNetV2(), other, _images())


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Train a step on rendered drives and export: the network, its bundle and the drives."""
    folder = tmp_path_factory.mktemp('exported')
    data = write_drives(folder / 'data')
    checkpoint = train_tiny(tiny_config(data, DRIVES[:1]), folder / 'run')
    bundle = folder / 'bundle'
    write_bundle(checkpoint, bundle, 'frm export', default_size=(96, 128))
    return load_average(checkpoint)[0], bundle, data


def test_a_bundle_trains_on_as_it_was_exported(exported):
    network, bundle, _ = exported
    images = torch.rand(8, 3, 96, 128) * 255
    again = load_bundle(bundle, images)
    with torch.no_grad():
        expected, got = network(images / 128 - 1), again(images / 128 - 1)
        assert (got - expected).abs().max() < 0.02 * expected.abs().max()


def test_a_bundle_is_normalised_by_what_its_new_images_show():
    images = np.stack([RenderedDrive(seed, 128, 192, 1)[0].image for seed in range(8)])
    images = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    backbone = load_bundle(SHIPPED, images).backbone
    with torch.no_grad():
        evaluation = backbone.eval()(images / 128 - 1)[-1]
        training = backbone.train()(images / 128 - 1)[-1]
    # The statistics are those of these images, so normalising by the batch changes little.
    assert (training - evaluation).abs().mean() < 0.05 * evaluation.abs().mean()


def test_a_run_begins_with_a_bundle_and_may_have_other_classes(exported, tmp_path):
    network, bundle, data = exported
    config = tiny_config(data, (), start=str(bundle))
    begun = load_average(train_tiny(config, tmp_path / 'same', 0))[0]
    images = torch.rand(2, 3, 96, 128) * 2 - 1
    with torch.no_grad():
        assert (begun(images) - network(images)).abs().max() < 0.05 * network(images).abs().max()
    other = tiny_config(data, (), start=str(bundle), label_space='cityscapes',
                        sources=(replace(config.sources[0], label_space='camvid'),))
    begun = load_average(train_tiny(other, tmp_path / 'other', 0))[0]
    assert begun.head.classifier.out_channels == 19
    with torch.no_grad():
        got, expected = (net.backbone(images)[-1] for net in (begun, network))
    assert (got - expected).abs().max() < 0.05 * expected.abs().max()


def test_a_bundle_of_no_network_of_ours_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no network 'tiny'"):
        load_bundle(write_tiny_bundle(tmp_path), torch.zeros(1, 3, 64, 64))
