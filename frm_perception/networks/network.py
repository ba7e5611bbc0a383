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
"""The FRM segmentation network, and the named networks one can build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch import nn

from frm_perception.networks.fpn import PyramidDecoder
from frm_perception.networks.frm import FeatureRefinement
from frm_perception.networks.mobilenetv2 import MobileNetV2
from frm_perception.networks.van import VAN_B0
from frm_perception.networks.van import VAN_B1
from frm_perception.networks.van import Van


class FrmNetwork(nn.Module):
    """
    Backbone, feature refinement, pyramid decoder and a 1x1 classifier.

    :param backbone: four feature maps at strides 4, 8, 16, 32; tells its ``channels`` and the
        ``mean`` and ``std`` (0..255, RGB) that its input is normalised with.
    :param classes: channels of the logits.
    :param refinement: channels of the refined map.
    :param decoder: channels of the decoder.
    """

    def __init__(self, backbone: Van | MobileNetV2, classes: int, refinement: int,
                 decoder: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.refinement = FeatureRefinement(backbone.channels, refinement)
        self.decoder = PyramidDecoder((*backbone.channels[:3], refinement), decoder)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(decoder, classes, 1)

    def decode(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), normalised; H, W multiples of 32 -> (B, decoder, H/4, W/4)."""
        features = self.backbone(x)
        fused: Tensor = self.decoder((*features[:3], self.refinement(features)))
        return fused

    def classify(self, fused: Tensor) -> Tensor:
        """(B, decoder, H/4, W/4) -> logits (B, classes, H/4, W/4)."""
        logits: Tensor = self.classifier(self.dropout(fused))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), normalised; H, W multiples of 32 -> logits (B, classes, H/4, W/4)."""
        return self.classify(self.decode(x))


@dataclass(frozen=True)
class NetworkSpec:
    """What a name stands for."""

    backbone: str
    refinement: int
    decoder: int


BACKBONES: dict[str, Callable[[], Van | MobileNetV2]] = {
    'van-b0': lambda: Van(VAN_B0),
    'van-b1': lambda: Van(VAN_B1),
    'mobilenetv2': MobileNetV2,
}

NETWORKS = {
    'frm-van-b0': NetworkSpec('van-b0', refinement=512, decoder=128),
    'frm-van-b1': NetworkSpec('van-b1', refinement=512, decoder=128),
    'frm-van-b0-light': NetworkSpec('van-b0', refinement=256, decoder=64),
    'frm-mobilenetv2': NetworkSpec('mobilenetv2', refinement=256, decoder=64),
}


def build(name: str, classes: int) -> FrmNetwork:
    """
    Build the network of that name with random weights.

    :raises ValueError: no such name; the message lists those that exist.
    """
    if name not in NETWORKS:
        raise ValueError(f'no network {name!r}; there are {", ".join(NETWORKS)}')
    spec = NETWORKS[name]
    return FrmNetwork(BACKBONES[spec.backbone](), classes, spec.refinement, spec.decoder)
