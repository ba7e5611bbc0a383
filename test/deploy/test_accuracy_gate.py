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
"""What stays within the limits passes the accuracy gate; the rest is refused with the figures."""

import numpy as np
import pytest
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import tiny_model

pytest.importorskip('torch', reason='the card describes the networks: requirements/train.txt')

from frm_perception.deploy.accuracy_gate import DEFAULT_LIMITS  # noqa: E402
from frm_perception.deploy.accuracy_gate import GateError  # noqa: E402
from frm_perception.deploy.accuracy_gate import GateImages  # noqa: E402
from frm_perception.deploy.accuracy_gate import Limits  # noqa: E402
from frm_perception.deploy.accuracy_gate import pass_gate  # noqa: E402
from frm_perception.deploy.bundle_files import entries  # noqa: E402
from frm_perception.deploy.bundle_files import write_folder  # noqa: E402
from frm_perception.evaluation.comparison import Comparison  # noqa: E402
from frm_perception.labels import LabelSpace  # noqa: E402

SKY, ROAD, TREE, CAR = range(4)
EDGES = 0.01  # the share of pixels between two classes, where either may be right
NO_LOSS = Limits(1.0, 0.0, 0.0)
# Takes cars for roads and roads for cars.
WRECKED = LabelSpace('wrecked', TINY.classes, (*TINY.palette[:1], TINY.palette[CAR],
                                               TINY.palette[TREE], TINY.palette[ROAD]), ('road',))


def _bundle(folder, variant):
    models = {'fp32': tiny_model(), 'int8': variant}
    return write_folder(folder / 'gate', {**manifest(models['fp32']),
                                          'precisions': entries(models, {})}, models)


def _scene():
    """Return (96, 160) labels: half sky, 40 % road, 10 % car."""
    labels = np.full((96, 160), SKY, np.uint8)
    labels[48:] = ROAD
    labels[48:, :32] = CAR
    return labels


def _images(*truths, drivable_only=False):
    comparison = (Comparison.drivable_only(TINY, [ROAD], [255]) if drivable_only
                  else Comparison.between(TINY, TINY))
    images = [(TINY.colors()[_scene()], truth) for truth in truths]
    return GateImages('scenes', len(images), lambda: iter(images), comparison)


def test_the_same_model_costs_nothing_and_passes_any_limit(tmp_path):
    figures = pass_gate(_bundle(tmp_path, tiny_model()), 'int8', _images(_scene(), _scene()),
                        NO_LOSS)
    assert (figures['images'], figures['on'], figures['resolution']) == (2, 'scenes', '96x160')
    assert figures['provider'] == 'cpu'
    assert figures['label_agreement'] == 1.0
    assert figures['mean_iou'] == pytest.approx(1.0, abs=EDGES)
    assert figures['drivable_iou'] == pytest.approx(1.0, abs=EDGES)
    assert (figures['mean_iou_loss'], figures['drivable_iou_loss']) == (0.0, 0.0)
    assert figures['limits'] == {
        'agreement': 1.0, 'mean_iou_loss': 0.0, 'drivable_iou_loss': 0.0}


def test_a_wrecked_model_is_refused_with_the_figures(tmp_path):
    bundle = _bundle(tmp_path, tiny_model(WRECKED))
    with pytest.raises(GateError, match='int8 is refused: on 1 images') as error:
        pass_gate(bundle, 'int8', _images(_scene()), DEFAULT_LIMITS['int8'])
    # Roads and cars are swapped, so only the sky is right, in one class of three.
    figures = error.value.figures
    assert figures['label_agreement'] == pytest.approx(0.5, abs=EDGES)
    assert figures['mean_iou_loss'] == pytest.approx(2 / 3, abs=EDGES)
    assert figures['drivable_iou_loss'] == pytest.approx(1.0, abs=EDGES)
    for said in (f'{figures["label_agreement"]:.2%} of the pixels',
                 f'a loss of {100 * figures["mean_iou_loss"]:.2f} points',
                 f'a loss of {100 * figures["drivable_iou_loss"]:.2f} points', 'at least 98.00%',
                 'at most 1.00 points of mean IoU', 'Nothing was written'):
        assert said in str(error.value)


@pytest.mark.parametrize(('limits', 'passes'), [
    (Limits(0.49, 0.7, 1.0), True), (Limits(0.52, 0.7, 1.0), False),
    (Limits(0.49, 0.6, 1.0), False), (Limits(0.49, 0.7, 0.9), False)])
def test_each_limit_refuses_alone(tmp_path, limits, passes):
    bundle = _bundle(tmp_path, tiny_model(WRECKED))
    if passes:
        assert pass_gate(bundle, 'int8', _images(_scene()), limits)['limits']['agreement'] == 0.49
    else:
        with pytest.raises(GateError):
            pass_gate(bundle, 'int8', _images(_scene()), limits)


def test_a_variant_that_is_better_by_chance_passes(tmp_path):
    swapped = _scene()
    swapped[_scene() == ROAD], swapped[_scene() == CAR] = CAR, ROAD
    figures = pass_gate(_bundle(tmp_path, tiny_model(WRECKED)), 'int8', _images(swapped),
                        Limits(0.49, 0.0, 0.0))
    assert figures['mean_iou'] == pytest.approx(1.0, abs=EDGES)
    assert figures['mean_iou_loss'] == pytest.approx(-2 / 3, abs=EDGES)


def test_without_labels_only_the_agreement_is_measured(tmp_path):
    image = TINY.colors()[_scene()]
    images = GateImages('scenes', 1, lambda: iter([(image, None)]), None)
    figures = pass_gate(_bundle(tmp_path, tiny_model()), 'int8', images, NO_LOSS)
    assert figures['label_agreement'] == 1.0
    assert not [key for key in figures if 'iou' in key]
    (tmp_path / 'other').mkdir()
    with pytest.raises(GateError, match=r'[0-9.]+% of the pixels keep the label of fp32; the'):
        pass_gate(_bundle(tmp_path / 'other', tiny_model(WRECKED)), 'int8', images,
                  DEFAULT_LIMITS['int8'])


def test_labels_of_the_drivable_area_alone_tell_its_loss_alone(tmp_path):
    with pytest.raises(GateError) as error:
        pass_gate(_bundle(tmp_path, tiny_model(WRECKED)), 'int8',
                  _images(_scene(), drivable_only=True), Limits(0.0, 0.0, 0.5))
    assert error.value.figures['drivable_iou_loss'] == pytest.approx(1.0, abs=EDGES)
    assert 'mean_iou' not in error.value.figures


def test_no_images_are_no_pass(tmp_path):
    with pytest.raises(ValueError, match='scenes: there are no images'):
        pass_gate(_bundle(tmp_path, tiny_model()), 'int8', _images(), NO_LOSS)


def test_limits_of_8_bits_are_those_that_the_documentation_names():
    assert DEFAULT_LIMITS['int8'] == DEFAULT_LIMITS['int8-tensorrt'] == Limits(0.98, 0.01, 0.005)
    assert DEFAULT_LIMITS['fp16'] == DEFAULT_LIMITS['bf16'] == Limits(0.995, 0.005, 0.005)
