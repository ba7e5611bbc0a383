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
"""Weights come back from the file that a network was exported to."""

import pytest

onnx = pytest.importorskip('onnx', reason='export needs onnx: requirements/train.txt')
torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.deploy.export import export_onnx  # noqa: E402
from frm_perception.deploy.half_precision import with_stored_halves  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.exported import load_exported  # noqa: E402
from frm_perception.networks.exported import rebuilt  # noqa: E402


def trained(name: str) -> torch.nn.Module:
    """Build a network of which every layer does something."""
    torch.manual_seed(0)
    network = build(name, 5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in ((module.weight.data, 0.5, 1.5), (module.bias.data, -1, 1),
                                      (module.running_mean, -1, 1), (module.running_var, 0.5, 2)):
                tensor.uniform_(low, high)
    torch.nn.init.normal_(network.head.context.mixer.out.weight, std=0.1)
    torch.nn.init.normal_(network.head.context.mixer.out.bias)
    return network.eval()


@pytest.mark.parametrize('stored', [lambda model: model, with_stored_halves], ids=['32', '16'])
def test_the_network_computes_what_its_file_does(stored):
    network = trained('frm-light-mobilenetv2')
    image = torch.randn(2, 3, 64, 96)
    again = build('frm-light-mobilenetv2', 5)
    folded = load_exported(again, stored(export_onnx(network)))
    assert folded
    with torch.no_grad():
        expected, got = network(image), again.eval()(image)
    # The file may keep weights in 16 bits, which have 11 digits.
    assert (got - expected).abs().max() < 0.01 * expected.abs().max()
    for norm in folded:
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))


def test_a_file_of_another_network_is_refused():
    model = export_onnx(build('fpn-mobilenetv2', 5))
    with pytest.raises(ValueError, match='the model is of another network'):
        load_exported(build('frm-light-mobilenetv2', 5), model)


def test_a_file_whose_weights_the_export_rewrote_is_refused():
    model = export_onnx(build('fpn-van-b0', 5))
    with pytest.raises(ValueError, match='the model may hold backbone.block1.0.layer_scale_1'):
        load_exported(build('fpn-van-b0', 5), model)


def test_a_model_without_logits_is_refused():
    with pytest.raises(ValueError, match='no logits of a known number of classes'):
        rebuilt('frm-light-mobilenetv2', onnx.ModelProto().SerializeToString())


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(ValueError, match='not an ONNX model'):
        load_exported(build('frm-light-mobilenetv2', 5), b'\xff no model')
