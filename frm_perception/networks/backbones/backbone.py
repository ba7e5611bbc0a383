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
"""What every backbone is."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod

from torch import Tensor
from torch import nn

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Backbone(nn.Module, ABC):
    """
    An image in, four feature maps out.

    ``channels`` are those of the maps; ``mean`` and ``std`` (0..255, RGB) normalise the image.
    """

    channels: tuple[int, int, int, int]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @abstractmethod
    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised; H, W multiples of 32 -> maps at strides 4, 8, 16 and 32."""
