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
"""Windows of a feature map, gathered by a convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn


class WindowGather(nn.Module):
    """
    Collect what surrounds every tile of cells: the tile and ``window // 2`` cells on each side.

    This is torch's ``unfold`` written as a depthwise convolution with one-hot kernels, which
    every runtime computes well at any size. Its multiplications by 0 and 1 only copy;
    :func:`frm_perception.networks.cost.measure_cost` counts them apart from arithmetic.

    :param tile: cells along each side of a tile; 1 gathers the window of every single cell.
    :param window: cells along each side of one cell's window, odd.
    """

    def __init__(self, tile: int, window: int) -> None:
        super().__init__()
        self.tile = tile
        self.side = tile + window - 1
        self.margin = window // 2
        kernels = torch.eye(self.side ** 2).unflatten(1, (1, self.side, self.side))
        self.kernels = nn.Buffer(kernels, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """
        (B, C, h, w) -> (B, C side^2, h/tile, w/tile), with 0 outside the map.

        Channel ``c side^2 + row side + column`` is channel c of that cell of the region.
        """
        channels = x.shape[1]
        return functional.conv2d(x, self.kernels.repeat(channels, 1, 1, 1), padding=self.margin,
                                 stride=self.tile, groups=channels)
