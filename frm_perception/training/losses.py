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
"""The hybrid loss: cross-entropy plus pixel contrast."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.labels import IGNORE


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """
    Mean cross-entropy over labelled pixels.

    :param logits: (B, C, h, w), upsampled bilinearly to the labels' size.
    :param labels: (B, H, W) int64 class ids; :data:`IGNORE` does not count.
    """
    upsampled = functional.interpolate(
        logits.float(), labels.shape[1:], mode='bilinear', align_corners=False)
    total = functional.cross_entropy(upsampled, labels, ignore_index=IGNORE, reduction='sum')
    return total / (labels != IGNORE).sum().clamp(min=1)


class PixelContrast(nn.Module):
    """
    Fully supervised pixel contrast between classes within a batch.

    Form and settings follow Wang et al., 'Exploring Cross-Image Pixel Contrast for Semantic
    Segmentation', ICCV 2021 (arXiv 2101.11939); that the FRM paper uses this form of its
    contrastive term is inferred. The projection exists in training only.

    :param channels: of the decoder's fused map.
    :param temperature: divides the cosine similarities.
    """

    anchors_per_batch = 1024
    anchors_per_class = 100

    def __init__(self, channels: int, width: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature
        self.projection = nn.Sequential(
            nn.Linear(channels, channels),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, width))

    def forward(self, fused: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """
        Return the scalar loss; 0 where no class has enough pixels.

        :param fused: (B, channels, h, w) decoder map.
        :param logits: (B, C, h, w), to tell hard pixels from easy ones.
        :param labels: (B, H, W) int64 class ids.
        """
        # Stride 8 is enough for sampling. Only the sampled positions are projected: a 1x1
        # convolution of the whole map would compute the same for them, and the rest for nothing.
        fused = fused[:, :, ::2, ::2]
        predicted = logits[:, :, ::2, ::2].argmax(1)
        target = functional.interpolate(
            labels[:, None].float(), fused.shape[2:], mode='nearest')[:, 0].long()
        positions = self._sample(predicted.flatten(1), target.flatten(1))
        classes = target.flatten()[positions]
        if len(classes) == 0 or (classes == classes[0]).all():
            return fused.sum() * 0.0
        vectors = fused.permute(0, 2, 3, 1).flatten(0, 2)[positions]
        return self._contrast(functional.normalize(self.projection(vectors), dim=1), classes)

    def _sample(self, predicted: Tensor, target: Tensor) -> Tensor:
        """
        Choose anchors, half of them where the prediction is wrong.

        :param predicted: (B, N) class ids; :param target: the same.
        :return: (A,) positions in the flattened batch.
        """
        pairs = [(image, label) for image in range(len(target))
                 for label, count in zip(*target[image].unique(return_counts=True), strict=True)
                 if label != IGNORE and count > self.anchors_per_class]
        quota = min(self.anchors_per_batch // max(len(pairs), 1), self.anchors_per_class)
        chosen = [target.new_empty(0)]
        for image, label in pairs:
            mask = target[image] == label
            wrong = predicted[image] != label
            hard = (mask & wrong).nonzero()[:, 0]
            easy = (mask & ~wrong).nonzero()[:, 0]
            hard_count = min(len(hard), max(quota // 2, quota - len(easy)))
            offset = image * target.shape[1]
            chosen += [offset + _pick(hard, hard_count), offset + _pick(easy, quota - hard_count)]
        return torch.cat(chosen)

    def _contrast(self, chosen: Tensor, classes: Tensor) -> Tensor:
        similarity = chosen @ chosen.T / self.temperature
        same = classes[:, None] == classes[None, :]
        positive = same & ~torch.eye(len(classes), dtype=torch.bool, device=same.device)
        negatives = similarity.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
        # -log(e^s / (e^s + sum of negatives)), for every positive pair
        terms = torch.logaddexp(similarity, negatives) - similarity
        counts = positive.sum(1)
        means = (terms * positive).sum(1) / counts.clamp(min=1)
        return means[counts > 0].mean()


def _pick(positions: Tensor, count: int) -> Tensor:
    return positions[torch.randperm(len(positions), device=positions.device)[:count]]
