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
EfficientFormerV2 backbone.

Li et al., 'Rethinking Vision Transformers for MobileNet Size and Speed', ICCV 2023 (arXiv
2212.08059), as CGRSeg uses it for segmentation. Widths, layers and their order are exactly those
of the released code, and so are the names of the layers: its state dicts load, but for buffers
that are computed here. Ours is the positional bias away from 512x512
(:mod:`frm_perception.networks.backbones.positional_bias`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.backbone import Backbone
from frm_perception.networks.backbones.positional_bias import positional_bias
from frm_perception.networks.layers import Rearrangeable
from frm_perception.networks.layers import StochasticDepth
from frm_perception.networks.layers import depth_rates
from frm_perception.networks.layers import in_single_precision
from frm_perception.networks.layers import upsample

_HEADS = 8
_GRID = 16  # cells a side of a 512x512 image at stride 32
_LAYER_SCALE = 1e-5


@dataclass(frozen=True)
class EfficientFormerV2Variant:
    """
    Widths of the four stages and the blocks in them.

    :param ratios: of every block's feed-forward network, stage by stage.
    :param attentions: how many blocks attend, at the end of stages 3 and 4 each.
    :param drop_path: stochastic depth of the last block; it grows linearly from 0.
    """

    channels: tuple[int, int, int, int]
    ratios: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    attentions: int
    drop_path: float = 0.0


EFFICIENTFORMERV2_S0 = EfficientFormerV2Variant(
    (32, 48, 96, 176),
    ((4, 4), (4, 4), (4, 3, 3, 3, 4, 4), (4, 3, 3, 4)), attentions=2)
EFFICIENTFORMERV2_S1 = EfficientFormerV2Variant(
    (32, 48, 120, 224),
    ((4,) * 3, (4,) * 3, (4, 4, 3, 3, 3, 3, 4, 4, 4), (4, 4, 3, 3, 4, 4)), attentions=2)
EFFICIENTFORMERV2_S2 = EfficientFormerV2Variant(
    (32, 64, 144, 288),
    ((4,) * 4, (4,) * 4, (4, 4, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4), (4, 4, 3, 3, 3, 3, 4, 4)),
    attentions=4, drop_path=0.02)
EFFICIENTFORMERV2_L = EfficientFormerV2Variant(
    (40, 80, 192, 384),
    ((4,) * 5, (4,) * 5, (4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4),
     (4, 4, 4, 3, 3, 3, 3, 4, 4, 4)),
    attentions=6, drop_path=0.1)


def _conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
               ) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups),
        nn.BatchNorm2d(outputs))


