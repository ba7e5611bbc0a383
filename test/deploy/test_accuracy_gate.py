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
from frm_perception.deploy.accuracy_gate import limits_words  # noqa: E402
from frm_perception.deploy.accuracy_gate import pass_gate  # noqa: E402
from frm_perception.deploy.accuracy_gate import words  # noqa: E402
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


def _unlabelled():
    return GateImages('scenes', 1, lambda: iter([(TINY.colors()[_scene()], None)]), None)


def _without_roads():
    """Return a scene of the sky alone, in which the model finds no road either."""
    sky = np.full((96, 160), SKY, np.uint8)
    return GateImages('scenes', 1, lambda: iter([(TINY.colors()[sky], sky)]),
                      Comparison.between(TINY, TINY))


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
    images = _unlabelled()
    figures = pass_gate(_bundle(tmp_path, tiny_model()), 'int8', images, NO_LOSS)
    assert figures['label_agreement'] == 1.0
    assert (figures['mean_iou'], figures['drivable_iou']) == (None, None)
    assert figures['limits'] == {'agreement': 1.0}
    (tmp_path / 'other').mkdir()
    with pytest.raises(GateError, match='mean IoU was not measured; drivable IoU was not measured'
                                        r'; the limits are at least 98\.00% of the labels\. '):
        pass_gate(_bundle(tmp_path / 'other', tiny_model(WRECKED)), 'int8', images,
                  DEFAULT_LIMITS['int8'])


def test_labels_of_the_drivable_area_alone_tell_its_loss_alone(tmp_path):
    with pytest.raises(GateError) as error:
        pass_gate(_bundle(tmp_path, tiny_model(WRECKED)), 'int8',
                  _images(_scene(), drivable_only=True), Limits(0.0, 0.0, 0.5))
    figures = error.value.figures
    assert figures['drivable_iou_loss'] == pytest.approx(1.0, abs=EDGES)
    assert figures['mean_iou'] is None
    assert figures['limits'] == {'agreement': 0.0, 'drivable_iou_loss': 0.5}
    assert 'mean IoU was not measured; drivable IoU is' in str(error.value)
    assert 'at most 50.00 points of drivable IoU lost' in str(error.value)


@pytest.mark.parametrize(('images', 'figure', 'missing'), [
    (_unlabelled(), 'mean_iou', r'scenes: the loss of mean IoU .* no labels \(give --labels\)'),
    (_unlabelled(), 'drivable_iou', r'the loss of drivable IoU .* no labels \(give --labels\)'),
    (_images(_scene(), drivable_only=True), 'mean_iou', 'only tell what is drivable'),
    (_without_roads(), 'drivable_iou', 'nothing of it is in their labels')])
def test_a_demanded_limit_without_a_figure_is_no_pass(tmp_path, images, figure, missing):
    limits = Limits(0.0, 1.0, 1.0, (figure,))
    with pytest.raises(ValueError, match=missing) as error:
        pass_gate(_bundle(tmp_path, tiny_model()), 'int8', images, limits)
    assert not isinstance(error.value, GateError)


def test_a_usual_limit_without_a_figure_is_neither_checked_nor_quoted(tmp_path):
    figures = pass_gate(_bundle(tmp_path, tiny_model()), 'int8', _without_roads(),
                        DEFAULT_LIMITS['int8'])
    assert figures['drivable_iou'] is None
    assert figures['limits'] == {'agreement': 0.98, 'mean_iou_loss': 0.01}
    assert limits_words(figures) == ('at least 98.00% of the labels, at most 1.00 points of mean '
                                     'IoU lost')


@pytest.mark.parametrize(('loss', 'said'), [
    (-8e-06, '0.00'), (-0.0, '0.00'), (0.00004, '0.00'), (-0.0001, '-0.01'), (0.0123, '1.23')])
def test_a_loss_that_rounds_to_nothing_has_no_sign(loss, said):
    figures = {'on': 'scenes', 'images': 1, 'resolution': '96x160', 'provider': 'cpu',
               'label_agreement': 1.0, 'mean_iou': 0.5, 'mean_iou_loss': loss}
    assert f'mean IoU is 50.00%, a loss of {said} points' in words(figures)


def test_no_images_are_no_pass(tmp_path):
    with pytest.raises(ValueError, match='scenes: there are no images'):
        pass_gate(_bundle(tmp_path, tiny_model()), 'int8', _images(), NO_LOSS)


def test_limits_of_8_bits_are_those_that_the_documentation_names():
    assert DEFAULT_LIMITS['int8'] == DEFAULT_LIMITS['int8-tensorrt'] == Limits(0.98, 0.01, 0.005)
    assert DEFAULT_LIMITS['fp16'] == DEFAULT_LIMITS['bf16'] == Limits(0.995, 0.005, 0.005)
