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
Weights to begin a training with, from files whose batch normalisation is folded away.

These are the public int8 TFLite file of an ImageNet-trained MobileNetV2, and model bundles. As
they stand, training would normalise what is already scaled; so every normalisation layer gets the
statistics that images of the training show before it, and the scale and shift that undo them: in
evaluation mode the network computes exactly what the file does, and in training mode nearly the
same.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import nn

from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import build
from frm_perception.networks.backbones.mobilenetv2 import ConvNorm
from frm_perception.networks.backbones.mobilenetv2 import InvertedResidual
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2
from frm_perception.networks.exported import load_exported
from frm_perception.networks.exported import only_add
from frm_perception.runtime.bundle import Bundle
from frm_perception.training.objective import normalised


class _QuantisedTensors:
    """Constants of a TFLite file by name, dequantised to float32."""

    def __init__(self, file: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter
        self._file = file
        self._interpreter = Interpreter(str(file))
        self._interpreter.allocate_tensors()
        self._details = {detail['name']: detail
                         for detail in self._interpreter.get_tensor_details()}

    def read(self, name: str) -> NDArray[np.float32]:
        if name not in self._details:
            raise ValueError(f'{self._file}: no tensor {name!r}; this is not MobileNetV2 1.0')
        detail = self._details[name]
        scale, zero = detail['quantization']
        values = self._interpreter.get_tensor(detail['index']).astype(np.float64)
        result: NDArray[np.float32] = ((values - zero) * scale).astype(np.float32)
        return result


def load_mobilenetv2(backbone: MobileNetV2, file: Path, images: Tensor) -> None:
    """
    Load the weights of the TFLite file and split the folded normalisation off again.

    :param images: (B, 3, H, W) float32, RGB 0..255, of the kind that training will see.
    :raises ValueError: the file is not MobileNetV2 1.0.
    """
    tensors = _QuantisedTensors(file)
    with torch.no_grad():
        for name, bias_suffix, layer in _layers(backbone):
            conv = layer.conv
            weight = tensors.read(f'{name}/weights_quant/FakeQuantWithMinMaxVars')
            # TFLite keeps (out, h, w, in), and (1, h, w, channels) for depthwise convolutions.
            axes = (3, 0, 1, 2) if conv.groups > 1 else (0, 3, 1, 2)
            conv.weight.copy_(torch.from_numpy(weight.transpose(axes)))
            only_add(layer.norm, torch.from_numpy(tensors.read(f'{name}/{bias_suffix}')))
    norms = [layer.norm for _, _, layer in _layers(backbone)]
    _split_normalisation(backbone, norms, normalised(backbone, images))


def load_bundle(folder: Path, images: Tensor) -> SegmentationNetwork:
    """
    Return the network of a model bundle, ready to be trained further.

    :param images: as for :func:`load_mobilenetv2`.
    :raises BundleError: the bundle is damaged.
    :raises ValueError: its fp32 file does not hold the network's weights one by one.
    """
    bundle = Bundle.load(folder)
    network = build(bundle.network, len(bundle.label_space.classes))
    try:
        norms = load_exported(network, bundle.verified_model('fp32'))
    except ValueError as error:
        raise ValueError(f'cannot begin with {folder}: {error}. Begin with the '
                         'checkpoint.pt that it was exported from.') from error
    _split_normalisation(network, norms, normalised(network.backbone, images))
    return network


def _layers(backbone: MobileNetV2) -> Iterator[tuple[str, str, ConvNorm]]:
    """Every convolution with the names of its weights and bias, in the order of the file."""
    yield 'MobilenetV2/Conv', 'Conv2D_Fold_bias', backbone.stem
    for index, block in enumerate(backbone.blocks):
        prefix = 'MobilenetV2/expanded_conv' + (f'_{index}' if index else '')
        kinds = ('depthwise', 'project') if index == 0 else ('expand', 'depthwise', 'project')
        assert isinstance(block, InvertedResidual)
        for kind, layer in zip(kinds, block.layers, strict=True):
            assert isinstance(layer, ConvNorm)
            suffix = 'depthwise_Fold_bias' if kind == 'depthwise' else 'Conv2D_Fold_bias'
            yield f'{prefix}/{kind}', suffix, layer


@torch.no_grad()
def _split_normalisation(network: nn.Module, norms: Sequence[nn.BatchNorm2d], images: Tensor
                         ) -> None:
    """
    Give normalisations that only shift their statistics, and what undoes them.

    :param images: (B, 3, H, W) float32, normalised as the network expects.
    """
    def split(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    handles = [norm.register_forward_pre_hook(split) for norm in norms]
    network.eval()(images)
    for handle in handles:
        handle.remove()
