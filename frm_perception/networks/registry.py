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
"""The named networks, and how to build them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from frm_perception.networks.backbones.backbone import Backbone
from frm_perception.networks.backbones.efficientformerv2 import EFFICIENTFORMERV2_L
from frm_perception.networks.backbones.efficientformerv2 import EFFICIENTFORMERV2_S0
from frm_perception.networks.backbones.efficientformerv2 import EFFICIENTFORMERV2_S1
from frm_perception.networks.backbones.efficientformerv2 import EFFICIENTFORMERV2_S2
from frm_perception.networks.backbones.efficientformerv2 import EfficientFormerV2
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2
from frm_perception.networks.backbones.van import VAN_B0
from frm_perception.networks.backbones.van import VAN_B1
from frm_perception.networks.backbones.van import VAN_B2
from frm_perception.networks.backbones.van import VAN_B3
from frm_perception.networks.backbones.van import Van
from frm_perception.networks.context.atrous import AtrousPyramidPooling
from frm_perception.networks.context.module import ContextModule
from frm_perception.networks.context.module import NoContext
from frm_perception.networks.context.non_local import NonLocalContext
from frm_perception.networks.context.pyramid_pooling import PyramidPooling
from frm_perception.networks.context.refinement import FeatureRefinement
from frm_perception.networks.heads.cgrseg import CGRSegHead
from frm_perception.networks.heads.head import Head
from frm_perception.networks.heads.pyramid import PyramidHead
from frm_perception.networks.heads.rsp import RspHead
from frm_perception.networks.network import SegmentationNetwork

Channels = Sequence[int]


@dataclass(frozen=True)
class BackboneSpec:
    """
    A backbone one can choose.

    :param make: makes it.
    :param origin: what it is, and how much of it is as published.
    """

    make: Callable[[], Backbone]
    origin: str


_VAN = 'Visual Attention Network (arXiv 2202.09741), layer for layer after the released code.'
_EFFICIENTFORMERV2 = (
    'EfficientFormerV2 (arXiv 2212.08059), layer for layer after the released code for '
    'segmentation; its positional bias is sampled in our own way at sizes other than 512x512.')

BACKBONES: dict[str, BackboneSpec] = {
    'van-b0': BackboneSpec(partial(Van, VAN_B0), _VAN),
    'van-b1': BackboneSpec(partial(Van, VAN_B1), _VAN),
    'van-b2': BackboneSpec(partial(Van, VAN_B2), _VAN),
    'van-b3': BackboneSpec(partial(Van, VAN_B3), _VAN),
    'efficientformerv2-s0': BackboneSpec(
        partial(EfficientFormerV2, EFFICIENTFORMERV2_S0), _EFFICIENTFORMERV2),
    'efficientformerv2-s1': BackboneSpec(
        partial(EfficientFormerV2, EFFICIENTFORMERV2_S1), _EFFICIENTFORMERV2),
    'efficientformerv2-s2': BackboneSpec(
        partial(EfficientFormerV2, EFFICIENTFORMERV2_S2), _EFFICIENTFORMERV2),
    'efficientformerv2-l': BackboneSpec(
        partial(EfficientFormerV2, EFFICIENTFORMERV2_L), _EFFICIENTFORMERV2),
    'mobilenetv2': BackboneSpec(
        MobileNetV2, 'MobileNetV2 1.0 (arXiv 1801.04381), padded as its public weights expect.'),
}


@dataclass(frozen=True)
class HeadSpec:
    """
    A head one can choose.

    :param make: from the channels of four feature maps and the number of classes to the head.
    :param origin: what it is, and how much of it is known from its publication.
    """

    make: Callable[[Channels, int], Head]
    origin: str


def _pyramid(context: Callable[[Channels], ContextModule], width: int
             ) -> Callable[[Channels, int], Head]:
    return lambda channels, classes: PyramidHead(channels, classes, context(channels), width)


_FRM = (
    'Feature Refinement Module and pyramid decoder (arXiv 2412.08670). That the module pools and '
    'joins the four stages and refines them by a disentangled non-local block is published; '
    'widths, normalisation, feed-forward network and decoder are inferred from the published '
    'cost. Not a reproduction.')

_COMPARED = (
    ", in place of the Feature Refinement Module and as wide, before the FRM head's pyramid "
    'decoder: to compare on equal terms.')

_CGRSEG = (
    'Context-guided spatial feature reconstruction and dynamic prototypes (arXiv 2405.06228), '
    'layer for layer after the released code.')

HEADS: dict[str, HeadSpec] = {
    'frm': HeadSpec(_pyramid(lambda channels: FeatureRefinement(channels, 512), 128), _FRM),
    'frm-light': HeadSpec(_pyramid(lambda channels: FeatureRefinement(channels, 256), 64),
                          f'{_FRM} At half the widths, ours.'),
    'fpn': HeadSpec(_pyramid(NoContext, 128),
                    "The FRM head's pyramid decoder alone, to compare context modules with."),
    'ppm': HeadSpec(
        _pyramid(partial(PyramidPooling, width=512), 128),
        f'Pyramid pooling (arXiv 1612.01105) as published{_COMPARED}'),
    'aspp': HeadSpec(
        _pyramid(partial(AtrousPyramidPooling, width=512), 128),
        'Atrous spatial pyramid pooling (arXiv 1706.05587) as published, with its rates halved '
        f'for a map at stride 32{_COMPARED}'),
    'nonlocal': HeadSpec(
        _pyramid(partial(NonLocalContext, width=512), 128),
        f'Embedded Gaussian non-local block (arXiv 1711.07971) as published{_COMPARED}'),
    'frm-pairwise': HeadSpec(
        _pyramid(partial(FeatureRefinement, width=512, unary=False), 128),
        f'{_FRM} Without the unary term of its non-local block, to compare with.'),
    'rsp': HeadSpec(
        RspHead,
        'Relational semantics propagator head (arXiv 2106.01744). That finer maps gather context '
        'from a window of the next coarser one, by relation and position and from the top of a '
        'pyramid to its bottom, is published; the form of the relation, the pyramid, the fusion '
        'and all dimensions are ours. Not a reproduction.'),
    'cgrseg-t': HeadSpec(partial(CGRSegHead, width=128, blocks=5, strip=11), _CGRSEG),
    'cgrseg-b5': HeadSpec(
        partial(CGRSegHead, width=256, blocks=5, strip=11),
        f'{_CGRSEG} With the five calibration blocks that the published size implies.'),
    'cgrseg-b6': HeadSpec(
        partial(CGRSegHead, width=256, blocks=6, strip=11),
        f'{_CGRSEG} With the six calibration blocks of the released configuration.'),
    'cgrseg-l': HeadSpec(partial(CGRSegHead, width=256, blocks=5, strip=9), _CGRSEG),
}


@dataclass(frozen=True)
class NetworkSpec:
    """What a name stands for: names of :data:`HEADS` and :data:`BACKBONES`."""

    head: str
    backbone: str


_PUBLISHED_PAIRS = {
    'cgrseg-t': NetworkSpec('cgrseg-t', 'efficientformerv2-s1'),
    'cgrseg-b5': NetworkSpec('cgrseg-b5', 'efficientformerv2-s2'),
    'cgrseg-b6': NetworkSpec('cgrseg-b6', 'efficientformerv2-s2'),
    'cgrseg-l': NetworkSpec('cgrseg-l', 'efficientformerv2-l'),
}

_OTHER_PAIRS = (
    ('frm', 'van-b0'),
    ('frm', 'van-b1'),
    ('frm', 'van-b2'),
    ('frm', 'van-b3'),
    ('frm-light', 'van-b0'),
    ('frm-light', 'mobilenetv2'),
    ('frm-light', 'efficientformerv2-s0'),
    ('rsp', 'van-b0'),
    ('rsp', 'van-b1'),
    ('fpn', 'van-b1'),
    ('ppm', 'van-b1'),
    ('aspp', 'van-b1'),
    ('nonlocal', 'van-b1'),
    ('frm-pairwise', 'van-b1'),
)

NETWORKS: dict[str, NetworkSpec] = _PUBLISHED_PAIRS | {
    f'{head}-{backbone}': NetworkSpec(head, backbone) for head, backbone in _OTHER_PAIRS}
"""The networks that are compared and tested. Every other HEAD-BACKBONE can be built, too."""


def network_spec(name: str) -> NetworkSpec:
    """
    Return what a name of :data:`NETWORKS`, or any HEAD-BACKBONE, stands for.

    :raises ValueError: no such name; the message lists those that exist.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    for head in HEADS:
        backbone = name.removeprefix(f'{head}-')
        if backbone != name and backbone in BACKBONES:
            return NetworkSpec(head, backbone)
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    meant = f'; did you mean {near[0]}?' if near else ''
    raise ValueError(
        f'no network {name!r}{meant}\nThere are {", ".join(NETWORKS)}, and HEAD-BACKBONE with '
        f'the heads {", ".join(HEADS)} and the backbones {", ".join(BACKBONES)}')


def build(name: str, classes: int) -> SegmentationNetwork:
    """
    Build the network of that name with random weights.

    :param name: a name of :data:`NETWORKS`, or HEAD-BACKBONE.
    :param classes: channels of the logits.
    :raises ValueError: no such name; the message lists those that exist.
    """
    spec = network_spec(name)
    backbone = BACKBONES[spec.backbone].make()
    return SegmentationNetwork(backbone, HEADS[spec.head].make(backbone.channels, classes))
