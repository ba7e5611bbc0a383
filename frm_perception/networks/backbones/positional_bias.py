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
A learnable bias of attention logits by the distance between query and key.

The table belongs to the grid of a 512x512 image, as in EfficientFormerV2's released code (Li et
al., ICCV 2023, arXiv 2212.08059). That code spreads it to a matrix (queries, keys) at that size
and resizes the matrix to any other number of positions, which mixes the rows of the image. Here
the table itself is sampled at distances scaled to its grid: the same at 512x512, ours elsewhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def positional_bias(table: Tensor, rows: int, columns: int, step: int) -> Tensor:
    """
    Return the bias of every query with every key, row by row of their grids.

    Query (y, x) lies on the key (step y, step x). The table is sampled bilinearly.

    :param table: (heads, side * side), by rows and then columns of distance between keys; the
        grid of keys that it belongs to has side x side cells.
    :param rows: of the queries' grid; the keys' has ``step`` times as many.
    :param columns: likewise.
    :return: (heads, rows * columns, step * rows * step * columns).
    """
    side = math.isqrt(table.shape[1])
    by_distance = table.unflatten(1, (side, side))
    by_distance = _stretch(by_distance, step * columns)
    by_distance = _stretch(by_distance.transpose(1, 2), step * rows).transpose(1, 2)
    # Columns first: single values of a small table, and then whole rows.
    pairs = by_distance.index_select(2, _distances(columns, step, table.device))
    pairs = pairs.index_select(1, _distances(rows, step, table.device))
    pairs = pairs.unflatten(2, (columns, step * columns)).unflatten(1, (rows, step * rows))
    return pairs.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _stretch(table: Tensor, cells: int) -> Tensor:
    """(..., side) -> (..., cells): sample at the distances on a grid of so many cells."""
    side = table.shape[-1]
    scaled = torch.arange(cells, device=table.device) * side / cells
    scaled = scaled.clamp(max=side - 1)
    below = scaled.long()
    low = table.index_select(-1, below)
    high = table.index_select(-1, (below + 1).clamp(max=side - 1))
    return low + (high - low) * (scaled - below)


def _distances(queries: int, step: int, device: torch.device) -> Tensor:
    """Distances in keys, (queries * step queries), along one axis."""
    on_keys = step * torch.arange(queries, device=device)
    return (on_keys[:, None] - torch.arange(step * queries, device=device)).abs().flatten()
