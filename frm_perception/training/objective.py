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
"""What a training step minimises: a network's loss terms on a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn

from frm_perception.labels import LabelSpace
from frm_perception.networks import SegmentationNetwork
from frm_perception.networks.backbones.backbone import Backbone
from frm_perception.networks.layers import conv_norm_relu
from frm_perception.training.config import LossConfig
from frm_perception.training.losses import CrossEntropy
from frm_perception.training.losses import Distillation
from frm_perception.training.losses import LovaszSoftmax
from frm_perception.training.losses import PixelContrast

_AUXILIARY_LEVEL = 2  # the map at stride 16


class Objective(nn.Module):
    """
    A network and everything that exists in training only.

    :param targets: what the labels' numbers stand for, as :class:`CrossEntropy` takes them.
    :param teacher: of the distillation; it is not trained.
    :param bf16: convolutions in bfloat16.
    """

    def __init__(self, network: SegmentationNetwork, config: LossConfig, space: LabelSpace,
                 targets: Sequence[Sequence[int]], teacher: SegmentationNetwork | None,
                 bf16: bool) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.bf16 = bf16
        weights = [config.class_weights.get(name, 1.0) for name in space.classes]
        self.cross_entropy = CrossEntropy(targets, weights, config.hard_examples)
        self.lovasz = LovaszSoftmax()
        if config.contrast:
            self.contrast = PixelContrast(network.head.width)
        if config.auxiliary:
            channels = network.backbone.channels[_AUXILIARY_LEVEL]
            self.auxiliary = nn.Sequential(conv_norm_relu(channels, channels, 3),
                                           nn.Conv2d(channels, len(space.classes), 1))
        if config.distillation:
            self.distillation = Distillation(config.distillation.temperature)
        # In a list, so that it is neither saved nor trained with the rest.
        self._teacher = [teacher.eval()] if teacher else []

    def forward(self, images: Tensor, labels: Tensor, iteration: int
                ) -> tuple[dict[str, Tensor], Tensor]:
        """
        Return the terms by name, each times its weight, and the predicted class ids.

        :param images: (B, 3, H, W) uint8 RGB.
        :param labels: (B, H, W) int64 positions in the targets.
        :return: scalars; (B, h, w) int64 at the logits' size.
        """
        config = self.config
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.network.backbone(normalised(self.network.backbone, images))
            fused = self.network.head.decode(features)
            logits = self.network.head.classify(fused)
            auxiliary = self.auxiliary(features[_AUXILIARY_LEVEL]) if config.auxiliary else None
        terms = {'cross_entropy': self.cross_entropy(logits, labels)}
        if config.lovasz:
            terms['lovasz'] = config.lovasz * self.lovasz(logits, labels)
        if auxiliary is not None:
            terms['auxiliary'] = config.auxiliary * self.cross_entropy(auxiliary, labels)
        if config.contrast and iteration >= config.contrast_start:
            terms['contrast'] = config.contrast * self.contrast(fused.float(), logits, labels)
        if config.distillation:
            terms['distillation'] = config.distillation.weight * self.distillation(
                logits, self._taught(images))
        return terms, logits.detach().argmax(1)

    def _taught(self, images: Tensor) -> Tensor:
        teacher = self._teacher[0]
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16,
                                             enabled=self.bf16):
            logits: Tensor = teacher(normalised(teacher.backbone, images))
        return logits


def normalised(backbone: Backbone, images: Tensor) -> Tensor:
    """(B, 3, H, W) RGB 0..255 -> floats as the backbone expects them, channels last."""
    mean, std = (torch.tensor(values, device=images.device)[:, None, None]
                 for values in (backbone.mean, backbone.std))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