class FeedForward(nn.Module):
    """1x1, depthwise 3x3 and 1x1 convolution, each normalised, with GELU between them."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.mid = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.mid_norm = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.act = nn.GELU()
        for layer in (self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x = self.act(self.norm1(self.fc1(x)))
        x = self.act(self.mid_norm(self.mid(x)))
        result: Tensor = self.norm2(self.fc2(x))
        return result


class BiasedAttention(nn.Module, Rearrangeable):
    """
    Attention of eight heads with a positional bias, and a convolution of the values beside it.

    :param channels: of the map that keys and values are made from.
    :param outputs: channels of the result.
    :param key_width: channels of a key; a value has four times as many.
    :param step: cells of the keys' grid per cell of the queries'.
    """

    def __init__(self, channels: int, outputs: int, key_width: int, step: int) -> None:
        super().__init__()
        values = 4 * key_width * _HEADS
        self.step = step
        self.scale = key_width ** -0.5
        self.k = _conv_norm(channels, key_width * _HEADS)
        self.v = _conv_norm(channels, values)
        self.v_local = _conv_norm(values, values, 3, step, groups=values)
        self.proj = nn.Sequential(nn.GELU(), *_conv_norm(values, outputs))
        self.attention_biases_seg = nn.Parameter(torch.zeros(_HEADS, (step * _GRID) ** 2))
        self.fixed_bias: Tensor | None
        self.register_buffer('fixed_bias', None, persistent=False)

    def rearrange(self, size: tuple[int, int] | None) -> None:
        """Keep the bias of the only size as a constant."""
        if size:
            rows, columns = (side // 32 for side in size)
            self.fixed_bias = positional_bias(
                self.attention_biases_seg, rows, columns, self.step).detach()

    def attend(self, query: Tensor, x: Tensor) -> Tensor:
        """(B, 8 key_width, h, w) and (B, C, step h, step w) -> (B, 32 key_width, h, w)."""
        rows, columns = query.shape[2], query.shape[3]
        bias = self.fixed_bias
        if bias is None:
            bias = positional_bias(self.attention_biases_seg, rows, columns, self.step)
        values = self.v(x)
        weights = in_single_precision(
            self.weigh, _by_head(query).transpose(2, 3) * self.scale, _by_head(self.k(x)), bias)
        mixed = torch.matmul(weights, _by_head(values).transpose(2, 3)).transpose(2, 3)
        result: Tensor = mixed.flatten(1, 2).unflatten(2, (rows, columns)) + self.v_local(values)
        return result

    def weigh(self, query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
        """(B, 8, N, d), (B, 8, d, M) and (8, N, M) -> weights of the values (B, 8, N, M)."""
        return torch.softmax(torch.matmul(query, key) + bias, dim=3)


def _by_head(x: Tensor) -> Tensor:
    """(B, 8 d, h, w) -> (B, 8, d, h w)."""
    return x.unflatten(1, (_HEADS, -1)).flatten(3)


class TalkingAttention(BiasedAttention):
    """
    Attention between all cells at stride 32, whose heads talk before and after the softmax.

    Shazeer et al., 'Talking-Heads Attention', 2020 (arXiv 2003.02436). As in the released code,
    the second convolution has a bias: added to the weight of every key, it counts the more the
    larger the image is.

    :param channels: of the map, which the result has, too.
    :param stride: 2 for a map at stride 16: it is reduced before and enlarged after.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(channels, channels, key_width=32, step=1)
        self.stride_conv = (
            _conv_norm(channels, channels, 3, stride, groups=channels) if stride > 1 else None)
        self.q = _conv_norm(channels, 32 * _HEADS)
        self.talking_head1 = nn.Conv2d(_HEADS, _HEADS, 1)
        self.talking_head2 = nn.Conv2d(_HEADS, _HEADS, 1)
        self.talks_by_products = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if self.stride_conv is None:
            mixed = self.attend(self.q(x), x)
        else:
            reduced = self.stride_conv(x)
            mixed = upsample(self.attend(self.q(reduced), reduced), 2)
        result: Tensor = self.proj(mixed)
        return result

    def weigh(self, query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
        """(B, 8, N, d), (B, 8, d, M) and (8, N, M) -> weights of the values (B, 8, N, M)."""
        logits = self._talk(self.talking_head1, torch.matmul(query, key) + bias)
        return self._talk(self.talking_head2, torch.softmax(logits, dim=3))

    def rearrange(self, size: tuple[int, int] | None) -> None:
        """
        Let heads talk by matrix products, and keep the bias of the only size as a constant.

        Runtimes compute a convolution in blocks of 16 channels: eight are copied into such blocks
        and back.
        """
        self.talks_by_products = True
        super().rearrange(size)

    def _talk(self, layer: nn.Conv2d, x: Tensor) -> Tensor:
        """(B, 8, N, M) -> the same shape."""
        if not self.talks_by_products:
            result: Tensor = layer(x)
            return result
        assert layer.bias is not None
        mixed = torch.matmul(layer.weight.flatten(1), x.flatten(2)) + layer.bias[:, None]
        return mixed.unflatten(2, x.shape[2:])


class ReducedQuery(nn.Module):
    """Queries for every other row and column: a depthwise convolution plus the cell itself."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 2, padding=1, groups=channels))
        self.proj = _conv_norm(channels, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 2 h, 2 w) -> (B, width, h, w)."""
        result: Tensor = self.proj(self.local(x) + x[:, :, ::2, ::2])
        return result


class ReducingAttention(BiasedAttention):
    """Attention of every other row and column to all cells."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, key_width=16, step=2)
        self.q = ReducedQuery(channels, 16 * _HEADS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 2 h, 2 w) -> (B, outputs, h, w)."""
        result: Tensor = self.proj(self.attend(self.q(x), x))
        return result


class FeedForwardBlock(nn.Module):
    """A feed-forward branch with learnable per-channel scales."""

    def __init__(self, channels: int, ratio: int, drop_path: float) -> None:
        super().__init__()
        self.mlp = FeedForward(channels, ratio * channels)
        self.drop_path = StochasticDepth(drop_path)
        self.layer_scale_2 = nn.Parameter(torch.full((channels, 1, 1), _LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x + self.drop_path(self.mlp(x) * self.layer_scale_2)


class AttentionBlock(FeedForwardBlock):
    """An attention branch before the feed-forward branch."""

    def __init__(self, channels: int, ratio: int, drop_path: float, stride: int) -> None:
        super().__init__(channels, ratio, drop_path)
        self.token_mixer = TalkingAttention(channels, stride)
        self.layer_scale_1 = nn.Parameter(torch.full((channels, 1, 1), _LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x = x + self.drop_path(self.token_mixer(x) * self.layer_scale_1)
        return super().forward(x)


class Downsampling(nn.Module):
    """A strided convolution and its normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, 3, 2, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/2, W/2)."""
        result: Tensor = self.norm(self.proj(x))
        return result


class AttentionDownsampling(nn.Module):
    """A strided convolution, normalised, plus reducing attention."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.attn = ReducingAttention(inputs, outputs)
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, padding=1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/2, W/2)."""
        result: Tensor = self.attn(x) + self.bn(self.conv(x))
        return result


class EfficientFormerV2(Backbone):
    """
    EfficientFormerV2 without its classifier: an image in, four feature maps out.

    :param variant: e.g. :data:`EFFICIENTFORMERV2_S0`.
    """

    def __init__(self, variant: EfficientFormerV2Variant) -> None:
        super().__init__()
        self.channels = variant.channels
        first = variant.channels[0]
        self.patch_embed = nn.Sequential(
            *_conv_norm(3, first // 2, 3, 2), nn.GELU(),
            *_conv_norm(first // 2, first, 3, 2), nn.GELU())
        # Stages and downsamplings in turn, in one list as in the released code.
        self.network = nn.ModuleList()
        rates = iter(depth_rates(
            variant.drop_path, sum(len(ratios) for ratios in variant.ratios)))
        for stage, (channels, ratios) in enumerate(
                zip(variant.channels, variant.ratios, strict=True)):
            if stage:
                downsampling = AttentionDownsampling if stage == 3 else Downsampling
                self.network.append(downsampling(variant.channels[stage - 1], channels))
            plain = len(ratios) - (variant.attentions if stage >= 2 else 0)
            self.network.append(nn.Sequential(*(
                FeedForwardBlock(channels, ratio, next(rates)) if index < plain else
                AttentionBlock(channels, ratio, next(rates), stride=2 if stage == 2 else 1)
                for index, ratio in enumerate(ratios))))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised -> maps of ``channels`` at strides 4, 8, 16 and 32."""
        features = []
        x = self.patch_embed(x)
        for index, part in enumerate(self.network):
            x = part(x)
            if index % 2 == 0:
                features.append(x)
        return features
