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
"""ImageNet-trained start of MobileNetV2, read from the int8 TFLite file that is public."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import nn

from frm_perception.networks.backbones.mobilenetv2 import ConvNorm
from frm_perception.networks.backbones.mobilenetv2 import InvertedResidual
from frm_perception.networks.backbones.mobilenetv2 import MobileNetV2


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
    Load the weights and split the folded normalisation off again.

    The file's batch normalisation is folded into its convolutions. As it stands, training would
    normalise what is already scaled; so every normalisation layer gets the statistics that
    ``images`` show before it, and the scale and shift that undo them: in evaluation mode the
    network computes exactly what the file does, and in training mode nearly the same.

    :param images: (B, 3, H, W) float32, RGB 0..255, of the kind that training will see.
    :raises ValueError: the file is not MobileNetV2 1.0.
    """
    tensors = _QuantisedTensors(file)
    with torch.no_grad():
        for name, bias_suffix, layer in _layers(backbone):
            conv, norm = layer.conv, layer.norm
            weight = tensors.read(f'{name}/weights_quant/FakeQuantWithMinMaxVars')
            # TFLite keeps (out, h, w, in), and (1, h, w, channels) for depthwise convolutions.
            axes = (3, 0, 1, 2) if conv.groups > 1 else (0, 3, 1, 2)
            conv.weight.copy_(torch.from_numpy(weight.transpose(axes)))
            norm.weight.fill_(1.0)
            norm.bias.copy_(torch.from_numpy(tensors.read(f'{name}/{bias_suffix}')))
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
        mean = torch.tensor(backbone.mean)[:, None, None]
        std = torch.tensor(backbone.std)[:, None, None]
        _split_normalisation(backbone, (images - mean) / std)


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


def _split_normalisation(backbone: MobileNetV2, images: Tensor) -> None:
    def split(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        # A channel that the images never excite keeps its folded form.
        live = variance > 1e-4
        norm.weight.copy_(torch.where(live, (variance + norm.eps).sqrt(), norm.weight))
        norm.bias.add_(torch.where(live, mean, 0.0))
        norm.running_mean.copy_(torch.where(live, mean, norm.running_mean))
        norm.running_var.copy_(torch.where(live, variance, norm.running_var))

    handles = [layer.norm.register_forward_pre_hook(split)
               for _, _, layer in _layers(backbone)]
    backbone.eval()(images)
    for handle in handles:
        handle.remove()
