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

import json

import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.evaluation.metrics import ConfusionMatrix  # noqa: E402
from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.training.journal import EVALUATED  # noqa: E402
from frm_perception.training.journal import Journal  # noqa: E402
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
    for target, found in zip(cells.byte().numpy(), predicted.byte().numpy(), strict=True):
        matrix.update(target, found)
    assert running.mean() == pytest.approx(matrix.mean_iou())


def test_the_running_mean_iou_forgets():
    running = RunningIoU(2)
    right, wrong = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.long)
    running.update(wrong, torch.zeros(1, 2, 2, dtype=torch.long))
    for _ in range(500):
        running.update(right, torch.zeros(1, 2, 2, dtype=torch.long))
    assert running.mean() == pytest.approx(0.5, abs=0.001)
    assert (running._counts[0] / running._counts.sum())[0] > 0.999


def _entries(folder):
    def refused(word):
        raise AssertionError(f'{word} is no JSON')

    return [json.loads(line, parse_constant=refused)
            for line in (folder / 'log.jsonl').read_text().splitlines()]


def test_what_was_logged_beyond_the_iteration_that_a_run_goes_on_from_is_dropped(tmp_path):
    with Journal(tmp_path, 0, 100, quiet=False) as journal:
        for iteration in (20, 40, 60):
            journal.log(iteration, {'loss': 1.0, EVALUATED: 0.5})
    with (tmp_path / 'log.jsonl').open('a') as file:
        file.write('{"iteration": 80, "lo')
    with Journal(tmp_path, 40, 100, quiet=False) as journal:
        assert [entry['iteration'] for entry in _entries(tmp_path)] == [20, 40]
        assert not journal.lacks_evaluation(40)
        assert journal.lacks_evaluation(60)
        journal.log(60, {'loss': 2.0})
    assert [entry['iteration'] for entry in _entries(tmp_path)] == [20, 40, 60]
    assert {path.name for path in tmp_path.iterdir()} == {'log.jsonl', 'tensorboard'}


def test_a_quiet_journal_writes_and_drops_nothing(tmp_path):
    (tmp_path / 'log.jsonl').write_text('{"iteration": 60}\n')
    with Journal(tmp_path, 40, 100, quiet=True) as journal:
        journal.log(41, {'loss': 2.0})
        assert not journal.lacks_evaluation(100)
    assert (tmp_path / 'log.jsonl').read_text() == '{"iteration": 60}\n'
    assert len(list(tmp_path.iterdir())) == 1


def test_what_did_not_occur_is_null_in_the_log_and_no_point_in_a_curve(tmp_path, caplog):
    with Journal(tmp_path, 0, 100, quiet=False) as journal:
        journal.log(20, {'held_out_sky': float('nan'), 'loss': 1.5})
    assert _entries(tmp_path) == [{'iteration': 20, 'held_out_sky': None, 'loss': 1.5}]
    assert 'NaN' not in caplog.text
    (events,) = (tmp_path / 'tensorboard').glob('events.*')
    assert b'loss' in events.read_bytes()
    assert b'held_out_sky' not in events.read_bytes()
