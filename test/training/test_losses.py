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
"""The hybrid loss against its formula."""

import math

import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.training.losses import CrossEntropy  # noqa: E402
from frm_perception.training.losses import Distillation  # noqa: E402
from frm_perception.training.losses import LovaszSoftmax  # noqa: E402
from frm_perception.training.losses import PixelContrast  # noqa: E402


def _of_three_classes(**options):
    """Return a loss of three classes and of a label, 3, that stands for the last two."""
    return CrossEntropy([(0,), (1,), (2,), (1, 2)], [1.0, 1.0, 1.0], **options)


def test_cross_entropy_ignores_unlabelled_pixels():
    loss = _of_three_classes()
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 1] = 5.0
    labels = torch.full((1, 4, 4), IGNORE)
    labels[0, 0, 0] = 1
    assert loss(logits, labels) == pytest.approx(math.log(1 + 2 * math.exp(-5.0)), abs=1e-6)
    labels[0, 3, 3] = 0
    assert loss(logits, labels) > 2.0


def test_cross_entropy_of_an_image_without_labels_is_zero_and_has_a_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = _of_three_classes()(logits, torch.full((1, 16, 16), IGNORE))
    loss.backward()
    assert loss == 0.0
    assert torch.count_nonzero(logits.grad) == 0


@pytest.mark.parametrize('hard_examples', [0.0, 0.5])
def test_cross_entropy_equals_pytorchs_where_labels_are_fine(hard_examples):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8)
    labels = torch.randint(0, 3, (2, 8, 8))
    labels[0, :2] = IGNORE
    weights = torch.tensor([1.0, 2.0, 3.0])
    found = CrossEntropy([(0,), (1,), (2,)], weights.tolist(), hard_examples)(logits, labels)
    hard = labels.clone()
    if hard_examples:
        sure = logits.softmax(1).gather(1, labels.clamp(max=2)[:, None])[:, 0] > hard_examples
        hard[sure] = IGNORE
    expected = torch.nn.functional.cross_entropy(logits, hard, weights, ignore_index=IGNORE)
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_a_coarse_label_costs_the_summed_probability_of_what_it_stands_for():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    labels = torch.tensor([[[3, 0], [3, 2]]])
    loss = _of_three_classes()(logits, labels)
    chances = logits.softmax(1)[0]
    expected = -(torch.log(chances[1, 0, 0] + chances[2, 0, 0]) + torch.log(chances[0, 0, 1])
                 + torch.log(chances[1, 1, 0] + chances[2, 1, 0])
                 + torch.log(chances[2, 1, 1])) / 4
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    gradient, = torch.autograd.grad(loss, logits)
    wanted, = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, wanted)


def test_lovasz_softmax_of_sure_predictions_is_one_minus_their_mean_iou(monkeypatch):
    monkeypatch.setattr(LovaszSoftmax, 'stride', 1)
    torch.manual_seed(0)
    labels, predicted = torch.randint(0, 3, (2, 2, 8, 8))
    labels[0, :2] = IGNORE
    sure = 60 * torch.nn.functional.one_hot(predicted, 4).permute(0, 3, 1, 2).float()
    known, guessed = labels[labels != IGNORE], predicted[labels != IGNORE]
    # The fourth class occurs nowhere.
    iou = [((known == index) & (guessed == index)).sum()
           / ((known == index) | (guessed == index)).sum() for index in range(3)]
    assert LovaszSoftmax()(sure, labels) == pytest.approx(1 - sum(iou).item() / 3, abs=1e-6)


def test_lovasz_softmax_falls_as_the_right_class_grows_likelier():
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (2, 16, 16))
    right = torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    costs = [LovaszSoftmax()(strength * right, labels).item() for strength in (0.0, 1.0, 4.0)]
    assert costs[0] > costs[1] > costs[2] > 0


def test_lovasz_softmax_of_an_image_without_labels_is_zero_and_has_a_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = LovaszSoftmax()(logits, torch.full((1, 16, 16), IGNORE))
    loss.backward()
    assert loss == 0.0
    assert torch.count_nonzero(logits.grad) == 0


def test_lovasz_softmax_does_not_count_coarse_labels():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 16, 16)
    labels = torch.randint(0, 3, (1, 16, 16))
    without, coarse = labels.clone(), labels.clone()
    without[:, :8], coarse[:, :8] = IGNORE, 3
    torch.manual_seed(1)
    expected = LovaszSoftmax()(logits, without)
    torch.manual_seed(1)
    assert LovaszSoftmax()(logits, coarse) == expected


