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
"""What a run says of itself."""

import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.evaluation.metrics import ConfusionMatrix  # noqa: E402
from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.training.journal import RunningIoU  # noqa: E402


def test_the_running_mean_iou_of_one_batch_is_that_of_its_cells():
    torch.manual_seed(0)
    predicted = torch.randint(0, 3, (2, 4, 6))
    labels = torch.randint(0, 3, (2, 16, 24))
    labels[0, :5] = IGNORE
    labels[1, 8:] = 3  # a label coarser than the classes
    running = RunningIoU(3)
    running.update(predicted, labels)
    cells = labels[:, 2::4, 2::4].clone()
    cells[cells == 3] = IGNORE
    matrix = ConfusionMatrix(['a', 'b', 'c'])
    matrix.update(cells.byte().numpy(), predicted.byte().numpy())
    assert running.mean() == pytest.approx(matrix.mean_iou())


def test_the_running_mean_iou_forgets():
    running = RunningIoU(2)
    right, wrong = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.long)
    running.update(wrong, torch.zeros(1, 2, 2, dtype=torch.long))
    for _ in range(500):
        running.update(right, torch.zeros(1, 2, 2, dtype=torch.long))
    assert running.mean() == pytest.approx(0.5, abs=0.001)
    assert (running._counts[0] / running._counts.sum())[0] > 0.999
