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
"""The figures agree with those of torchmetrics."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from frm_perception.evaluation.calibration import Calibration
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.labels import IGNORE

torch = pytest.importorskip('torch', reason='PyTorch is not installed: requirements/train.txt')
classification = pytest.importorskip(
    'torchmetrics.classification', reason='torchmetrics is not installed: requirements/test.txt')


def batch(seed: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (3, 20, 30) targets, a fifth of them unknown, and predictions, half of them right."""
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, (3, 20, 30))
    prediction = np.where(random.random(target.shape) < 0.5, target,
                          random.integers(0, classes, target.shape))
    target[random.random(target.shape) < 0.2] = IGNORE
    return target.astype(np.uint8), prediction.astype(np.uint8)


def counted(target: NDArray[np.uint8], prediction: NDArray[np.uint8],
            classes: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix([str(index) for index in range(classes)])
    for truth, found in zip(target, prediction):
        matrix.update(truth, found)
    return matrix


cases = pytest.mark.parametrize(('seed', 'classes'), [(0, 2), (1, 3), (2, 11), (3, 19)])


@cases
def test_labels(seed: int, classes: int) -> None:
    target, prediction = batch(seed, classes)
    matrix = counted(target, prediction, classes)
    options = {'num_classes': classes, 'ignore_index': IGNORE}
    for ours, metric in (
            (matrix.counts[:, :-1], classification.MulticlassConfusionMatrix(**options)),
            (matrix.iou(), classification.MulticlassJaccardIndex(average='none', **options)),
            (matrix.mean_iou(), classification.MulticlassJaccardIndex(average='macro', **options)),
            (matrix.pixel_accuracy(),
             classification.MulticlassAccuracy(average='micro', **options)),
            (matrix.precision(), classification.MulticlassPrecision(average='none', **options)),
            (matrix.recall(), classification.MulticlassRecall(average='none', **options))):
        theirs = metric(torch.from_numpy(prediction).long(), torch.from_numpy(target).long())
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_the_mean_leaves_out_a_class_that_does_not_occur() -> None:
    target, prediction = batch(5, 4)
    matrix = counted(target, prediction, 6)
    theirs = classification.MulticlassJaccardIndex(6, ignore_index=IGNORE)(
        torch.from_numpy(prediction).long(), torch.from_numpy(target).long())
    assert matrix.mean_iou() == pytest.approx(float(theirs), rel=1e-6)


@cases
def test_calibration(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    # The ends of bins belong to the lower one here, to the upper one in torchmetrics: none occur.
    steps = np.array([step for step in range(1, 255) if step % 17])
    # The largest of all probabilities: more than one in so many.
    confidence = random.choice(steps[steps > 255 / classes], 5000).astype(np.uint8)
    right = random.random(5000) < confidence / 255 * 0.9
    calibration = Calibration()
    calibration.update(right, confidence)
    probabilities = np.empty((5000, classes))
    probabilities[:] = ((1 - confidence / 255) / (classes - 1))[:, None]
    probabilities[:, 0] = confidence / 255
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        metric = classification.MulticlassCalibrationError(classes, n_bins=15, norm='l1')
        theirs = metric(torch.from_numpy(probabilities), torch.from_numpy(np.where(right, 0, 1)))
    assert calibration.error() == pytest.approx(float(theirs), rel=1e-4)  # they add up floats