def test_a_coarse_label_is_indifferent_between_what_it_stands_for():
    logits = torch.zeros(1, 3, 1, 1)
    logits[:, 1] = 9.0
    swapped = logits[:, [0, 2, 1]]
    labels = torch.full((1, 1, 1), 3)
    assert _of_three_classes()(logits, labels) == _of_three_classes()(swapped, labels) < 0.001


def test_where_all_pixels_are_easy_one_in_sixteen_still_counts():
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 0] = 6.0
    logits[:, 0, 0, :4] = 3.0
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    found = _of_three_classes(hard_examples=0.5)(logits, labels)
    assert found == pytest.approx(math.log(1 + 2 * math.exp(-3.0)), rel=1e-5)


def test_distillation_is_zero_of_the_same_logits_and_grows_with_the_difference():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4)
    distillation = Distillation(temperature=2.0)
    assert distillation(logits, logits) == pytest.approx(0.0, abs=1e-6)
    near, far = (distillation(logits + step * torch.randn(1, 3, 4, 4), logits)
                 for step in (0.1, 1.0))
    assert 0 < near < far


def test_distillation_resizes_the_teachers_logits():
    teacher = torch.randn(1, 3, 1, 1)
    assert Distillation(1.0)(teacher.expand(1, 3, 4, 4), teacher) == pytest.approx(0.0, abs=1e-6)


def test_contrast_equals_the_formula_anchor_by_anchor():
    torch.manual_seed(0)
    contrast = PixelContrast(4, temperature=0.1)
    vectors = torch.nn.functional.normalize(torch.randn(12, 4, dtype=torch.float64), dim=1)
    classes = torch.tensor([0] * 5 + [1] * 6 + [2])
    terms = []
    for i in range(12):
        negative = sum(torch.exp(vectors[i] @ vectors[q] / 0.1)
                       for q in range(12) if classes[q] != classes[i])
        positives = [p for p in range(12) if classes[p] == classes[i] and p != i]
        if positives:
            terms.append(sum(
                -torch.log(torch.exp(vectors[i] @ vectors[p] / 0.1)
                           / (torch.exp(vectors[i] @ vectors[p] / 0.1) + negative))
                for p in positives) / len(positives))
    expected = sum(terms) / len(terms)
    assert contrast._contrast(vectors, classes) == pytest.approx(float(expected), abs=1e-9)


def _striped_batch():
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, 32:] = 1
    logits = torch.zeros(1, 2, 32, 32)
    return labels, logits


def test_contrast_is_smaller_where_classes_are_apart():
    torch.manual_seed(0)
    contrast = PixelContrast(8)
    labels, logits = _striped_batch()
    mixed = torch.randn(1, 8, 32, 32)
    apart = 0.1 * torch.randn(1, 8, 32, 32)
    apart[:, :, :16] += 1.0
    apart[:, :, 16:] -= 1.0
    assert contrast(apart, logits, labels) < contrast(mixed, logits, labels)


def test_contrast_of_a_single_class_is_zero_and_has_a_gradient():
    contrast = PixelContrast(8)
    fused = torch.randn(1, 8, 32, 32, requires_grad=True)
    loss = contrast(fused, torch.zeros(1, 2, 32, 32), torch.ones(1, 64, 64, dtype=torch.long))
    loss.backward()
    assert loss == 0.0


def test_anchors_are_labelled_pixels_half_of_them_predicted_wrong():
    torch.manual_seed(0)
    contrast = PixelContrast(8)
    target = torch.full((2, 400), IGNORE)
    target[0, :200] = 0
    target[1, 100:300] = 1
    predicted = torch.zeros(2, 400, dtype=torch.long)
    predicted[0, :80] = 1
    predicted[1] = 1
    chosen = contrast._sample(predicted, target)
    assert len(chosen) == len(chosen.unique()) == 200
    assert (target.flatten()[chosen] != IGNORE).all()
    first = chosen[chosen < 400]
    assert (predicted.flatten()[first] != target.flatten()[first]).sum() == 50


def test_contrast_takes_coarse_labels_for_none():
    torch.manual_seed(0)
    contrast = PixelContrast(8)
    labels, logits = _striped_batch()
    labels[:, 32:] = 2
    fused = torch.randn(1, 8, 32, 32)
    assert contrast(fused, logits, labels) == 0.0
