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
RSP head: relational semantics, propagated from coarse to fine.

After arXiv 2106.01744, of which the abstract and the introduction could be read. They state the
idea: a pixel of a finer map gathers context from a window around its place in the next coarser
map, by weights that come from both maps with a positional embedding, and stacked modules do so
from the top of a feature pyramid to its bottom. Nothing else is known: the relation (a scaled dot
product with heads), every width, the window's size, the form of the pyramid and of the fusion are
ours. Not a reproduction.

The relation's multiply-adds are those of queries with keys, of queries with relative vectors and
of weights with values, for each cell of the window. They count as attention's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn

from frm_perception.networks.heads.head import Head
from frm_perception.networks.layers import Rearrangeable
from frm_perception.networks.layers import conv_norm_relu
from frm_perception.networks.window import WindowGather

_OUTSIDE = -1e4  # makes a weight exactly 0 in the softmax, and fits into 16 bits


def _depthwise_conv(channels: int) -> nn.Conv2d:
    """(B, channels, H, W) -> the same shape."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


class SeparablePyramid(nn.Module):
    """
    Top-down feature pyramid with depthwise-separable smoothing.

    :param channels: channels of the maps at strides 4, 8, 16 and 32.
    :param width: channels of every level.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))
            for inputs in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(_depthwise_conv(width), conv_norm_relu(width, width))
            for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps at strides 4, 8, 16, 32 -> maps of ``width`` channels at the same strides."""
        levels = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        for index in (2, 1, 0):
            levels[index] = levels[index] + functional.interpolate(
                levels[index + 1], scale_factor=2.0, mode='nearest')
        return [smooth(x) for smooth, x in zip(self.smooth, levels, strict=True)]


class RelationalExtractor(nn.Module):
    """
    Relational Semantics Extractor (RSE): context of a fine map's pixels from a coarser map.

    Every fine pixel attends to the window around the coarse cell that it lies in. The four pixels
    of a cell share its window, but not the relative vectors: they lie a quarter of a cell off its
    centre, each in its own direction. Cells outside the map take no weight.

    :param channels: C of both maps and of the context; queries and keys have C / 2.
    :param window: cells along each side of a window, odd.
    :param heads: independent relations, each of C / 2 / heads and C / heads channels.
    """

    def __init__(self, channels: int, window: int, heads: int = 8) -> None:
        super().__init__()
        width = channels // 2
        self.window = window
        self.heads = heads
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.scale = (width // heads) ** -0.5
        # One vector for each of a cell's four pixels and each cell of its window; the heads share
        # them.
        self.relative = nn.Parameter(torch.empty(4 * window ** 2, width // heads))
        nn.init.trunc_normal_(self.relative, std=0.02)
        self.set_tile(1)

    def set_tile(self, tile: int) -> None:
        """
        Compute the relation of ``tile`` x ``tile`` coarse cells at once; the result stays.

        At 1 this is the definition. The windows of a tile's cells overlap: gathered once, those
        of 2 x 2 cells (6 x 6 instead of four times 5 x 5) take a third of the memory, and their
        products are larger and fewer. That is faster, although each cell's products with what
        lies in the tile's window but not in its own are in vain: the mask takes them out.

        :param tile: a divisor of the coarse map's height and width.
        """
        self.gather = WindowGather(tile, self.window).to(self.relative)
        # As a convolution, too, it is several times faster than as a transposition.
        self.unshuffle = WindowGather(2 * tile, 1).to(self.relative)
        pixel = torch.arange(2 * tile)[:, None]
        offset = torch.arange(self.gather.side) - pixel // 2
        within = (offset >= 0) & (offset < self.window)
        inside = (within[:, None, :, None] & within[None, :, None, :]).flatten(2).flatten(0, 1)
        place = offset[:, None, :, None] * self.window + offset[None, :, None, :]
        sub_position = (pixel % 2 * 2 + pixel.T % 2)[:, :, None, None]
        index = (sub_position * self.window ** 2 + place).flatten(2).flatten(0, 1)
        mask = torch.where(inside, 0.0, _OUTSIDE)
        self.index = nn.Buffer((index * inside).to(self.relative.device), persistent=False)
        self.mask = nn.Buffer(mask.to(self.relative), persistent=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, 2h, 2w) and (B, C, h, w) -> (B, C, 2h, 2w)."""
        factor = 2 * self.gather.tile
        query = self.unshuffle(self.query(fine) * self.scale)
        size = query.shape[-2:]
        query = self._by_tile(query, factor ** 2).transpose(3, 4)
        keys = self._by_tile(self.gather(self.key(coarse)), self.gather.side ** 2)
        values = self._by_tile(self.gather(self.value(coarse)), self.gather.side ** 2)
        logits = torch.matmul(query, keys) + self._positions(query) + self._borders(coarse)
        weights = torch.softmax(logits, dim=4)
        context = torch.matmul(values, weights.transpose(3, 4))
        context = context.flatten(3).transpose(2, 3).flatten(1, 2).unflatten(2, size)
        return functional.pixel_shuffle(context, factor)

    def _by_tile(self, x: Tensor, cells: int) -> Tensor:
        """(B, C cells, rows, columns) -> (B, heads, rows columns, C / heads, cells)."""
        x = x.unflatten(1, (self.heads, -1)).flatten(3).transpose(2, 3)
        return x.unflatten(3, (-1, cells))

    def _positions(self, query: Tensor) -> Tensor:
        """(B, heads, T, pixels, e) -> products with relative vectors (B, heads, T, pixels, m)."""
        vectors = self.relative[self.index].transpose(1, 2)
        products = torch.matmul(query.permute(3, 0, 1, 2, 4).flatten(1, 3), vectors)
        return products.unflatten(1, query.shape[:3]).permute(1, 2, 3, 0, 4)

    def _borders(self, coarse: Tensor) -> Tensor:
        """(B, C, h, w) -> (1, T, pixels, m): 0, or ``_OUTSIDE`` the window or the map."""
        inside = self.gather(torch.ones_like(coarse[:1, :1])).flatten(2).transpose(1, 2)
        return ((1.0 - inside) * _OUTSIDE)[:, :, None] + self.mask


