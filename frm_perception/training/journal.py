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
"""What a run says of itself while it trains: a progress bar, a log and TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from tensorboardX import SummaryWriter
from torch import Tensor
from tqdm import tqdm

from frm_perception.media.files import replacing
from frm_perception.training import processes

EVALUATED = 'held_out_mean_iou'
"""What an entry of the log has that tells of an evaluation."""
_MEMORY = 0.98
"""What a step leaves of the weight of those before it, in the running mean IoU."""


class RunningIoU:
    """Mean IoU over the last hundred batches or so of all processes, of cells of the logits."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._counts = torch.zeros(classes, classes, dtype=torch.float64)

    def update(self, predicted: Tensor, labels: Tensor) -> None:
        """
        Count a batch.

        :param predicted: (B, h, w) int64 class ids.
        :param labels: (B, H, W) int64; what is none of the classes does not count.
        """
        stride = labels.shape[1] // predicted.shape[1]
        target = labels[:, stride // 2::stride, stride // 2::stride]
        known = target < self._classes
        pairs = target[known] * self._classes + predicted[known]
        counts = torch.bincount(pairs, minlength=self._classes ** 2).double()
        counts = processes.mean_over_processes(counts).cpu()
        self._counts = _MEMORY * self._counts + counts.view(self._classes, self._classes)

    def mean(self) -> float:
        """Return the mean over the classes that occurred."""
        hits = self._counts.diagonal()
        union = self._counts.sum(0) + self._counts.sum(1) - hits
        return float((hits / union)[union > 0].mean())


def _cut(file: Path, iteration: int) -> list[dict[str, Any]]:
    """Drop what is beyond an iteration, and a last line that was cut off; return the rest."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    kept, entries = [], []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry['iteration'] <= iteration:
            kept.append(line)
            entries.append(entry)
    if kept != lines:
        with replacing(file) as partial:
            partial.write_text(''.join(kept))
    return entries


def _last_evaluation(entries: Iterable[Mapping[str, Any]]) -> int:
    return max((entry['iteration'] for entry in entries if EVALUATED in entry), default=0)


class Journal:
    """
    Progress on the terminal, ``log.jsonl`` and TensorBoard's event files in a run's folder.

    What a run logged beyond the iteration that it goes on from is dropped: it will come again.

    :param iteration: where the run goes on.
    :param quiet: write nothing: another process of the run does.
    """

    every = 20
    """Iterations between two entries of the log."""

    def __init__(self, folder: Path, iteration: int, iterations: int, quiet: bool) -> None:
        self._file = folder / 'log.jsonl'
        self._evaluated = 0
        self._events: SummaryWriter | None = None
        if not quiet:
            self._evaluated = _last_evaluation(_cut(self._file, iteration))
            self._events = SummaryWriter(str(folder / 'tensorboard'), purge_step=iteration + 1)
        self._bar = tqdm(desc='training', total=iterations, initial=iteration, unit='it',
                         disable=quiet)

    def step(self, iteration: int, losses: Mapping[str, float], mean_iou: float) -> None:
        """Show a step; every :attr:`every` steps, also log it."""
        total = sum(losses.values())
        self._bar.set_postfix(loss=f'{total:.3f}', mIoU=f'{mean_iou:.3f}', refresh=False)
        self._bar.update()
        if iteration % self.every == 0:
            self.log(iteration, {'loss': total, **losses, 'mean_iou': mean_iou})

    def lacks_evaluation(self, iteration: int) -> bool:
        """Tell whether an iteration's held-out figures are not in the log; a quiet one never."""
        return self._events is not None and self._evaluated < iteration

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log values of an iteration; those of classes that did not occur, NaN, as null."""
        if self._events is None:
            return
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        entry = {'iteration': iteration, **values, **{
            name: None for name in values if name not in known}}
        with self._file.open('a') as file:
            file.write(json.dumps(entry, allow_nan=False) + '\n')
        for name, value in known.items():
            self._events.add_scalar(name, value, iteration)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._bar.close()
        if self._events is not None:
            self._events.close()
