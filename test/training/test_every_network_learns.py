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
"""Every named network learns, and what it learned survives its export, in 16 bits too."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')
onnxruntime = pytest.importorskip('onnxruntime')

import torch.nn.functional as functional  # noqa: E402

from frm_perception.deploy.export import export_onnx  # noqa: E402
from frm_perception.deploy.half_precision import to_half  # noqa: E402
from frm_perception.deploy.half_precision import with_rounded_results  # noqa: E402
from frm_perception.evaluation.metrics import ConfusionMatrix  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.networks import NETWORKS  # noqa: E402
from frm_perception.networks import SegmentationNetwork  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.image_network import ImageNetwork  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.losses import CrossEntropy  # noqa: E402

pytestmark = pytest.mark.slow

SIZE = (128, 192)  # fits every head
STEPS = 40
DRIVE = RenderedDrive(5, *SIZE, 120)


def _frames(indices):
    scenes = [DRIVE[index] for index in indices]
    return (torch.from_numpy(np.stack([scene.image for scene in scenes])),
            torch.from_numpy(np.stack([scene.labels for scene in scenes])).long())


def _labels(logits, size=SIZE):
    upsampled = functional.interpolate(
        torch.as_tensor(logits), size, mode='bilinear', align_corners=False)
    return upsampled.argmax(1).numpy().astype(np.uint8)


def _score(network, images, labels):
    with torch.no_grad():
        found = _labels(ImageNetwork(network).eval()(images))
    matrix = ConfusionMatrix(CAMVID.classes)
    for target, prediction in zip(labels.numpy().astype(np.uint8), found):
        matrix.update(target, prediction)
    return matrix.pixel_accuracy(), matrix.mean_iou()


def _learn(network, images, labels):
    network.to(memory_format=torch.channels_last).train()
    whole = ImageNetwork(network)
    optimiser = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 4e-3, total_steps=STEPS, pct_start=0.2, cycle_momentum=False)
    classes = len(CAMVID.classes)
    loss = CrossEntropy([(index,) for index in range(classes)], [1.0] * classes)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(whole(images), labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    # So few steps are too few for running averages to forget the first of them.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        whole(images)


@dataclass
class Learned:
    """A network that was trained on four frames; scores are pixel accuracy and mean IoU."""

    network: SegmentationNetwork
    before: tuple[float, float]
    after: tuple[float, float]
    model: bytes

    def logits(self, image):
        with torch.no_grad():
            return ImageNetwork(self.network).eval()(torch.from_numpy(image)).numpy()


@pytest.fixture(scope='module', params=NETWORKS)
def learned(request):
    torch.manual_seed(0)
    network = build(request.param, len(CAMVID.classes))
    images, labels = _frames((0, 30, 60, 90))
    before = _score(network, images, labels)
    _learn(network, images, labels)
    return Learned(network, before, _score(network, images, labels), export_onnx(network))


def _run(model, image):
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    return session.run(['logits'], {'image': image})[0]


def _agree(expected, got):
    return np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def _noise(size):
    return np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)


def test_it_learns_four_frames(learned):
    accuracy, mean_iou = learned.before
    assert accuracy < 0.6 and mean_iou < 0.2
    accuracy, mean_iou = learned.after
    assert accuracy > 0.9 and mean_iou > 0.5


def test_onnx_runtime_agrees_with_pytorch_at_three_sizes(learned):
    step = learned.network.head.multiple_of
    for size in ((2 * step, 3 * step), (384, 640), (512, 1024)):
        image = _noise(size)
        assert _agree(learned.logits(image), _run(learned.model, image))


def test_a_model_for_one_size_agrees_too_and_computes_no_indices(learned):
    image = _noise((256, 384))
    model = export_onnx(learned.network, (256, 384))
    assert _agree(learned.logits(image), _run(model, image))
    # What adaptive pooling, unfold and a bias that is no constant would leave in the graph.
    operators = {node.op_type for node in onnx.load_from_string(model).graph.node}
    assert not operators & {'Col2Im', 'Gather', 'GatherElements', 'GatherND', 'Loop', 'Range',
                            'ScatterND', 'Shape', 'Where'}


def test_half_precision_keeps_the_labels(learned):
    half = to_half(learned.model)
    for indices in ((0, 30, 60, 90), (15, 45, 75, 105)):
        images = _frames(indices)[0].numpy()
        labels = _labels(_run(learned.model, images))
        for model in (half, with_rounded_results(half)):
            assert np.mean(_labels(_run(model, images)) == labels) >= 0.995
