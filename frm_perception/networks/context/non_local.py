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
Non-local block, to compare the Feature Refinement Module with.

Wang et al., 'Non-local Neural Networks', CVPR 2018 (arXiv 1711.07971): the embedded Gaussian form,
with half the channels inside and a normalisation before the sum that starts at zero. The
reduction before it gives it the refinement's width; that is ours, for equal terms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.layers import conv_norm_relu
from frm_perception.networks.layers import in_single_precision
from frm_perception.networks.layers import softmax_of_products


class NonLocalContext(ContextModule):
    """
    Every position of the coarsest map attends to every other one.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param width: channels of the result.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        self.reduce = conv_norm_relu(channels[3], width)
        self.query = nn.Conv2d(width, width // 2, 1)
        self.key = nn.Conv2d(width, width // 2, 1)
        self.value = nn.Conv2d(width, width // 2, 1)
        self.out = nn.Conv2d(width // 2, width, 1)
        self.norm = nn.BatchNorm2d(width)
        # A zero scale makes the block the identity at the first step.
        nn.init.zeros_(self.norm.weight)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/32, W/32)."""
        x = self.reduce(features[3])
        query = self.query(x).flatten(2).transpose(1, 2)
        key = self.key(x).flatten(2)
        value = self.value(x).flatten(2).transpose(1, 2)
        # The embedded Gaussian form has no scale.
        weights = in_single_precision(softmax_of_products, query, key)
        mixed = torch.matmul(weights, value)
        mixed = mixed.transpose(1, 2).unflatten(2, x.shape[-2:])
        result: Tensor = x + self.norm(self.out(mixed))
        return result
