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

import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.training.losses import PixelContrast  # noqa: E402
from frm_perception.training.losses import cross_entropy  # noqa: E402


def test_cross_entropy_ignores_unlabelled_pixels():
    logits = torch.zeros(1, 2, 4, 4)
    logits[:, 1] = 5.0
    labels = torch.full((1, 4, 4), IGNORE)
    labels[0, 0, 0] = 1
    wrong_elsewhere = labels.clone()
    assert cross_entropy(logits, labels) == pytest.approx(
        float(torch.log1p(torch.exp(torch.tensor(-5.0)))), abs=1e-6)
    wrong_elsewhere[0, 3, 3] = 0
    assert cross_entropy(logits, wrong_elsewhere) > 2.0


def test_cross_entropy_of_an_image_without_labels_is_zero_and_has_a_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 16, 16), IGNORE))
    loss.backward()
    assert loss == 0.0
    assert torch.count_nonzero(logits.grad) == 0


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
