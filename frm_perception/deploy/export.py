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

import onnx
import torch
from torch import Tensor
from torch import nn

from frm_perception.networks import FrmNetwork

OPSET = 18
MULTIPLE = 32
STRIDE = 4


class ImageNetwork(nn.Module):
    """A network with its normalisation inside, as it runs on a vehicle."""

    def __init__(self, network: FrmNetwork) -> None:
        super().__init__()
        self.network = network
        mean = torch.tensor(network.backbone.mean)
        std = torch.tensor(network.backbone.std)
        self.mean = nn.Buffer(mean[:, None, None])
        self.scale = nn.Buffer((1.0 / std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """RGB uint8 (N, H, W, 3), H and W multiples of 32 -> logits (N, classes, H/4, W/4)."""
        x = image.permute(0, 3, 1, 2).float()
        logits: Tensor = self.network((x - self.mean) * self.scale)
        return logits


def export_onnx(network: FrmNetwork) -> bytes:
    """
    Return the network as a serialised ONNX model; ``network`` is left in evaluation mode.

    The input is ``image``, uint8 (N, H, W, 3) RGB with N free and H, W free multiples of 32; the
    output is ``logits``, float32 (N, classes, H/4, W/4).

    :raises onnx.checker.ValidationError: the exporter wrote an invalid model.
    """
    model = ImageNetwork(network).eval()
    batch = torch.export.Dim('N', min=1, max=64)
    rows = torch.export.Dim('rows', min=2, max=128)
    columns = torch.export.Dim('columns', min=2, max=128)
    image = torch.zeros(2, 4 * MULTIPLE, 6 * MULTIPLE, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        model, (image,), dynamo=True, opset_version=OPSET, verbose=False,
        input_names=['image'], output_names=['logits'],
        dynamic_shapes={'image': {0: batch, 1: MULTIPLE * rows, 2: MULTIPLE * columns}})
    if program is None:
        raise RuntimeError('torch.onnx.export returned no program')
    content: bytes = program.model_proto.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    return content
