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
"""Parameters and multiply-adds of a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from frm_perception.networks.window import WindowGather


@dataclass(frozen=True)
class Cost:
    """
    What one image costs.

    :param parameters: learnable values.
    :param convolutions: multiply-adds of convolutions and linear layers.
    :param attention: multiply-adds of attention's matrix products, which papers' counters skip.
    :param copies: multiplications by 0 and 1 that gather windows and stand in no other figure.
    """

    parameters: int
    convolutions: int
    attention: int
    copies: int = 0


def measure_cost(network: nn.Module, height: int, width: int) -> Cost:
    """
    Count the cost of one (1, 3, height, width) image.

    A rearranged network's is that of its new order. ``network`` is moved to ``meta``.
    """
    network = network.to('meta').eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.empty(1, 3, height, width, device='meta'))
    counts = counter.get_flop_counts()
    operations = counts['Global']
    convolutions = sum(flops for operator, flops in operations.items()
                       if operator in (torch.ops.aten.convolution, torch.ops.aten.addmm))
    copies = sum(sum(counts[f'{type(network).__name__}.{name}'].values())
                 for name, module in network.named_modules() if isinstance(module, WindowGather))
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        convolutions=(convolutions - copies) // 2,
        attention=(sum(operations.values()) - convolutions) // 2,
        copies=copies // 2)
