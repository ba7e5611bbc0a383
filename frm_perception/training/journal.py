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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import torch
from tensorboardX import SummaryWriter
from torch import Tensor
from tqdm import tqdm

_MEMORY = 0.98
"""What a step leaves of the weight of those before it, in the running mean IoU."""


class RunningIoU:
    """Mean IoU over the last hundred batches or so, of cells of the logits."""

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
        counts = torch.bincount(pairs, minlength=self._classes ** 2).cpu()
        self._counts = _MEMORY * self._counts + counts.view(self._classes, self._classes)

    def mean(self) -> float:
        """Return the mean over the classes that occurred."""
        hits = self._counts.diagonal()
        union = self._counts.sum(0) + self._counts.sum(1) - hits
        return float((hits / union)[union > 0].mean())


class Journal:
    """
    Progress on the terminal, ``log.jsonl`` and TensorBoard's event files in a run's folder.

    :param iteration: where the run goes on.
    :param quiet: write nothing: another process of the run does.
    """

    every = 20
    """Iterations between two entries of the log."""

    def __init__(self, folder: Path, iteration: int, iterations: int, quiet: bool) -> None:
        self._file = folder / 'log.jsonl'
        self._quiet = quiet
        self._events = None if quiet else SummaryWriter(
            str(folder / 'tensorboard'), purge_step=iteration)
        self._bar = tqdm(desc='training', total=iterations, initial=iteration, unit='it',
                         disable=quiet)

    def step(self, iteration: int, losses: Mapping[str, float], mean_iou: float) -> None:
        """Show a step; every :attr:`every` steps, also log it."""
        total = sum(losses.values())
        self._bar.set_postfix(loss=f'{total:.3f}', mIoU=f'{mean_iou:.3f}', refresh=False)
        self._bar.update()
        if iteration % self.every == 0:
            self.log(iteration, {'loss': total, **losses, 'mean_iou': mean_iou})

    def log(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log values of an iteration."""
        if self._events is None:
            return
        with self._file.open('a') as file:
            file.write(json.dumps({'iteration': iteration, **values}) + '\n')
        for name, value in values.items():
            self._events.add_scalar(name, value, iteration)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._bar.close()
        if self._events is not None:
            self._events.close()
