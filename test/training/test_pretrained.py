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
"""The public ImageNet weights are read right (where the file is at hand)."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')
interpreter = pytest.importorskip(
    'ai_edge_litert.interpreter', reason='needs ai-edge-litert: requirements/train.txt')

from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2  # noqa: E402
from frm_perception.training.pretrained import load_mobilenetv2  # noqa: E402

FILE = Path('../shared/data/models/mobilenet-v2-imagenet-int8/mobilenet_v2_1.0_224_quant.tflite')
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
