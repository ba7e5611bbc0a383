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
Feature pyramid decoder.

Lin et al., 'Feature Pyramid Networks', CVPR 2017, with the four levels concatenated and fused at
stride 4. That the FRM paper's decoder is an FPN is stated; this form and its width are inferred
from the published cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True))


def _upsample(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(
        x, scale_factor=float(factor), mode='bilinear', align_corners=False)


class PyramidDecoder(nn.Module):
    """
    Top-down pyramid over four maps, fused into one at stride 4.

    :param channels: channels of the maps at strides 4, 8, 16 and 32.
    :param width: channels of every level and of the fused map.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width
        self.lateral = nn.ModuleList(_conv(inputs, width, 1) for inputs in channels)
        self.smooth = nn.ModuleList(_conv(width, width, 3) for _ in range(3))
        self.fuse = _conv(4 * width, width, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/4, W/4)."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        for index in (2, 1, 0):
            levels[index] = levels[index] + _upsample(levels[index + 1], 2)
        smoothed = [smooth(x) for smooth, x in zip(self.smooth, levels[:3], strict=True)]
        smoothed.append(levels[3])
        stacked = [smoothed[0]] + [
            _upsample(x, 2 ** index) for index, x in enumerate(smoothed[1:], start=1)]
        result: Tensor = self.fuse(torch.cat(stacked, dim=1))
        return result
