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
Visual Attention Network backbone.

Guo et al., 'Visual Attention Network', 2022 (arXiv 2202.09741). Layer names follow the released
segmentation code, so that its state dicts load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.backbone import Backbone
from frm_perception.networks.layers import StochasticDepth
from frm_perception.networks.layers import depth_rates
from frm_perception.networks.layers import in_single_precision


@dataclass(frozen=True)
class VanVariant:
    """
    Widths, depths and feed-forward ratios of the four stages.

    :param drop_path: stochastic depth of the last block; it grows linearly from 0.
    """

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    ratios: tuple[int, int, int, int] = (8, 8, 4, 4)
    drop_path: float = 0.1


VAN_B0 = VanVariant((32, 64, 160, 256), (3, 3, 5, 2))
VAN_B1 = VanVariant((64, 128, 320, 512), (2, 2, 4, 2))
VAN_B2 = VanVariant((64, 128, 320, 512), (3, 3, 12, 3))
VAN_B3 = VanVariant((64, 128, 320, 512), (3, 5, 27, 3), drop_path=0.3)


class DepthwiseConv(nn.Module):
    """The feed-forward network's 3x3 depthwise convolution (a module of its own by name)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        result: Tensor = self.dwconv(x)
        return result


class FeedForward(nn.Module):
    """Convolutional feed-forward network: 1x1, depthwise 3x3, GELU, 1x1."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.dwconv = DepthwiseConv(hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        result: Tensor = self.fc2(self.act(self.dwconv(self.fc1(x))))
        return result


class LargeKernelAttention(nn.Module):
    """A 21x21 receptive field as 5x5, dilated 7x7 and 1x1 convolutions, multiplied onto x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv_spatial = nn.Conv2d(
            channels, channels, 7, padding=9, groups=channels, dilation=3)
        self.conv1 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        near = self.conv0(x)
        # On CPUs, torch's bfloat16 gradients of this layer are wrong in channels-last memory.
        far = (in_single_precision(self.conv_spatial, near) if x.device.type == 'cpu'
               else self.conv_spatial(near))
        return x * self.conv1(far)


class AttentionUnit(nn.Module):
    """1x1, GELU, large-kernel attention, 1x1, with a shortcut around all of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(channels, channels, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = LargeKernelAttention(channels)
        self.proj_2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x + self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x))))


class Block(nn.Module):
    """Pre-norm attention and feed-forward branches with learnable per-channel scales."""

    def __init__(self, channels: int, ratio: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attn = AttentionUnit(channels)
        self.drop_path = StochasticDepth(drop_path)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = FeedForward(channels, ratio * channels)
        self.layer_scale_1 = nn.Parameter(torch.full((channels,), 0.01))
        self.layer_scale_2 = nn.Parameter(torch.full((channels,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)) * self.layer_scale_1[:, None, None])
        return x + self.drop_path(self.mlp(self.norm2(x)) * self.layer_scale_2[:, None, None])


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and its normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
        result: Tensor = self.norm(self.proj(x))
        return result


class Van(Backbone):
    """
    VAN without its classifier: an image in, four feature maps out.

    :param variant: e.g. :data:`VAN_B0`.
    """

    def __init__(self, variant: VanVariant) -> None:
        super().__init__()
        self.channels = variant.channels
        rates = iter(depth_rates(variant.drop_path, sum(variant.depths)))
        inputs = 3
        for stage, (channels, depth, ratio) in enumerate(
                zip(variant.channels, variant.depths, variant.ratios, strict=True), start=1):
            kernel, stride = (7, 4) if stage == 1 else (3, 2)
            setattr(self, f'patch_embed{stage}',
                    PatchEmbedding(inputs, channels, kernel, stride))
            setattr(self, f'block{stage}', nn.ModuleList(
                Block(channels, ratio, next(rates)) for _ in range(depth)))
            setattr(self, f'norm{stage}', nn.LayerNorm(channels, eps=1e-6))
            inputs = channels
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised -> maps of ``channels`` at strides 4, 8, 16 and 32."""
        features = []
        for stage in range(1, 5):
            x = getattr(self, f'patch_embed{stage}')(x)
            for block in getattr(self, f'block{stage}'):
                x = block(x)
            norm = getattr(self, f'norm{stage}')
            x = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            features.append(x)
        return features


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