class RelationalPropagator(nn.Module):
    """
    Relational Semantics Propagator (RSP): a fine map, fused with its context from a coarser one.

    :param channels: C of both maps and of the result.
    :param window: as :class:`RelationalExtractor` takes it.
    """

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.extractor = RelationalExtractor(channels, window)
        self.fuse = nn.Sequential(
            conv_norm_relu(2 * channels, channels),
            _depthwise_conv(channels), nn.BatchNorm2d(channels),
            conv_norm_relu(channels, channels))

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, 2h, 2w) and (B, C, h, w) -> (B, C, 2h, 2w)."""
        context = self.extractor(fine, coarse)
        result: Tensor = self.fuse(torch.cat([fine, context], dim=1))
        return result


class RspHead(Head, Rearrangeable):
    """
    A separable pyramid, three propagators from its top to its bottom and a 1x1 classifier.

    :param channels: channels of the four maps at strides 4, 8, 16 and 32.
    :param classes: channels of the logits.
    :param width: channels of the pyramid and of all that follows, a multiple of 16.
    :param window: cells along each side of the relation's window, odd.
    """

    stride = 4

    def __init__(self, channels: Sequence[int], classes: int, width: int = 128,
                 window: int = 5) -> None:
        super().__init__()
        self.width = width
        self.pyramid = SeparablePyramid(channels, width)
        self.propagators = nn.ModuleList(RelationalPropagator(width, window) for _ in range(3))
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(width, classes, 1)

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> (B, width, H/4, W/4)."""
        *finer, x = self.pyramid(features)
        for propagator, fine in zip(self.propagators, reversed(finer), strict=True):
            x = propagator(fine, x)
        return x

    def rearrange(self, size: tuple[int, int] | None) -> None:
        """Compute tiles of cells at once."""
        # The coarsest map may have odd sides; those below it are even.
        for propagator in list(self.propagators)[1:]:
            assert isinstance(propagator, RelationalPropagator)
            propagator.extractor.set_tile(2)

    def classify(self, decoded: Tensor) -> Tensor:
        """(B, width, H/4, W/4) -> logits (B, classes, H/4, W/4)."""
        logits: Tensor = self.classifier(self.dropout(decoded))
        return logits
