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
"""A network with its normalisation, from an image's bytes to logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.network import SegmentationNetwork


class ImageNetwork(nn.Module):
    """A network with its normalisation inside, as it runs on a vehicle."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        mean = torch.tensor(network.backbone.mean)
        std = torch.tensor(network.backbone.std)
        self.mean = nn.Buffer(mean[:, None, None])
        self.scale = nn.Buffer((1.0 / std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """RGB uint8 (N, H, W, 3) -> logits (N, classes, H/stride, W/stride)."""
        x = image.permute(0, 3, 1, 2).float()
        logits: Tensor = self.network((x - self.mean) * self.scale)
        return logits
