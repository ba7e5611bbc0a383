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
"""What every head is."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor
from torch import nn


class Head(nn.Module, ABC):
    """
    Four feature maps in, logits out, in two steps: training may use what lies between.

    ``width`` is the number of channels between the steps, ``stride`` how many pixels of the
    image a cell of the logits covers, ``multiple_of`` what the image's height and width must be
    multiples of.
    """

    width: int
    stride: int
    multiple_of: int = 32

    @abstractmethod
    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/stride, W/stride)."""

    @abstractmethod
    def classify(self, decoded: Tensor) -> Tensor:
        """(B, width, H/stride, W/stride) -> logits (B, classes, H/stride, W/stride)."""

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> logits (B, classes, H/stride, W/stride)."""
        return self.classify(self.decode(features))
