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
Feature pyramid decoder, and the head it makes with a context module.

Lin et al., 'Feature Pyramid Networks', CVPR 2017, with the four levels concatenated and fused at
stride 4. That the FRM paper's decoder is an FPN is stated; this form and its width are inferred
from the published cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.heads.head import Head
from frm_perception.networks.layers import conv_norm_relu
from frm_perception.networks.layers import upsample


class PyramidDecoder(nn.Module):
    """
    Top-down pyramid over four maps, fused into one at stride 4.

    :param channels: channels of the maps at strides 4, 8, 16 and 32.
    :param width: channels of every level and of the fused map.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_norm_relu(inputs, width) for inputs in channels)
        self.smooth = nn.ModuleList(conv_norm_relu(width, width, 3) for _ in range(3))
        self.fuse = conv_norm_relu(4 * width, width, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/4, W/4)."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        for index in (2, 1, 0):
            levels[index] = levels[index] + upsample(levels[index + 1], 2)
        smoothed = [smooth(x) for smooth, x in zip(self.smooth, levels[:3], strict=True)]
        smoothed.append(levels[3])
        stacked = [smoothed[0]] + [
            upsample(x, 2 ** index) for index, x in enumerate(smoothed[1:], start=1)]
        result: Tensor = self.fuse(torch.cat(stacked, dim=1))
        return result


class PyramidHead(Head):
    """
    A context module, the pyramid decoder and a 1x1 classifier.

    With the Feature Refinement Module this is the FRM paper's head; its other context modules
    stand in the same place.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param classes: channels of the logits.
    :param context: what replaces the coarsest map.
    :param width: channels of the decoder.
    """

    stride = 4

    def __init__(self, channels: Sequence[int], classes: int, context: ContextModule,
                 width: int) -> None:
        super().__init__()
        self.width = width
        self.context = context
        self.decoder = PyramidDecoder((*channels[:3], context.width), width)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(width, classes, 1)

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/4, W/4)."""
        fused: Tensor = self.decoder((*features[:3], self.context(features)))
        return fused

    def classify(self, decoded: Tensor) -> Tensor:
        """(B, width, H/4, W/4) -> logits (B, classes, H/4, W/4)."""
        logits: Tensor = self.classifier(self.dropout(decoded))
        return logits
