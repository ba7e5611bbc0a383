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
"""A segmentation network: a backbone and a head."""

from __future__ import annotations

from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.backbone import Backbone
from frm_perception.networks.heads.head import Head
from frm_perception.networks.layers import Rearrangeable


class SegmentationNetwork(nn.Module):
    """
    Any backbone with any head.

    :param backbone: four feature maps at strides 4, 8, 16, 32.
    :param head: made for the backbone's channels.
    """

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self._only_size: tuple[int, int] | None = None

    def decode(self, x: Tensor) -> Tensor:
        """
        (B, 3, H, W), normalised -> (B, head.width, H/head.stride, W/head.stride).

        :raises ValueError: H or W is not a multiple of ``head.multiple_of``.
        """
        self.check_size(x.shape[2], x.shape[3])
        decoded: Tensor = self.head.decode(self.backbone(x))
        return decoded

    def forward(self, x: Tensor) -> Tensor:
        """
        (B, 3, H, W), normalised -> logits (B, classes, H/head.stride, W/head.stride).

        :raises ValueError: H or W is not a multiple of ``head.multiple_of``.
        """
        return self.head.classify(self.decode(x))

    def rearrange(self, size: tuple[int, int] | None = None) -> None:
        """
        Compute the same in the order that runtimes do fastest, from now on.

        As built, a network computes in the order of its publication, which is what its cost is
        counted of.

        :param size: (height, width) of the only images from now on: what the size alone decides
            becomes a constant.
        :raises ValueError: the network does not take images of that size.
        """
        if size:
            self.check_size(*size)
            self._only_size = size
        for module in self.modules():
            if isinstance(module, Rearrangeable):
                module.rearrange(size)

    def check_size(self, height: int, width: int) -> None:
        """
        Refuse a size that the network has no exact grid for, or was not made for.

        :raises ValueError: the message has the nearest sizes that fit.
        """
        if self._only_size and self._only_size != (height, width):
            raise ValueError(
                f'an input of {height}x{width} (height x width) does not fit: this network was '
                'made for {}x{} alone'.format(*self._only_size))
        step = self.head.multiple_of
        if height % step or width % step:
            below = 'x'.join(str(max(side // step, 1) * step) for side in (height, width))
            above = 'x'.join(str(-(-side // step) * step) for side in (height, width))
            raise ValueError(
                f'an input of {height}x{width} (height x width) does not fit: both must be '
                f'multiples of {step}, such as {below} or {above}')
