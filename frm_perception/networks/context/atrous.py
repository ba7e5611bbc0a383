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
Atrous Spatial Pyramid Pooling, to compare the Feature Refinement Module with.

Chen et al., 'Rethinking Atrous Convolution for Semantic Image Segmentation', 2017 (arXiv
1706.05587). Branches, their width and their fusion are those of DeepLabV3. The paper's rates 6,
12 and 18 are for a map at stride 16; at stride 32 half of them reach equally far in the image.
That choice, and that it ends in as many channels as the refinement, is ours, for equal terms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.layers import conv_norm_relu

RATES = (3, 6, 9)
_BRANCH = 256


class AtrousPyramidPooling(ContextModule):
    """
    The coarsest map through a 1x1, three dilated 3x3 convolutions and its mean, joined.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param width: channels of the result.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        inputs = channels[3]
        self.branches = nn.ModuleList([
            conv_norm_relu(inputs, _BRANCH),
            *(conv_norm_relu(inputs, _BRANCH, 3, dilation=rate) for rate in RATES)])
        self.mean = conv_norm_relu(inputs, _BRANCH)
        self.fuse = conv_norm_relu((len(self.branches) + 1) * _BRANCH, width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/32, W/32)."""
        x = features[3]
        mean = self.mean(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        result: Tensor = self.fuse(
            torch.cat([*(branch(x) for branch in self.branches), mean], dim=1))
        return result
