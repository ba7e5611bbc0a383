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
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.record import provenance
from frm_perception.labels import label_space
from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import build
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2
from frm_perception.training.augmentation import Augmentation
from frm_perception.training.config import TrainingConfig
from frm_perception.training.data import Samples
from frm_perception.training.data import collect
from frm_perception.training.data import folder_images
from frm_perception.training.losses import PixelContrast
from frm_perception.training.losses import cross_entropy
from frm_perception.training.pretrained import load_mobilenetv2


class Run:
    """
    One training run in a folder: its networks, optimiser and progress.

    :param folder: where ``checkpoint.pt`` and ``log.jsonl`` go; a checkpoint there is resumed.
    :param cache: where rendered scenes and labelled footage are kept between runs.
    :raises ValueError: the folder holds a run of another configuration, there is no such network,
        it does not take crops of that size, or the data is not usable.
    """

    def __init__(self, config: TrainingConfig, folder: Path, cache: Path) -> None:
        self.config = config
        self.folder = folder
        self.iteration = 0
        folder.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        self.space = label_space(config.label_space)
        classes = len(self.space.classes)
        torch.manual_seed(config.seed)
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        # Before the data, which may take minutes to prepare.
        self.network = build(config.network, classes).to(self.device)
        _check_crop(self.network, config)
        self.network.rearrange()
        self.held_out = folder_images(config.held_out, self.space)
        self.samples = Samples(collect(config, self.space, cache), Augmentation(
            config.crop_height, config.crop_width, config.min_scale, config.max_scale),
            classes, config.seed)
        # Channels-last is several times faster on CPUs with bfloat16.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.contrast = PixelContrast(self.network.head.width).to(self.device)
        self.average: SegmentationNetwork = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(_parameter_groups(self), betas=(0.9, 0.999))
        if self.checkpoint.exists():
            self._resume()
        elif config.pretrained:
            self._load_pretrained()

    @property
    def checkpoint(self) -> Path:
        """File that a run resumes from and that is exported."""
        return self.folder / 'checkpoint.pt'

    def _load_pretrained(self) -> None:
        backbone = self.network.backbone
        if not isinstance(backbone, MobileNetV2):
            raise ValueError(f'pretrained is MobileNetV2; {self.config.network} has another start')
        images = torch.stack([self.samples[index][0] for index in range(32)]).float()
        load_mobilenetv2(backbone, Path(self.config.pretrained), images)
        self.average.load_state_dict(self.network.state_dict())

    def _state(self) -> dict[str, Any]:
        return {'config': asdict(self.config), 'iteration': self.iteration,
                'commit': provenance(())['commit'],
                'network': self.network.state_dict(), 'contrast': self.contrast.state_dict(),
                'average': self.average.state_dict(), 'optimiser': self.optimiser.state_dict()}

    def save(self) -> None:
        """Write the checkpoint atomically."""
        partial = self.checkpoint.with_suffix('.partial')
        torch.save(self._state(), partial)
        os.replace(partial, self.checkpoint)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state['config'] != asdict(self.config):
            changed = [key for key, value in asdict(self.config).items()
                       if state['config'].get(key) != value]
            raise ValueError(f'{self.checkpoint}: belongs to a run with another '
                             f'{", ".join(changed)}; choose another folder or delete it')
        self.iteration = state['iteration']
        self.network.load_state_dict(state['network'])
        self.contrast.load_state_dict(state['contrast'])
        self.average.load_state_dict(state['average'])
        self.optimiser.load_state_dict(state['optimiser'])

    def train(self) -> None:
        """Train to the last iteration; an interruption saves first."""
        config = self.config
        progress = tqdm(self._batches(), 'training', total=config.iterations,
                        initial=self.iteration, unit='it')
        try:
            for images, labels in progress:
                losses = self.step(images, labels)
                progress.set_postfix({key: f'{value:.3f}' for key, value in losses.items()})
                if self.iteration % 20 == 0:
                    self._log(losses)
                last = self.iteration == config.iterations
                if last or self.iteration % config.evaluate_every == 0:
                    self._log(self.evaluate())
                if last or self.iteration % config.checkpoint_every == 0:
                    self.save()
        except KeyboardInterrupt:
            self.save()
            raise

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        config = self.config
        numbers = range(self.iteration * config.batch, config.iterations * config.batch)
        # A forked worker would inherit the locks of OpenCV's threads without the threads.
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            self.samples, batch_size=config.batch, sampler=numbers, num_workers=1,
            multiprocessing_context='spawn', worker_init_fn=_quiet_worker, prefetch_factor=4)
        yield from loader

    def step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """
        Take one optimiser step.

        :param images: (B, 3, h, w) uint8 RGB.
        :param labels: (B, h, w) int64 class ids.
        :return: the loss terms.
        """
        config = self.config
        # Seeded by the iteration: a resumed run draws what an uninterrupted one draws.
        torch.manual_seed(config.seed * 1_000_003 + self.iteration)
        self.network.train()
        factor = self._schedule()
        for group in self.optimiser.param_groups:
            group['lr'] = group['base_rate'] * factor
        images, labels = images.to(self.device), labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            fused = self.network.decode(_normalised(self.network, images))
            logits = self.network.head.classify(fused)
        losses = {'cross_entropy': cross_entropy(logits, labels)}
        if self.iteration >= config.contrast_start:
            losses['contrast'] = self.contrast(fused.float(), logits, labels)
        total = sum(loss * (config.contrast_weight if name == 'contrast' else 1.0)
                    for name, loss in losses.items())
        assert isinstance(total, Tensor)
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), config.gradient_norm)
        self.optimiser.step()
        self.iteration += 1
        self._update_average()
        return {name: float(loss) for name, loss in losses.items()}

    def _schedule(self) -> float:
        """Linear warm-up, then polynomial decay of power 0.9."""
        config = self.config
        warm = min(1.0, (self.iteration + 1) / max(config.warm_up, 1))
        return float(warm * (1 - self.iteration / config.iterations) ** 0.9)

    def _update_average(self) -> None:
        # Early on the average would be of random weights; it catches up quickly at first.
        decay = min(self.config.average_decay, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(),
                                   self.network.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def evaluate(self) -> dict[str, float]:
        """Measure the averaged network on the held-out images, at their own size."""
        matrix = ConfusionMatrix(self.space.classes)
        for item in tqdm(self.held_out, 'held out', unit='image', leave=False):
            image, labels = item.read()
            labels[labels >= len(self.space.classes)] = 255
            matrix.update(labels, self._predict(image))
        iou = dict(zip(self.space.classes, matrix.iou().tolist(), strict=True))
        return {'held_out_mean_iou': matrix.mean_iou(),
                **{f'held_out_{name}': value for name, value in iou.items()}}

    def _predict(self, image: np.ndarray[Any, np.dtype[np.uint8]]
                 ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        height = self.config.crop_height
        step = self.average.head.multiple_of
        width = round(image.shape[1] * height / image.shape[0] / step) * step
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        self.average.eval()
        with torch.no_grad():
            x = torch.from_numpy(resized).permute(2, 0, 1)[None].to(self.device)
            logits = self.average(_normalised(self.average, x))
            logits = functional.interpolate(logits, image.shape[:2], mode='bilinear')
        labels: np.ndarray[Any, np.dtype[np.uint8]] = logits[0].argmax(0).byte().cpu().numpy()
        return labels

    def _log(self, values: dict[str, float]) -> None:
        with (self.folder / 'log.jsonl').open('a') as file:
            file.write(json.dumps({'iteration': self.iteration, **values}) + '\n')


def _check_crop(network: SegmentationNetwork, config: TrainingConfig) -> None:
    try:
        network.check_size(config.crop_height, config.crop_width)
    except ValueError as error:
        raise ValueError(f'crop_height, crop_width of {config.network}: {error}') from error


def _normalised(network: SegmentationNetwork, images: Tensor) -> Tensor:
    mean = images.new_tensor(network.backbone.mean, dtype=torch.float32)[:, None, None]
    std = images.new_tensor(network.backbone.std, dtype=torch.float32)[:, None, None]
    return ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def _parameter_groups(run: Run) -> list[dict[str, Any]]:
    """Backbone and the rest at their own rates; no decay on norms, biases and scales."""
    config = run.config
    groups = []
    modules = ((run.network.backbone, config.backbone_rate), (run.network.head, 1.0),
               (run.contrast, 1.0))
    for module, rate in modules:
        for decays in (True, False):
            parameters = [p for p in module.parameters() if (p.dim() > 1) == decays]
            groups.append({'params': parameters, 'base_rate': config.learning_rate * rate,
                           'weight_decay': config.weight_decay if decays else 0.0})
    return groups


def _quiet_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def load_average(checkpoint: Path) -> tuple[SegmentationNetwork, dict[str, Any]]:
    """
    Load the averaged network of a checkpoint, and how it was trained.

    :return: the network in evaluation mode, and its configuration with ``iteration`` and
        ``commit``.
    :raises ValueError: the file is not a checkpoint of a training run.
    """
    try:
        state = torch.load(checkpoint, map_location='cpu', weights_only=True)
        config = state['config']
        network = build(config['network'], len(label_space(config['label_space']).classes))
        network.load_state_dict(state['average'])
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, UnpicklingError) as error:
        raise ValueError(f'{checkpoint}: not a checkpoint of a training run: {error}') from error
    return network.eval(), {**config, 'iteration': state['iteration'], 'commit': state['commit']}
