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
"""
Feature Refinement Module.

What the paper's abstract and review state (arXiv 2412.08670): the first three stages of the
backbone are pooled to the size of the fourth and concatenated with it, and a transformer-shaped
block with a disentangled non-local mixer refines the result. Widths, normalisation, the form of
the feed-forward network and that the refined map takes the fourth stage's place are inferred
from the published cost; this is not a reproduction of unreadable parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.van import FeedForward
from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.layers import conv_norm_relu
from frm_perception.networks.layers import in_single_precision
from frm_perception.networks.layers import softmax_of_products


class DisentangledNonLocal(nn.Module):
    """
    Whitened pairwise attention plus one unary (saliency) map, sharing their values.

    Yin et al., 'Disentangled Non-Local Neural Networks', ECCV 2020 (arXiv 2006.06668).

    :param channels: C of the input and the output.
    :param reduction: queries, keys and values have C / reduction channels.
    :param temperature: divides the pairwise logits, beside the square root of their width.
    :param unary: without it the pairwise attention stands alone, to compare with.
    """

    def __init__(self, channels: int, reduction: int = 2, temperature: float = 0.05,
                 unary: bool = True) -> None:
        super().__init__()
        width = channels // reduction
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.value = nn.Conv2d(channels, width, 1)
        self.saliency = nn.Conv2d(channels, 1, 1) if unary else None
        self.out = nn.Conv2d(width, channels, 1)
        self.scale = 1.0 / (width ** 0.5 * temperature)
        # A zero output makes the residual block the identity at the first step.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w), to be added to x by the caller."""
        query = self.query(x).flatten(2)
        key = self.key(x).flatten(2)
        value = self.value(x).flatten(2).transpose(1, 2)
        # The key's mean would only add a constant per row, which the softmax removes; taking
        # it off as well keeps the logits small.
        query = query - query.mean(2, keepdim=True)
        key = key - key.mean(2, keepdim=True)
        pairwise = in_single_precision(
            softmax_of_products, query.transpose(1, 2) * self.scale, key)
        mixed = torch.matmul(pairwise, value)
        if self.saliency is not None:
            unary = torch.softmax(self.saliency(x).flatten(2), dim=2)
            mixed = mixed + torch.matmul(unary, value)
        mixed = mixed.transpose(1, 2).unflatten(2, (x.shape[2], x.shape[3]))
        result: Tensor = self.out(mixed)
        return result


class FeatureRefinement(ContextModule):
    """
    Four feature maps in, one refined map at stride 32 out.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param width: channels of the refined map.
    :param ratio: hidden width of the feed-forward network over ``width``.
    :param unary: as :class:`DisentangledNonLocal` takes it.
    """

    def __init__(self, channels: Sequence[int], width: int, ratio: int = 2,
                 unary: bool = True) -> None:
        super().__init__()
        self.width = width
        self.reduce = conv_norm_relu(sum(channels), width)
        self.norm1 = nn.BatchNorm2d(width)
        self.mixer = DisentangledNonLocal(width, unary=unary)
        self.norm2 = nn.BatchNorm2d(width)
        self.ffn = FeedForward(width, ratio * width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/32, W/32)."""
        # Fixed kernels rather than adaptive pooling: the same values when H and W are multiples
        # of 32, and one operator in the exported graph.
        pooled = [functional.avg_pool2d(feature, kernel)
                  for feature, kernel in zip(features[:3], (8, 4, 2), strict=True)]
        x = self.reduce(torch.cat([*pooled, features[3]], dim=1))
        x = x + self.mixer(self.norm1(x))
        return x + self.ffn(self.norm2(x))
