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
"""MobileNetV2 backbone (Sandler et al., CVPR 2018, arXiv 1801.04381), width 1.0."""

from __future__ import annotations

from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.backbone import Backbone

# (expansion, channels, blocks, stride of the first block), table 2 of the paper
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
           (6, 160, 3, 2), (6, 320, 1, 1))


class ConvNorm(nn.Module):
    """
    Convolution, batch normalisation and, unless it projects, ReLU6.

    With stride 2 the border is added below and to the right only, as TensorFlow pads: the public
    ImageNet weights are trained so, and lose much of their accuracy half a cell off.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1,
                 groups: int = 1, activate: bool = True) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 2 else nn.Identity()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False,
                              padding=kernel // 2 if stride == 1 else 0)
        self.norm = nn.BatchNorm2d(outputs)
        self.activation = nn.ReLU6(inplace=True) if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/stride, W/stride); H, W multiples of stride."""
        result: Tensor = self.activation(self.norm(self.conv(self.pad(x))))
        return result


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter by depthwise 3x3, project by 1x1 without activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        layers = [] if expansion == 1 else [ConvNorm(inputs, hidden, 1)]
        layers += [ConvNorm(hidden, hidden, 3, stride, groups=hidden),
                   ConvNorm(hidden, outputs, 1, activate=False)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class MobileNetV2(Backbone):
    """MobileNetV2 1.0 without its last 1x1 convolution and classifier: four feature maps."""

    channels = (24, 32, 96, 320)
    mean = (128.0, 128.0, 128.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, 3, stride=2)
        blocks: list[nn.Module] = []
        inputs = 32
        for expansion, channels, count, stride in _STAGES:
            for index in range(count):
                blocks.append(InvertedResidual(
                    inputs, channels, stride if index == 0 else 1, expansion))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self._taps = (2, 5, 12, 16)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised -> maps of ``channels`` at strides 4, 8, 16 and 32."""
        features = []
        x = self.stem(x)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._taps:
                features.append(x)
        return features


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode='fan_out')
