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
Pyramid Pooling Module, to compare the Feature Refinement Module with.

Zhao et al., 'Pyramid Scene Parsing Network', CVPR 2017 (arXiv 1612.01105). Bins, the share of
channels that each of them has and the final 3x3 convolution are those of the paper and its
released code; that it ends in as many channels as the refinement, and stands at stride 32, is
ours, for equal terms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.layers import conv_norm_relu

BINS = (1, 2, 3, 6)


class PyramidPooling(ContextModule):
    """
    Means of the whole coarsest map, of its quarters, ninths and thirty-sixths, joined to it.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param width: channels of the result.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        inputs = channels[3]
        share = inputs // len(BINS)
        self.reduce = nn.ModuleList(conv_norm_relu(inputs, share) for _ in BINS)
        self.fuse = conv_norm_relu(inputs + len(BINS) * share, width, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/32, W/32)."""
        x = features[3]
        pooled = [reduce(pool_to_bins(x, bins))
                  for bins, reduce in zip(BINS, self.reduce, strict=True)]
        spread = [functional.interpolate(p, x.shape[-2:], mode='bilinear', align_corners=False)
                  for p in pooled]
        result: Tensor = self.fuse(torch.cat([x, *spread], dim=1))
        return result


def pool_to_bins(x: Tensor, bins: int) -> Tensor:
    """
    (B, C, h, w) -> (B, C, bins, bins): torch's ``adaptive_avg_pool2d``, by masked means.

    That operator can be exported for one size alone; these are elementwise products and sums.
    """
    rows = _shares(x.shape[2], bins, x)
    columns = _shares(x.shape[3], bins, x)
    x = (x[:, :, None] * rows[:, :, None]).sum(3)
    return (x[:, :, :, None] * columns).sum(4)


def _shares(length: int, bins: int, like: Tensor) -> Tensor:
    """Return (bins, length): what each cell adds to the mean of each bin that it touches."""
    cell = torch.arange(length, device=like.device)
    index = torch.arange(bins, device=like.device)[:, None]
    touches = ((cell + 1) * bins > index * length) & (cell * bins < (index + 1) * length)
    inside = touches.to(like.dtype)
    return inside / inside.sum(1, keepdim=True)
