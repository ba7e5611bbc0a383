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
"""Export of a trained network to ONNX."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch

from frm_perception.networks import SegmentationNetwork
from frm_perception.networks.image_network import ImageNetwork

OPSET = 20
"""The first with GELU as one operator, which ONNX Runtime computes in one pass and without leaving
its blocked layout, unlike the five operators that stand for it before."""
PLAIN_OPSET = 18
LARGEST_FILE = 2 ** 31


def export_onnx(network: SegmentationNetwork, size: tuple[int, int] | None = None,
                plain: bool = False) -> bytes:
    """
    Return the network as a serialised ONNX model.

    The input is ``image``, uint8 (N, H, W, 3) RGB with N free and H, W free multiples of
    ``network.head.multiple_of``, at least two of it; the output is ``logits``, float32
    (N, classes, H/stride, W/stride).

    :param size: (height, width) that the model is to take alone, with N = 1: what only the size
        decides is then a constant, and a runtime can plan its memory ahead.
    :param plain: leave out what only makes it faster, to measure what that is worth: the network
        computes in the order of its publication, and GELU in five operators.
    :raises ValueError: the network does not take images of ``size``, or the constants of that size
        are more than an ONNX file can hold.
    :raises onnx.checker.ValidationError: the exporter wrote an invalid model.
    """
    network = copy.deepcopy(network)
    if not plain:
        network.rearrange(size)
    constants = sum(x.nbytes for x in (*network.parameters(), *network.buffers()))
    if constants >= LARGEST_FILE:
        raise ValueError(f'a model for {size} (height, width) alone would hold {constants} bytes '
                         f'of constants, and an ONNX file less than {LARGEST_FILE}: leave the '
                         f'size free')
    step = network.head.multiple_of
    image = torch.zeros((1, *size, 3) if size else (2, 4 * step, 6 * step, 3), dtype=torch.uint8)
    with _without_noise():
        program = torch.onnx.export(
            ImageNetwork(network).eval(), (image,), dynamo=True,
            opset_version=PLAIN_OPSET if plain else OPSET, verbose=False,
            input_names=['image'], output_names=['logits'],
            dynamic_shapes=None if size else {'image': _free_sizes(step)})
    if program is None:
        raise RuntimeError('torch.onnx.export returned no program')
    content: bytes = program.model_proto.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content


def _free_sizes(step: int) -> dict[int, torch.export.Dim]:
    return {0: torch.export.Dim('N', min=1, max=64),
            1: step * torch.export.Dim('rows', min=2, max=4096 // step),
            2: step * torch.export.Dim('columns', min=2, max=4096 // step)}


@contextmanager
def _without_noise() -> Iterator[None]:
    """Keep back what every export says: torchvision is not needed, and torch uses its own past."""
    logger = logging.getLogger('torch.onnx._internal.exporter._registration')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', category=FutureWarning, module='copyreg')
            yield
    finally:
        logger.setLevel(level)
