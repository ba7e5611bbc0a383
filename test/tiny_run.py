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
"""Runs of training that take a second, on rendered images: for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from frm_perception.scenes import RenderedDrive
from frm_perception.training.config import AugmentationConfig
from frm_perception.training.config import FolderData
from frm_perception.training.config import OptimiserConfig
from frm_perception.training.config import TrainingConfig
from frm_perception.training.loop import Run

DRIVES = ('EAST', 'NORTH', 'WEST')


def write_drives(folder: Path) -> FolderData:
    """Write three drives of two labelled images each, 96x128, and return them as data."""
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True)
    for seed, drive in enumerate(DRIVES):
        scenes = RenderedDrive(seed, 96, 128, 2)
        for index in range(2):
            scene, name = scenes[index], f'{drive}_{index}.png'
            cv2.imwrite(str(folder / 'images' / name), scene.image[..., ::-1])
            cv2.imwrite(str(folder / 'labels' / name), scene.labels)
    return FolderData(str(folder / 'images'), str(folder / 'labels'))


def tiny_config(data: FolderData, held_out: Sequence[str], **more: Any) -> TrainingConfig:
    """Return a configuration that trains on the drives, but for those that it holds out."""
    keys = {
        'network': 'frm-light-mobilenetv2', 'label_space': 'camvid', 'batch': 2, 'iterations': 10,
        'precision': 'fp32', 'augmentation': AugmentationConfig(64, 64),
        'optimiser': OptimiserConfig(warm_up=1),
        'sources': (FolderData(data.images, data.labels, without=tuple(held_out)),),
        'held_out': (FolderData(data.images, data.labels, sequences=tuple(held_out)),)
        if held_out else ()}
    return TrainingConfig(**{**keys, **more})


def train_tiny(config: TrainingConfig, folder: Path, steps: int = 1) -> Path:
    """Take a few steps and return the checkpoint."""
    run = Run(config, folder, folder / 'cache', torch.device('cpu'))
    for step in range(steps):
        samples = [run.samples[step * config.batch + index] for index in range(config.batch)]
        images, labels = (torch.stack(part) for part in zip(*samples, strict=True))
        run.step(images, labels)
    run.save()
    return run.checkpoint
