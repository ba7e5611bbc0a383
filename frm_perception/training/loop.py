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
"""The training loop: resumable to the bit, interruptible at any time."""

from __future__ import annotations

import copy
import math
import os
import signal
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as distributed
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.record import provenance
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import build
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training import processes
from frm_perception.training.augmentation import Augmentation
from frm_perception.training.checkpoint import load_average
from frm_perception.training.checkpoint import read_checkpoint
from frm_perception.training.checkpoint import take_over
from frm_perception.training.checkpoint import write_checkpoint
from frm_perception.training.config import TrainingConfig
from frm_perception.training.data import Samples
from frm_perception.training.data import collect
from frm_perception.training.data import held_out_sources
from frm_perception.training.journal import EVALUATED
from frm_perception.training.journal import Journal
from frm_perception.training.journal import RunningIoU
from frm_perception.training.objective import Objective
from frm_perception.training.objective import normalised
from frm_perception.training.pretrained import load_bundle
from frm_perception.training.pretrained import load_mobilenetv2
from frm_perception.training.stop_request import StopRequest


class Run:
    """
    One training run in a folder: its networks, optimiser and progress.

    :param folder: where ``checkpoint.pt``, ``log.jsonl`` and ``tensorboard/`` go; a checkpoint
        there is resumed.
    :param cache: where rendered scenes and labelled footage are kept between runs.
    :raises ValueError: the folder holds a run of another configuration, there is no such network,
        it does not take crops of that size, or the data is not usable.
    """

    def __init__(self, config: TrainingConfig, folder: Path, cache: Path,
                 device: torch.device) -> None:
        self.config = config
        self.folder = folder
        self.device = device
        self.iteration = 0
        if config.batch % processes.count():
            raise ValueError(f'batch is {config.batch}; it must divide by the '
                             f'{processes.count()} processes')
        self.space = find_label_space(config.label_space)
        _check_class_names(config, self.space)
        torch.manual_seed(config.seed)
        # Before the data, which may take minutes to prepare.
        network = build(config.network, len(self.space.classes))
        _check_crop(network, config)
        network.rearrange()
        for path in (folder, cache):
            path.mkdir(parents=True, exist_ok=True)
        # The first process prepares what is cached; the others then find it there.
        with processes.one_after_the_first():
            # Reads what is held out too, so that all that is wrong is named at once.
            sources, targets = collect(config, self.space, cache)
            self.held_out = held_out_sources(config, self.space, cache)
        pasted = [self.space.classes.index(name) for name in config.augmentation.pasted]
        self.samples = Samples(sources, Augmentation(config.augmentation), config.seed, pasted)
        if not self.checkpoint.exists() and config.start:
            self._start(network)
        # Channels-last is several times faster on CPUs with bfloat16.
        self.average: SegmentationNetwork = copy.deepcopy(network).to(
            device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        objective = Objective(network, config.loss, self.space, targets, self._teacher(),
                              config.precision == 'bf16')
        self.objective: Objective = processes.share_batches(objective, device).to(
            device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            _parameter_groups(self.objective, config), betas=(0.9, 0.999))
        if self.checkpoint.exists():
            self._resume()
        self._step: nn.Module = self.objective
        if processes.count() > 1:
            # The contrast's projection has no part in the first iterations.
            self._step = DistributedDataParallel(
                self.objective, find_unused_parameters=bool(config.loss.contrast))

    @property
    def checkpoint(self) -> Path:
        """File that a run resumes from and that is exported."""
        return self.folder / 'checkpoint.pt'

    def _start(self, network: SegmentationNetwork) -> None:
        start = Path(self.config.start)
        if start.suffix == '.pt':
            take_over(network, read_checkpoint(start)[1]['average'], str(start))
            return
        images = torch.stack([self.samples[index][0] for index in range(32)]).float()
        if start.is_dir():
            take_over(network, load_bundle(start, images).state_dict(), str(start))
            return
        backbone = network.backbone
        if not isinstance(backbone, MobileNetV2):
            raise ValueError(f'start: {start} is MobileNetV2; {self.config.network} has another '
                             'backbone')
        load_mobilenetv2(backbone, start, images)

    def _teacher(self) -> SegmentationNetwork | None:
        distillation = self.config.loss.distillation
        if distillation is None:
            return None
        teacher, config, _ = load_average(Path(distillation.teacher))
        if config.label_space != self.config.label_space:
            raise ValueError(f'{distillation.teacher}: a teacher of {config.label_space!r} '
                             f'cannot teach {self.config.label_space!r}')
        teacher.rearrange()
        moved: SegmentationNetwork = teacher.to(
            self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return moved

    def save(self) -> None:
        """Write the checkpoint atomically."""
        if processes.rank() == 0:
            write_checkpoint(self.checkpoint, {
                'config': asdict(self.config), 'iteration': self.iteration,
                'commit': provenance(())['commit'], 'objective': self.objective.state_dict(),
                'average': self.average.state_dict(), 'optimiser': self.optimiser.state_dict()})

    def _resume(self) -> None:
        config, state = read_checkpoint(self.checkpoint, self.device)
        saved, asked = asdict(config), asdict(self.config)
        if saved != asked:
            changed = [key for key, value in asked.items() if saved[key] != value]
            raise ValueError(f'{self.checkpoint}: belongs to a run with another '
                             f'{", ".join(changed)}; choose another folder or delete it')
        self.iteration = state['iteration']
        self.objective.load_state_dict(state['objective'])
        self.average.load_state_dict(state['average'])
        self.optimiser.load_state_dict(state['optimiser'])

    def train(self) -> None:
        """
        Train to the last iteration.

        :raises ValueError: the training diverged; the last checkpoint is left as it is.
        :raises KeyboardInterrupt: SIGINT or SIGTERM came; the step under way was finished and
            the checkpoint written.
        """
        config = self.config
        running = RunningIoU(len(self.space.classes))
        with StopRequest() as stop, Journal(self.folder, self.iteration, config.iterations,
                                            quiet=processes.rank() > 0) as journal:
            if self._is_evaluated_now() and processes.any_of_them(
                    journal.lacks_evaluation(self.iteration)):
                # The run was ended after the checkpoint and before these figures.
                journal.log(self.iteration, self.evaluate())
            for images, labels in self._batches():
                losses, predicted = self.step(images, labels)
                running.update(predicted, labels.to(self.device))
                journal.step(self.iteration, losses, running.mean())
                stopping = processes.any_of_them(stop.asked)
                last = self.iteration == config.iterations
                if last or stopping or self.iteration % config.checkpoint_every == 0:
                    self.save()
                if stopping and not last:
                    raise KeyboardInterrupt
                if self._is_evaluated_now():
                    journal.log(self.iteration, self.evaluate())

    def _is_evaluated_now(self) -> bool:
        last = self.iteration == self.config.iterations
        due = last or self.iteration % self.config.evaluate_every == 0
        return bool(self.held_out) and self.iteration > 0 and due

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        config = self.config
        # Sample n goes to process n modulo their count: together they see what one would see.
        numbers = range(self.iteration * config.batch + processes.rank(),
                        config.iterations * config.batch, processes.count())
        # A forked worker would inherit the locks of OpenCV's threads without the threads.
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            self.samples, batch_size=config.batch // processes.count(), sampler=numbers,
            num_workers=_workers(), multiprocessing_context='spawn',
            worker_init_fn=_quiet_worker, prefetch_factor=4)
        yield from loader

    def step(self, images: Tensor, labels: Tensor) -> tuple[dict[str, float], Tensor]:
        """
        Take one optimiser step.

        :param images: (B, 3, h, w) uint8 RGB.
        :param labels: (B, h, w) uint8 positions in the run's targets.
        :return: the loss terms, weighted, over all processes; the predicted class ids.
        :raises ValueError: loss or gradient is not finite; the weights are as before.
        """
        config = self.config
        # Seeded by the iteration: a resumed run draws what an uninterrupted one draws, and every
        # process what one would draw.
        torch.manual_seed(config.seed * 1_000_003 + self.iteration)
        self._step.train()
        factor = self._schedule()
        for group in self.optimiser.param_groups:
            group['lr'] = group['base_rate'] * factor
        terms, predicted = self._step(
            images.to(self.device), labels.to(self.device).long(), self.iteration)
        self.optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        norm = nn.utils.clip_grad_norm_(self.objective.parameters(),
                                        config.optimiser.gradient_norm)
        losses = {name: float(processes.mean_over_processes(term.detach()))
                  for name, term in terms.items()}
        self._refuse_divergence({**losses, 'gradient': float(norm)})
        self.optimiser.step()
        self.iteration += 1
        self._update_average()
        return losses, predicted

    def _refuse_divergence(self, values: Mapping[str, float]) -> None:
        """Stop before a step that makes the weights, and soon the checkpoint, worthless."""
        wrong = [f'{name} {value}' for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            kept = (f'{self.checkpoint} is still of an iteration before it' if
                    self.checkpoint.exists() else 'there is no checkpoint yet')
            raise ValueError(
                f'the training diverged in iteration {self.iteration + 1}: {", ".join(wrong)}; '
                f'{kept}. Train anew, in another folder, with a lower learning_rate or a longer '
                'warm_up')

    def _schedule(self) -> float:
        """Linear warm-up, then polynomial decay of power 0.9."""
        warm = min(1.0, (self.iteration + 1) / max(self.config.optimiser.warm_up, 1))
        return float(warm * (1 - self.iteration / self.config.iterations) ** 0.9)

    def _update_average(self) -> None:
        # Early on the average would be of random weights; it catches up quickly at first.
        decay = min(self.config.optimiser.average_decay,
                    (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(),
                                   self.objective.network.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def evaluate(self) -> dict[str, float]:
        """Measure the averaged network on the held-out images."""
        classes = self.space.classes
        matrix = ConfusionMatrix(classes)
        items = [(source.table, item) for source in self.held_out for item in source.images]
        mine: Sequence[Any] = items[processes.rank()::processes.count()]
        for table, item in tqdm(mine, 'held out', unit='image', leave=False,
                                disable=processes.rank() > 0):
            image, labels = item.read()
            target = table[labels]
            # A label coarser than the classes says nothing of which of them is right.
            target[target >= len(classes)] = IGNORE
            matrix.update(target, self._predict(image))
        if processes.count() > 1:
            counts = torch.from_numpy(matrix.counts).to(self.device)
            distributed.all_reduce(counts)
            matrix.counts = counts.cpu().numpy()
        iou = dict(zip(classes, matrix.iou().tolist(), strict=True))
        return {EVALUATED: matrix.mean_iou(),
                **{f'held_out_{name}': value for name, value in iou.items()}}

    def _predict(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # At the middle of the scales that it trains at.
        crop = self.config.augmentation
        scale = crop.height * (crop.min_scale * crop.max_scale) ** 0.5 / image.shape[0]
        step = self.average.head.multiple_of
        height, width = (max(round(side * scale / step), 1) * step for side in image.shape[:2])
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        self.average.eval()
        with torch.no_grad():
            x = torch.from_numpy(resized).permute(2, 0, 1)[None].to(self.device)
            logits = self.average(normalised(self.average.backbone, x))
            logits = functional.interpolate(logits, image.shape[:2], mode='bilinear')
        labels: NDArray[np.uint8] = logits[0].argmax(0).byte().cpu().numpy()
        return labels


def train(config: TrainingConfig, folder: Path, cache: Path) -> Path:
    """
    Train in this process, and with those that were started along with it.

    :return: the checkpoint.
    :raises ValueError: see :class:`Run` and :meth:`Run.train`.
    """
    device = processes.join()
    try:
        run = Run(config, folder, cache, device)
        run.train()
        return run.checkpoint
    finally:
        processes.leave()


def _check_class_names(config: TrainingConfig, space: LabelSpace) -> None:
    for where, names in (('loss: class_weights', config.loss.class_weights),
                         ('augmentation: pasted', config.augmentation.pasted)):
        unknown = sorted(set(names) - set(space.classes))
        if unknown:
            raise ValueError(f'{where}: label space {space.name!r} has no class {unknown[0]!r}; '
                             f'it has {", ".join(space.classes)}')


def _check_crop(network: SegmentationNetwork, config: TrainingConfig) -> None:
    try:
        network.check_size(config.augmentation.height, config.augmentation.width)
    except ValueError as error:
        raise ValueError(f'augmentation: height, width of {config.network}: {error}') from error


def _parameter_groups(objective: Objective, config: TrainingConfig) -> list[dict[str, Any]]:
    """Backbone and the rest at their own rates; no decay on norms, biases and scales."""
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in objective.named_parameters():
        rate = config.optimiser.backbone_rate if name.startswith('network.backbone.') else 1.0
        groups.setdefault((rate, parameter.dim() > 1), []).append(parameter)
    return [{'params': parameters, 'base_rate': config.optimiser.learning_rate * rate,
             'weight_decay': config.optimiser.weight_decay if decays else 0.0}
            for (rate, decays), parameters in groups.items()]


def _workers() -> int:
    """Return how many processes load images: one for each core that is left, up to eight."""
    return min(max(len(os.sched_getaffinity(0)) // processes.count() - 1, 1), 8)


def _quiet_worker(_: int) -> None:
    # Ctrl-C reaches every process of the terminal; the run itself decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
