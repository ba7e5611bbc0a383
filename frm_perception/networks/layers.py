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
"""Layers that several backbones and heads are made of."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch import nn


class Rearrangeable(ABC):
    """A layer that can compute the same in another order, which runtimes do faster."""

    @abstractmethod
    def rearrange(self, size: tuple[int, int] | None) -> None:
        """
        Take that order for good; parameters, their names and the results stay.

        :param size: (height, width) of the only images from now on, in which case what the size
            alone decides becomes a constant, or None.
        """


class StochasticDepth(nn.Module):
    """Drop a residual branch per sample while training (Huang et al., 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Scale the kept branches of ``x`` (B, ...) so that their expectation is unchanged."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)


def depth_rates(last: float, blocks: int) -> list[float]:
    """Return the probabilities of stochastic depth, growing linearly from 0 to ``last``."""
    return [last * block / max(blocks - 1, 1) for block in range(blocks)]


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    """(B, inputs, H, W) -> (B, outputs, H, W)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation,
                  bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True))


def upsample(x: Tensor, factor: int) -> Tensor:
    """(B, C, H, W) -> (B, C, factor H, factor W), bilinear between the centres of cells."""
    return functional.interpolate(
        x, scale_factor=float(factor), mode='bilinear', align_corners=False)


def in_single_precision(compute: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """
    Return ``compute(*inputs)``, done in 32 bits where mixed precision gives 16.

    For the logits of an attention: they grow large, and 16 bits would round them before the
    softmax takes their exponential.
    """
    if any(x.dtype in (torch.bfloat16, torch.float16) for x in inputs):
        with torch.autocast(inputs[0].device.type, enabled=False):
            return compute(*(x.float() for x in inputs))
    return compute(*inputs)


def softmax_of_products(rows: Tensor, columns: Tensor) -> Tensor:
    """(B, N, d) and (B, d, M) -> (B, N, M), each row with a sum of 1."""
    return torch.softmax(torch.matmul(rows, columns), dim=2)
