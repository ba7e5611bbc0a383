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
"""The terms of the loss: cross-entropy, Lovász softmax, pixel contrast and distillation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.labels import IGNORE
from frm_perception.training.processes import mean_over_processes

LEAST_SHARE = 16
"""Of the pixels of a batch, at least one in so many counts as a hard example."""


class CrossEntropy(nn.Module):
    """
    Cross-entropy over labelled pixels, of which some may have labels coarser than the classes.

    A pixel that may be one of several classes costs minus the logarithm of their summed
    probability. Hard examples follow online hard example mining as segmentation uses it: the
    pixels whose right class has little probability, and at least one in :data:`LEAST_SHARE`.

    :param targets: at each position, the classes that a pixel of that label may be; the classes
        themselves come first.
    :param weights: of the classes; a coarser label has the mean of its classes'.
    :param hard_examples: the probability below which a pixel is hard; 0 counts all pixels.
    """

    def __init__(self, targets: Sequence[Sequence[int]], weights: Sequence[float],
                 hard_examples: float = 0.0) -> None:
        super().__init__()
        self.classes = len(weights)
        self.hard_examples = hard_examples
        self.coarse = [(number, tuple(classes))
                       for number, classes in enumerate(targets) if number >= self.classes]
        self.register_buffer('weights', torch.tensor(
            [sum(weights[index] for index in classes) / len(classes) for classes in targets]),
            persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """
        Return the weighted mean over the counted pixels.

        :param logits: (B, C, h, w), upsampled bilinearly to the labels' size.
        :param labels: (B, H, W) int64 positions in the targets; :data:`IGNORE` does not count.
        """
        upsampled = functional.interpolate(
            logits.float(), labels.shape[1:], mode='bilinear', align_corners=False)
        fine = labels.masked_fill(labels >= self.classes, IGNORE)
        costs = functional.cross_entropy(upsampled, fine, ignore_index=IGNORE, reduction='none')
        for number, classes in self.coarse:
            chosen = labels == number
            if chosen.any():
                pixels = upsampled.permute(0, 2, 3, 1)[chosen]
                costs = costs.masked_scatter(
                    chosen, pixels.logsumexp(1) - pixels[:, classes].logsumexp(1))
        counted = labels != IGNORE
        if self.hard_examples:
            counted = counted & self._hard(costs.detach(), counted)
        assert isinstance(self.weights, Tensor)
        weights = self.weights[labels.masked_fill(~counted, 0)] * counted
        return (costs * weights).sum() / mean_over_processes(weights.sum()).clamp(min=1)

    def _hard(self, costs: Tensor, counted: Tensor) -> Tensor:
        known = costs[counted]
        least = max(len(known) // LEAST_SHARE, 1)
        if len(known) <= least:
            return counted
        bound = torch.minimum(known.new_tensor(-math.log(self.hard_examples)),
                              known.topk(least).values[-1])
        return costs >= bound


class LovaszSoftmax(nn.Module):
    """
    A smooth stand-in for one minus the mean IoU of a batch.

    Berman et al., 'The Lovász-Softmax loss', CVPR 2018 (arXiv 1705.08790), over the classes that
    occur in the batch. Every fourth pixel of every fourth row is enough of them to sort.
    """

    stride = 4

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """
        Return the scalar loss, 0 to 1; 0 where nothing is labelled.

        :param logits: (B, C, h, w), upsampled bilinearly to the labels' size.
        :param labels: (B, H, W) int64 class ids; what is none of the C classes does not count.
        """
        upsampled = functional.interpolate(
            logits.float(), labels.shape[1:], mode='bilinear', align_corners=False)
        row, column = torch.randint(self.stride, (2,)).tolist()
        sampled = labels[:, row::self.stride, column::self.stride]
        counted = sampled < logits.shape[1]
        chosen = upsampled[:, :, row::self.stride, column::self.stride].permute(0, 2, 3, 1)
        probabilities = chosen[counted].softmax(1)
        target = sampled[counted]
        costs = [self._class_cost(probabilities[:, index], target == index)
                 for index in target.unique().tolist()]
        return torch.stack(costs).mean() if costs else logits.sum() * 0.0

    @staticmethod
    def _class_cost(probability: Tensor, present: Tensor) -> Tensor:
        """Return the Lovász extension of one minus the IoU, at the errors of one class."""
        errors, order = (present.float() - probability).abs().sort(descending=True)
        found = present[order].float()
        # If all up to here were wrong: what is left of the intersection over the union.
        remaining = found.sum() - found.cumsum(0)
        union = found.sum() + (1 - found).cumsum(0)
        loss = 1 - remaining / union
        return errors @ loss.diff(prepend=loss.new_zeros(1))


class Distillation(nn.Module):
    """
    Divergence from a teacher's class probabilities, over all pixels, labelled or not.

    Hinton et al., 'Distilling the Knowledge in a Neural Network', 2015 (arXiv 1503.02531).

    :param temperature: divides both networks' logits.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """
        Return the mean Kullback-Leibler divergence, times the squared temperature.

        :param logits: (B, C, h, w); :param teacher: (B, C, h', w'), resized to it.
        """
        wanted = functional.interpolate(
            teacher.float(), logits.shape[2:], mode='bilinear', align_corners=False)
        divergence = functional.kl_div(
            (logits.float() / self.temperature).log_softmax(1),
            (wanted / self.temperature).log_softmax(1), reduction='none', log_target=True)
        return divergence.sum(1).mean() * self.temperature ** 2


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
        :param labels: (B, H, W) int64 class ids; what is none of the C classes does not count.
        """
        # Stride 8 is enough for sampling. Only the sampled positions are projected: a 1x1
        # convolution of the whole map would compute the same for them, and the rest for nothing.
        fused = fused[:, :, ::2, ::2]
        predicted = logits[:, :, ::2, ::2].argmax(1)
        target = functional.interpolate(
            labels[:, None].float(), fused.shape[2:], mode='nearest')[:, 0].long()
        target = target.masked_fill(target >= logits.shape[1], IGNORE)
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
