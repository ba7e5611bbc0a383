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
CGRSeg head.

Ni et al., 'Context-Guided Spatial Feature Reconstruction for Efficient Semantic Segmentation',
ECCV 2024 (arXiv 2405.06228). Layers and their order are exactly those of the released code, and
so are the names of the layers: its state dicts load.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.networks.heads.head import Head
from frm_perception.networks.layers import Rearrangeable
from frm_perception.networks.layers import in_single_precision
from frm_perception.networks.layers import upsample


class RectangularCalibration(nn.Module):
    """
    Rectangular self-calibration attention (RCA): a depthwise convolution under a soft mask.

    The mask is made of the means of every row and every column, along which strips calibrate it.

    :param channels: C of the input and the output.
    :param strip: length of the strips, odd.
    """

    def __init__(self, channels: int, strip: int) -> None:
        super().__init__()
        self.dwconv_hw = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.excite = nn.Sequential(
            nn.Conv2d(channels, channels, (1, strip), padding=(0, strip // 2), groups=channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, (strip, 1), padding=(strip // 2, 0), groups=channels),
            nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        mask: Tensor = self.excite(x.mean(3, keepdim=True) + x.mean(2, keepdim=True))
        return mask * self.dwconv_hw(x)


class FeedForward(nn.Module):
    """1x1 convolution to twice the channels, GELU, 1x1 convolution back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 2 * channels, 1)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        result: Tensor = self.fc2(self.act(self.fc1(x)))
        return result


class CalibrationBlock(nn.Module):
    """
    Rectangular self-calibration module (RCM): a residual branch with learnable scales.

    :param channels: C of the input and the output.
    :param strip: length of the strips, odd.
    """

    def __init__(self, channels: int, strip: int) -> None:
        super().__init__()
        self.token_mixer = RectangularCalibration(channels, strip)
        self.norm = nn.BatchNorm2d(channels)
        self.mlp = FeedForward(channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x + self.mlp(self.norm(self.token_mixer(x))) * self.gamma[:, None, None]


class PyramidContext(nn.Module):
    """
    Pyramid context extraction: all maps pooled to one grid, and calibrated together.

    :param channels: of the maps at strides 8, 16 and 32.
    :param blocks: how many calibration blocks.
    :param strip: length of their strips.
    """

    def __init__(self, channels: Sequence[int], blocks: int, strip: int) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.transformer_blocks = nn.Sequential(
            *(CalibrationBlock(sum(channels), strip) for _ in range(blocks)))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps at strides 8, 16, 32 -> maps of the same channels at stride 64."""
        # Fixed kernels rather than adaptive pooling: the same values when H and W are multiples
        # of 64, and one operator in the exported graph.
        pooled = [functional.avg_pool2d(feature, kernel)
                  for feature, kernel in zip(features, (8, 4, 2), strict=True)]
        return self.transformer_blocks(torch.cat(pooled, dim=1)).split(self.channels, dim=1)


class NormalisedConv(nn.Module):
    """1x1 convolution without bias and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        result: Tensor = self.bn(self.conv(x))
        return result


class Fusion(nn.Module):
    """
    Local features under a soft mask of their context.

    :param inputs: channels of both.
    :param outputs: channels of the result.
    :param factor: cells of the local map per cell of the context's, along one side.
    """

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.fuse1 = NormalisedConv(inputs, outputs)
        self.fuse2 = NormalisedConv(inputs, outputs)

    def forward(self, local: Tensor, context: Tensor) -> Tensor:
        """(B, inputs, f h, f w) and (B, inputs, h, w) -> (B, outputs, f h, f w)."""
        mask = functional.hardsigmoid(self.fuse2(context))
        return self.fuse1(local) * upsample(mask, self.factor)


class PrototypeGate(nn.Module):
    """
    Dynamic prototype guidance: the classes' prototypes decide how strong each channel is.

    :param channels: D of a prototype.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.channel_mul_conv = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.LayerNorm((channels, 1, 1)),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1))
        nn.init.kaiming_normal_(self.conv_mask.weight)
        # All channels start equally strong.
        for parameter in self.channel_mul_conv[3].parameters():
            nn.init.zeros_(parameter)

    def forward(self, prototypes: Tensor) -> Tensor:
        """(B, D, classes, 1) -> factors between 0 and 1 (B, D, 1, 1)."""
        weights = torch.softmax(self.conv_mask(prototypes), dim=2)
        mixed = (prototypes * weights).sum(2, keepdim=True)
        return torch.sigmoid(self.channel_mul_conv(mixed))


class CGRSegHead(Head, Rearrangeable):
    """
    Pyramid context, spatial feature reconstruction from coarse to fine, and dynamic prototypes.

    :param channels: channels of the maps at strides 4, 8, 16 and 32, of any backbone; the first
        map is not used.
    :param classes: channels of the logits.
    :param width: channels of the reconstructed maps.
    :param blocks: calibration blocks of the pyramid context.
    :param strip: length of every calibration's strips, odd.
    """

    stride = 8
    multiple_of = 64

    def __init__(self, channels: Sequence[int], classes: int, width: int, blocks: int, strip: int
                 ) -> None:
        super().__init__()
        channels = channels[1:]
        self.width = width
        self.trans = PyramidContext(channels, blocks, strip)
        self.meta = nn.ModuleList(CalibrationBlock(inputs, strip) for inputs in channels)
        self.SIM = nn.ModuleList(
            Fusion(inputs, width, factor)
            for inputs, factor in zip(channels, (8, 4, 2), strict=True))
        self.conv = nn.ModuleList(nn.Conv2d(width, outputs, 1) for outputs in channels[:-1])
        self.linear_fuse = NormalisedConv(width, width, groups=width)
        self.lgc = PrototypeGate(width)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = nn.Conv2d(width, classes, 1)
        self.enlarges_last = False
        nn.init.normal_(self.conv_seg.weight, std=0.01)
        nn.init.zeros_(self.conv_seg.bias)  # type: ignore[arg-type]

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/8, W/8)."""
        features = features[1:]
        contexts = self.trans(features)
        x = self.SIM[2](self.meta[2](features[2]), contexts[2])
        for level in (1, 0):
            local = features[level] + self._enlarge(self.conv[level], x)
            x = self.SIM[level](self.meta[level](local), contexts[level])
        return x

    def rearrange(self, size: tuple[int, int] | None) -> None:
        """
        Enlarge after the 1x1 convolutions, not before.

        The weights of the bilinear upsampling sum to one, so that the convolution, with its bias,
        may come first: the same result for a quarter of the multiply-adds.
        """
        self.enlarges_last = True

    def _enlarge(self, conv: nn.Module, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, outputs, 2 h, 2 w)."""
        result: Tensor = upsample(conv(x), 2) if self.enlarges_last else conv(upsample(x, 2))
        return result

    def classify(self, decoded: Tensor) -> Tensor:
        """(B, width, H/8, W/8) -> logits (B, classes, H/8, W/8)."""
        coarse = self._logits(functional.relu(self.linear_fuse(decoded)))
        prototypes = in_single_precision(_prototypes, coarse, decoded)
        return self._logits(decoded * (1.0 + self.lgc(prototypes)))

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv_seg(self.dropout(x))
        return logits


def _prototypes(logits: Tensor, features: Tensor) -> Tensor:
    """
    Mean features of every class, each cell weighted by the softmax over cells of its logits.

    (B, K, h, w) and (B, D, h, w) -> (B, D, K, 1).
    """
    weights = torch.softmax(logits.flatten(2), dim=2)
    return torch.matmul(weights, features.flatten(2).transpose(1, 2)).transpose(1, 2)[..., None]
