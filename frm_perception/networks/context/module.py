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
"""What every context module is."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor
from torch import nn


class ContextModule(nn.Module, ABC):
    """
    Gives the coarsest feature map the context of the whole image.

    ``width`` is the number of channels of its result.
    """

    width: int

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/32, W/32)."""


class NoContext(ContextModule):
    """
    The coarsest map as it is, to compare with.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.width = channels[3]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> the last."""
        return features[3]
