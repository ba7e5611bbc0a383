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
"""The exported graph computes what the network does, at every size it accepts."""

from functools import partial

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')
onnxruntime = pytest.importorskip('onnxruntime')

from frm_perception.deploy.export import export_onnx  # noqa: E402
from frm_perception.networks import SegmentationNetwork  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import BiasedAttention  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import EfficientFormerV2  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import EfficientFormerV2Variant  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import TalkingAttention  # noqa: E402
from frm_perception.networks.backbones.van import Van  # noqa: E402
from frm_perception.networks.backbones.van import VanVariant  # noqa: E402
from frm_perception.networks.context.atrous import AtrousPyramidPooling  # noqa: E402
from frm_perception.networks.context.non_local import NonLocalContext  # noqa: E402
from frm_perception.networks.context.pyramid_pooling import PyramidPooling  # noqa: E402
from frm_perception.networks.context.refinement import DisentangledNonLocal  # noqa: E402
from frm_perception.networks.context.refinement import FeatureRefinement  # noqa: E402
from frm_perception.networks.heads.cgrseg import CGRSegHead  # noqa: E402
from frm_perception.networks.heads.cgrseg import PrototypeGate  # noqa: E402
from frm_perception.networks.heads.pyramid import PyramidHead  # noqa: E402
from frm_perception.networks.heads.rsp import RelationalExtractor  # noqa: E402
from frm_perception.networks.heads.rsp import RspHead  # noqa: E402
from frm_perception.networks.image_network import ImageNetwork  # noqa: E402

SMALL = VanVariant((8, 16, 24, 32), (1, 1, 2, 1), (2, 2, 2, 2))


def _small(context, classes):
    """Build the whole network with every kind of layer, but few of each."""
    head = PyramidHead(SMALL.channels, classes, context(SMALL.channels, width=16), 8)
    return SegmentationNetwork(Van(SMALL), head)


def _small_rsp(classes):
    return SegmentationNetwork(Van(SMALL), RspHead(SMALL.channels, classes, 16))


def _small_cgrseg(classes):
    variant = EfficientFormerV2Variant((8, 12, 16, 24), ((2,), (), (2,), (2,)), attentions=1)
    return SegmentationNetwork(
        EfficientFormerV2(variant), CGRSegHead(variant.channels, classes, 8, blocks=1, strip=3))


def _shipped(classes):
    return build('frm-light-mobilenetv2', classes)


def _randomised(make, seed):
    """Give every layer, normalisation statistics too, random values that keep signals alive."""
    torch.manual_seed(seed)
    network = make(int(torch.randint(2, 20, ())))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
        elif isinstance(module, DisentangledNonLocal):
            torch.nn.init.normal_(module.out.weight, std=0.1)
        elif isinstance(module, RelationalExtractor):
            torch.nn.init.normal_(module.relative)
        elif isinstance(module, BiasedAttention):
            torch.nn.init.normal_(module.attention_biases_seg)
            if isinstance(module, TalkingAttention):
                # It adds up over all keys, of which there may be hundreds.
                torch.nn.init.normal_(module.talking_head2.bias, std=0.002)
        elif isinstance(module, PrototypeGate):
            torch.nn.init.normal_(module.channel_mul_conv[3].weight)
    for name, parameter in network.named_parameters():
        if name.endswith(('layer_scale_1', 'layer_scale_2', 'gamma')):
            torch.nn.init.uniform_(parameter, 0.2, 1.0)
        elif name.endswith('conv_seg.weight'):
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.fixture(
    scope='module',
    ids=('frm-1', 'frm-2', 'shipped', 'ppm', 'aspp', 'nonlocal', 'rsp', 'cgrseg'),
    params=((partial(_small, FeatureRefinement), 1), (partial(_small, FeatureRefinement), 2),
            pytest.param((_shipped, 4), marks=pytest.mark.slow),
            (partial(_small, PyramidPooling), 5), (partial(_small, AtrousPyramidPooling), 6),
            (partial(_small, NonLocalContext), 7), (_small_rsp, 8),
            pytest.param((_small_cgrseg, 9), marks=pytest.mark.slow)))
def exported(request):
    network = _randomised(*request.param)
    session = onnxruntime.InferenceSession(
        export_onnx(network), providers=['CPUExecutionProvider'])
    return ImageNetwork(network).eval(), session


@given(rows=st.integers(2, 10), columns=st.integers(2, 10), batch=st.integers(1, 2),
       seed=st.integers(0, 2 ** 32 - 1))
@settings(max_examples=12, deadline=None)
def test_onnx_runtime_agrees_with_pytorch_at_any_size(exported, rows, columns, batch, seed):
    network, session = exported
    random = np.random.default_rng(seed)
    head = network.network.head
    height, width = rows * head.multiple_of, columns * head.multiple_of
    image = random.integers(0, 256, (batch, height, width, 3), np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    got = session.run(['logits'], {'image': image})[0]
    assert got.shape == expected.shape == (
        batch, expected.shape[1], height // head.stride, width // head.stride)
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_graph_takes_uint8_images_and_needs_nothing_else(exported):
    _, session = exported
    (image,) = session.get_inputs()
    (logits,) = session.get_outputs()
    assert (image.name, image.type, image.shape[3]) == ('image', 'tensor(uint8)', 3)
    assert (logits.name, logits.type) == ('logits', 'tensor(float)')


def _agree(network, model, size):
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    with torch.no_grad():
        expected = ImageNetwork(network).eval()(torch.from_numpy(image)).numpy()
    got = session.run(None, {'image': image})[0]
    return np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_fixed_size_makes_each_positional_bias_one_constant():
    network = _randomised(_small_cgrseg, 10)
    model = export_onnx(network, (128, 192))
    graph = onnx.load_from_string(model).graph
    assert not {node.op_type for node in graph.node} & {
        'Gather', 'GatherElements', 'GatherND', 'Range', 'Where', 'Abs', 'Floor', 'Shape'}
    assert sorted(tuple(constant.dims) for constant in graph.initializer
                  if constant.name.endswith('fixed_bias')) == [
        (8, 24, 24), (8, 24, 24), (8, 24, 96)]
    assert all(module.fixed_bias is None for module in network.modules()
               if isinstance(module, BiasedAttention))
    assert _agree(network, model, (128, 192))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cgrseg-t', 'frm-light-efficientformerv2-s0'])
def test_networks_with_positional_bias_agree_at_free_and_fixed_sizes(name):
    # A short training leaves these biases too small to tell; here they are large.
    network = _randomised(lambda classes: build(name, classes), 3)
    for size in (None, (512, 1024)):
        assert _agree(network, export_onnx(network, size), (512, 1024))


def test_constants_that_no_file_can_hold_are_refused(monkeypatch):
    network = _small_cgrseg(4)
    free = sum(x.nbytes for x in (*network.parameters(), *network.buffers()))
    monkeypatch.setattr('frm_perception.deploy.export.LARGEST_FILE', free + 1000)
    with pytest.raises(ValueError, match='256, 512.*alone would hold .* leave the size free'):
        export_onnx(network, (256, 512))
