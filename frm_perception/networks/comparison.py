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
"""What networks cost, beside what their authors published."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from frm_perception.networks.cost import Cost
from frm_perception.networks.cost import measure_cost
from frm_perception.networks.network import SegmentationNetwork
from frm_perception.networks.registry import build

CLASSES = 19
SIZES = ((512, 1024), (1024, 2048))


@dataclass(frozen=True)
class Published:
    """
    What a publication states, and for what.

    :param gmac: 1e9 multiply-adds; papers call them GFLOPs.
    :param parameters: millions of parameters, where they are stated.
    :param size: (height, width) of the image.
    """

    gmac: float
    parameters: float | None
    classes: int
    size: tuple[int, int]

    def stated(self) -> str:
        """Return the figures in words."""
        parameters = f'{self.parameters} M, ' if self.parameters else ''
        return (f'{parameters}{self.gmac} GMAC ({self.classes} classes, '
                f'{self.size[0]}x{self.size[1]})')

    def deviation(self, cost: Cost) -> str:
        """Return how far a cost, counted at the same size and classes, lies from the figures."""
        pairs = [(cost.parameters / 1e6, self.parameters), (cost.convolutions / 1e9, self.gmac)]
        return ', '.join(f'{counted / stated - 1:+.1%}' for counted, stated in pairs if stated)


PUBLISHED = {
    # arXiv 2412.08670, abstract, which does not state the size: that is customary on Cityscapes.
    'frm-van-b1': Published(214.82, None, 19, (1024, 2048)),
    # README of the first release of CGRSeg (arXiv 2405.06228)
    'cgrseg-t': Published(4.0, 9.4, 150, (512, 512)),
    'cgrseg-b5': Published(7.6, 18.1, 150, (512, 512)),
    'cgrseg-l': Published(14.9, 35.7, 150, (512, 512)),
}
"""By network. Authors' counters skip attention's products and add normalisation and activation."""


def comparison(names: Iterable[str], sizes: Sequence[tuple[int, int]] = SIZES
               ) -> list[Sequence[str]]:
    """
    Count the cost of networks with 19 classes; return a table's rows, headings first.

    :param sizes: (height, width) of the images.
    :raises ValueError: a name that is no network's, or a size that a network does not take.
    """
    headings = ['network', 'parameters']
    for height, width in sizes:
        headings += [f'GMAC at {height}x{width}', 'attention']
    rows: list[Sequence[str]] = [[*headings, 'published', 'deviation']]
    for name in names:
        network = _unfilled(name, CLASSES)
        costs = [measure_cost(network, *size) for size in sizes]
        row = [name, f'{costs[0].parameters / 1e6:.3f} M']
        for cost in costs:
            row += [f'{cost.convolutions / 1e9:.2f}', f'{cost.attention / 1e9:.2f}']
        rows.append([*row, *_beside_published(name)])
    return rows


def _unfilled(name: str, classes: int) -> SegmentationNetwork:
    """Build a network that has shapes, but no values."""
    with torch.device('meta'):
        return build(name, classes)


def _beside_published(name: str) -> tuple[str, str]:
    if name not in PUBLISHED:
        return '-', '-'
    published = PUBLISHED[name]
    cost = measure_cost(_unfilled(name, published.classes), *published.size)
    return published.stated(), published.deviation(cost)
