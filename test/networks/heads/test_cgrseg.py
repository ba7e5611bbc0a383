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
"""The CGRSeg head: its cost, its blocks' formulas, and what may be reordered in it."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402
from frm_perception.networks.heads.cgrseg import CalibrationBlock  # noqa: E402
from frm_perception.networks.heads.cgrseg import CGRSegHead  # noqa: E402
from frm_perception.networks.heads.cgrseg import Fusion  # noqa: E402
from frm_perception.networks.heads.cgrseg import PyramidContext  # noqa: E402
from frm_perception.networks.heads.cgrseg import RectangularCalibration  # noqa: E402

CHANNELS = (4, 6, 8, 10)


def _unfilled(name, classes):
    """Build a network that has shapes, but no values."""
    with torch.device('meta'):
        return build(name, classes)


@pytest.mark.parametrize(
    ('name', 'classes', 'height', 'width', 'millions', 'gmac', 'attention_gmac'), [
        ('cgrseg-t', 150, 512, 512, 9.365, 3.945, 0.582),
        ('cgrseg-b6', 150, 512, 512, 19.115, 7.593, 0.996),
        ('cgrseg-b5', 150, 512, 512, 18.110, 7.529, 0.996),
        ('cgrseg-l', 150, 512, 512, 35.678, 14.789, 1.332),
        ('cgrseg-t', 19, 512, 1024, 9.348, 7.683, 2.033),
        ('cgrseg-b6', 19, 512, 1024, 19.081, 14.771, 3.395),
        ('cgrseg-l', 19, 512, 1024, 35.644, 29.229, 4.737),
        ('cgrseg-t', 19, 1024, 2048, 9.348, 32.34, 32.29),
        ('cgrseg-b6', 19, 1024, 2048, 19.081, 62.30, 53.85),
        ('cgrseg-l', 19, 1024, 2048, 35.644, 121.75, 75.32),
        ('cgrseg-t', 11, 384, 512, 9.347, 2.843, 0.287),
        ('cgrseg-b6', 11, 384, 512, 19.079, 5.464, 0.481),
        ('cgrseg-l', 11, 384, 512, 35.642, 10.854, 0.669),
    ])
def test_parameters_and_multiply_adds_match_the_check_values(
        name, classes, height, width, millions, gmac, attention_gmac):
    cost = measure_cost(_unfilled(name, classes), height, width)
    assert round(cost.parameters / 1e6, 3) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.0005)
    assert cost.attention / 1e9 == pytest.approx(attention_gmac, rel=0.001, abs=0.0005)


def test_enlarging_after_the_convolutions_costs_less():
    head = _unfilled('cgrseg-t', 19)
    published = measure_cost(head, 512, 1024)
    head.head.rearrange(None)
    assert measure_cost(head, 512, 1024).convolutions < 0.995 * published.convolutions


@pytest.mark.parametrize(('part', 'millions'), [
    ('trans', 3.156), ('SIM', 0.102), ('meta', 0.284), ('conv', 0.022)])
def test_parts_of_the_tiny_head_have_their_parameters(part, millions):
    module = _unfilled('cgrseg-t', 150).head.get_submodule(part)
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 3) == millions


@pytest.mark.parametrize(('channels', 'strip'), [(8, 3), (48, 11), (392, 11), (656, 9)])
def test_a_calibration_block_has_the_parameters_of_its_formula(channels, strip):
    block = CalibrationBlock(channels, strip)
    assert sum(parameter.numel() for parameter in block.parameters()) == (
        4 * channels ** 2 + (20 + 2 * strip) * channels)


def test_the_tiny_pyramid_context_has_the_published_parameters():
    context = PyramidContext((48, 120, 224), blocks=5, strip=11)
    assert sum(parameter.numel() for parameter in context.parameters()) == 3_155_600


@pytest.mark.parametrize(('name', 'shape'), [
    ('linear_fuse.conv.weight', (128, 1, 1, 1)),
    ('linear_fuse.bn.running_var', (128,)),
    ('trans.transformer_blocks.4.token_mixer.dwconv_hw.weight', (392, 1, 3, 3)),
    ('trans.transformer_blocks.0.token_mixer.excite.0.weight', (392, 1, 1, 11)),
    ('trans.transformer_blocks.0.token_mixer.excite.3.weight', (392, 1, 11, 1)),
    ('SIM.2.fuse2.conv.weight', (128, 224, 1, 1)),
    ('meta.0.norm.weight', (48,)),
    ('meta.1.mlp.fc1.weight', (240, 120, 1, 1)),
    ('meta.1.gamma', (120,)),
    ('conv.1.weight', (120, 128, 1, 1)),
    ('lgc.conv_mask.weight', (1, 128, 1, 1)),
    ('lgc.channel_mul_conv.1.weight', (128, 1, 1)),
    ('lgc.channel_mul_conv.3.bias', (128,)),
    ('conv_seg.weight', (150, 128, 1, 1)),
])
def test_layers_have_the_names_and_shapes_of_the_released_state_dict(name, shape):
    assert _unfilled('cgrseg-t', 150).head.state_dict()[name].shape == shape


def _randomised(module):
    """Make the branches count that start at next to nothing; in double precision."""
    for name, parameter in module.named_parameters():
        if name.endswith('gamma'):
            torch.nn.init.uniform_(parameter, 0.2, 1.0)
        elif name.endswith(('channel_mul_conv.3.weight', 'conv_seg.weight')):
            torch.nn.init.normal_(parameter)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.2)
            torch.nn.init.normal_(norm.running_mean, std=0.2)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return module.double().eval()


@pytest.fixture
def head():
    torch.manual_seed(0)
    return _randomised(CGRSegHead(CHANNELS, 5, width=7, blocks=2, strip=3))


def _features(height, width, batch=1):
    return [torch.randn(batch, channels, height // stride, width // stride, dtype=torch.float64)
            for channels, stride in zip(CHANNELS, (4, 8, 16, 32))]


def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def _norm(norm, x):
    """Normalise the single channel of a double array."""
    scale = norm.weight.item() / math.sqrt(norm.running_var.item() + norm.eps)
    return (x - norm.running_mean.item()) * scale + norm.bias.item()


def test_calibration_equals_its_formula_cell_by_cell():
    torch.manual_seed(1)
    module = _randomised(RectangularCalibration(1, strip=3))
    x = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    across, norm, _, along, _ = module.excite
    with torch.no_grad():
        image = x[0, 0].numpy()
        means = np.pad([[image[y].mean() + image[:, i].mean() for i in range(5)]
                        for y in range(4)], ((0, 0), (1, 1)))
        rows = np.array([[max(0.0, _norm(norm, across.bias.item() + sum(
            across.weight[0, 0, 0, tap].item() * means[y, i + tap] for tap in range(3))))
            for i in range(5)] for y in range(4)])
        rows = np.pad(rows, ((1, 1), (0, 0)))
        mask = np.array([[_sigmoid(along.bias.item() + sum(
            along.weight[0, 0, tap, 0].item() * rows[y + tap, i] for tap in range(3)))
            for i in range(5)] for y in range(4)])
        expected = mask * module.dwconv_hw(x)[0, 0].numpy()
        assert np.allclose(module(x)[0, 0].numpy(), expected, atol=1e-12)


def test_a_calibration_block_adds_its_scaled_branch():
    torch.manual_seed(2)
    block = _randomised(CalibrationBlock(6, strip=5))
    x = torch.randn(1, 6, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        hidden = torch.nn.functional.gelu(block.mlp.fc1(block.norm(block.token_mixer(x))))
        assert torch.allclose(
            block(x), x + block.gamma.reshape(1, 6, 1, 1) * block.mlp.fc2(hidden), atol=1e-12)


def test_a_calibration_block_is_next_to_the_identity_at_the_first_step():
    torch.manual_seed(3)
    block = CalibrationBlock(6, strip=5).eval()
    x = torch.randn(1, 6, 4, 5)
    with torch.no_grad():
        assert torch.allclose(block(x), x, atol=1e-5)


def test_the_context_is_gathered_from_means_over_the_cells_of_stride_64():
    features = _features(128, 192)[1:]
    contexts = PyramidContext(CHANNELS[1:], blocks=0, strip=3)(features)
    for context, feature, side in zip(contexts, features, (8, 4, 2)):
        assert context.shape == (1, feature.shape[1], 2, 3)
        for y in range(2):
            for x in range(3):
                cells = feature[0, :, y * side:(y + 1) * side, x * side:(x + 1) * side]
                assert torch.allclose(context[0, :, y, x], cells.mean((1, 2)))


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_fusion_masks_the_local_map_by_the_enlarged_context(factor):
    torch.manual_seed(4)
    module = _randomised(Fusion(3, 2, factor))
    local = torch.randn(1, 3, 2 * factor, 3 * factor, dtype=torch.float64)
    context = 3.0 * torch.randn(1, 3, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        small = ((module.fuse2(context) + 3.0) / 6.0).clamp(0.0, 1.0)[0]
        values = module.fuse1(local)[0]
        fused = module(local, context)[0]
        for y in range(2 * factor):
            for x in range(3 * factor):
                row = min(max((y + 0.5) / factor - 0.5, 0.0), 1.0)
                column = min(max((x + 0.5) / factor - 0.5, 0.0), 2.0)
                top, left = int(row), int(column)
                bottom, right = min(top + 1, 1), min(left + 1, 2)
                mask = ((1 - row + top) * ((1 - column + left) * small[:, top, left]
                                           + (column - left) * small[:, top, right])
                        + (row - top) * ((1 - column + left) * small[:, bottom, left]
                                         + (column - left) * small[:, bottom, right]))
                assert torch.allclose(fused[:, y, x], mask * values[:, y, x], atol=1e-12)


def test_enlarging_after_the_convolutions_gives_the_same(head):
    features = _features(128, 192)
    with torch.no_grad():
        expected = head.decode(features)
        head.rearrange(None)
        got = head.decode(features)
    assert torch.allclose(got, expected, atol=1e-12)
    assert not torch.equal(got, expected)


def test_the_dynamic_prototypes_equal_their_formula_pixel_by_pixel(head):
    decoded = torch.randn(1, 7, 3, 4, dtype=torch.float64)
    first, norm, _, last = head.lgc.channel_mul_conv
    with torch.no_grad():
        got = head.classify(decoded)[0]
        pixels = decoded[0].flatten(1).T.numpy()
        classifier = head.conv_seg.weight[:, :, 0, 0].numpy()
        affine = head.linear_fuse(decoded)[0].flatten(1).T.numpy()
        coarse = np.array([classifier @ np.maximum(pixel, 0.0) + head.conv_seg.bias.numpy()
                           for pixel in affine])
        shares = np.exp(coarse) / np.exp(coarse).sum(0)
        prototypes = np.array([sum(share * pixel for share, pixel in zip(shares[:, k], pixels))
                               for k in range(5)])
        saliency = np.exp(prototypes @ head.lgc.conv_mask.weight.flatten().numpy()
                          + head.lgc.conv_mask.bias.item())
        mixed = sum(s * prototype for s, prototype in zip(saliency / saliency.sum(), prototypes))
        hidden = first.weight[:, :, 0, 0].numpy() @ mixed + first.bias.numpy()
        hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + norm.eps)
        hidden = np.maximum(
            norm.weight.flatten().numpy() * hidden + norm.bias.flatten().numpy(), 0.0)
        gate = last.weight[:, :, 0, 0].numpy() @ hidden + last.bias.numpy()
        gate = np.array([_sigmoid(value) for value in gate])
        assert gate.std() > 0.05
        for pixel, logits in zip(pixels, got.flatten(1).T.numpy()):
            expected = classifier @ (gate * pixel + pixel) + head.conv_seg.bias.numpy()
            assert np.allclose(logits, expected, atol=1e-9)


def test_every_channel_passes_half_at_the_first_step():
    head = CGRSegHead(CHANNELS, 5, width=7, blocks=1, strip=3)
    with torch.no_grad():
        assert torch.equal(head.lgc(torch.randn(2, 7, 5, 1)), torch.full((2, 7, 1, 1), 0.5))


def test_images_of_a_batch_do_not_see_each_other(head):
    features = _features(64, 128, batch=2)
    with torch.no_grad():
        both = head(features)
        for index in range(2):
            alone = head([feature[index:index + 1] for feature in features])
            assert torch.allclose(both[index:index + 1], alone, atol=1e-10)


@pytest.mark.parametrize('backbone', ['van-b0', 'mobilenetv2'])
def test_the_head_takes_the_maps_of_any_backbone(backbone):
    network = build(f'cgrseg-t-{backbone}', 11).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 128)).shape == (1, 11, 8, 16)


def test_a_size_that_is_no_multiple_of_64_is_refused_with_those_that_are():
    network = _unfilled('cgrseg-t', 11)
    with pytest.raises(ValueError, match='multiples of 64, such as 64x128 or 128x192'):
        network(torch.zeros(1, 3, 96, 160))


def test_both_sizes_of_the_base_head_differ_by_one_calibration_block():
    five, six = (sum(parameter.numel() for parameter in _unfilled(name, 19).parameters())
                 for name in ('cgrseg-b5', 'cgrseg-b6'))
    channels = 64 + 144 + 288
    assert six - five == 4 * channels ** 2 + (20 + 2 * 11) * channels
