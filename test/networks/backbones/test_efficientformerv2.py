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
"""EfficientFormerV2: its cost, its attentions, and what a fixed size changes."""

import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')

from frm_perception.networks import BACKBONES  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import AttentionBlock  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import BiasedAttention  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import EfficientFormerV2  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import EfficientFormerV2Variant  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import ReducingAttention  # noqa: E402
from frm_perception.networks.backbones.efficientformerv2 import TalkingAttention  # noqa: E402
from frm_perception.networks.backbones.positional_bias import positional_bias  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402
from frm_perception.networks.layers import upsample  # noqa: E402

TINY = EfficientFormerV2Variant((8, 12, 16, 24), ((2,), (2,), (2, 2), (2, 2)), attentions=1)


def _randomised(module):
    """Make the branches count that start at next to nothing."""
    for name, parameter in module.named_parameters():
        if 'layer_scale' in name:
            torch.nn.init.uniform_(parameter, 0.2, 1.0)
        elif name.endswith('attention_biases_seg'):
            torch.nn.init.normal_(parameter)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.2)
            torch.nn.init.normal_(norm.running_mean, std=0.2)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return module.eval()


def _rearrange(backbone, size):
    for module in backbone.modules():
        if isinstance(module, BiasedAttention):
            module.rearrange(size)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return _randomised(EfficientFormerV2(TINY))


@pytest.mark.parametrize(('name', 'millions', 'gmac', 'attention_gmac'), [
    ('efficientformerv2-s0', 3.259, 1.997, 0.503),
    ('efficientformerv2-s1', 5.748, 3.335, 0.503),
    ('efficientformerv2-s2', 12.151, 6.405, 0.839),
    ('efficientformerv2-l', 25.578, 13.188, 1.174),
])
def test_parameters_and_multiply_adds_match_the_check_values(
        name, millions, gmac, attention_gmac):
    with torch.device('meta'):
        backbone = BACKBONES[name].make()
    cost = measure_cost(backbone, 512, 512)
    assert round(cost.parameters / 1e6, 3) == millions
    assert cost.convolutions / 1e9 == pytest.approx(gmac, rel=0.001)
    assert cost.attention / 1e9 == pytest.approx(attention_gmac, abs=0.0005)


@pytest.mark.parametrize(('name', 'shape'), [
    ('patch_embed.0.weight', (16, 3, 3, 3)),
    ('patch_embed.4.running_mean', (32,)),
    ('network.0.1.mlp.mid.weight', (128, 1, 3, 3)),
    ('network.1.proj.weight', (48, 32, 3, 3)),
    ('network.3.norm.bias', (96,)),
    ('network.4.4.token_mixer.stride_conv.0.weight', (96, 1, 3, 3)),
    ('network.4.5.token_mixer.attention_biases_seg', (8, 256)),
    ('network.4.5.layer_scale_1', (96, 1, 1)),
    ('network.5.attn.q.local.0.weight', (96, 1, 3, 3)),
    ('network.5.attn.q.proj.1.weight', (128,)),
    ('network.5.attn.attention_biases_seg', (8, 1024)),
    ('network.5.conv.weight', (176, 96, 3, 3)),
    ('network.6.2.token_mixer.v_local.0.weight', (1024, 1, 3, 3)),
    ('network.6.3.token_mixer.talking_head2.weight', (8, 8, 1, 1)),
    ('network.6.3.token_mixer.proj.1.weight', (176, 1024, 1, 1)),
])
def test_layers_have_the_names_and_shapes_of_the_released_state_dict(name, shape):
    with torch.device('meta'):
        backbone = BACKBONES['efficientformerv2-s0'].make()
    assert backbone.state_dict()[name].shape == shape


def _attention_query_by_query(module, query, x, mix_before, mix_after):
    """Return the values that each query attends to, and their local term, (C, h, w)."""
    rows, columns = query.shape[2:]
    bias = positional_bias(module.attention_biases_seg, rows, columns, module.step)
    queries = query[0].flatten(1).reshape(8, -1, rows * columns)
    keys = module.k(x)[0].flatten(1).reshape(8, -1, bias.shape[2])
    values = module.v(x)[0].flatten(1).reshape(8, -1, bias.shape[2])
    width = queries.shape[1]
    mixed = torch.empty(8, values.shape[1], rows * columns, dtype=x.dtype)
    for position in range(rows * columns):
        logits = torch.stack([queries[head, :, position] @ keys[head] / width ** 0.5
                              + bias[head, position] for head in range(8)])
        weights = mix_after(torch.softmax(mix_before(logits), dim=1))
        for head in range(8):
            mixed[head, :, position] = values[head] @ weights[head]
    return mixed.reshape(1, -1, rows, columns) + module.v_local(module.v(x))


def _across_heads(convolution):
    return lambda x: convolution.weight[:, :, 0, 0] @ x + convolution.bias[:, None]


@pytest.mark.parametrize('stride', [1, 2])
def test_attention_talks_across_heads_before_and_after_the_softmax(stride):
    torch.manual_seed(1)
    module = _randomised(TalkingAttention(6, stride)).double()
    x = 3.0 * torch.randn(1, 6, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        reduced = module.stride_conv(x) if stride == 2 else x
        expected = _attention_query_by_query(
            module, module.q(reduced), reduced,
            _across_heads(module.talking_head1), _across_heads(module.talking_head2))
        if stride == 2:
            expected = upsample(expected, 2)
        assert torch.allclose(module(x), module.proj(expected), atol=1e-9)


def test_the_downsampling_attends_from_every_other_cell_to_all():
    torch.manual_seed(2)
    module = _randomised(ReducingAttention(6, 10)).double()
    x = 3.0 * torch.randn(1, 6, 4, 8, dtype=torch.float64)
    with torch.no_grad():
        query = module.q.proj(module.q.local(x) + x[:, :, ::2, ::2])
        expected = _attention_query_by_query(module, query, x, lambda x: x, lambda x: x)
        assert module(x).shape == (1, 10, 2, 4)
        assert torch.allclose(module(x), module.proj(expected), atol=1e-9)


@pytest.mark.parametrize('only_size', [True, False])
@pytest.mark.parametrize('size', [(64, 64), (96, 160)])
def test_rearranged_attention_gives_the_same(tiny, size, only_size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    tiny.double()
    with torch.no_grad():
        expected = tiny(x)
        _rearrange(tiny, size if only_size else None)
        for got, feature in zip(tiny(x), expected):
            assert torch.allclose(got, feature, atol=1e-10)


def test_a_constant_bias_is_neither_learned_nor_saved(tiny):
    names = set(tiny.state_dict())
    _rearrange(tiny, (64, 96))
    assert set(tiny.state_dict()) == names
    assert not any(module.fixed_bias.requires_grad for module in tiny.modules()
                   if isinstance(module, BiasedAttention))


def test_the_position_changes_what_is_attended_to(tiny):
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        biased = tiny(x)
        for module in tiny.modules():
            if isinstance(module, BiasedAttention):
                torch.nn.init.zeros_(module.attention_biases_seg)
        unbiased = tiny(x)
    assert [torch.equal(a, b) for a, b in zip(biased, unbiased)] == [True, True, False, False]


def test_images_of_a_batch_do_not_see_each_other(tiny):
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        both = tiny(x)
        for index in range(2):
            for together, alone in zip(both, tiny(x[index:index + 1])):
                assert torch.allclose(together[index:index + 1], alone, atol=1e-5)


def test_every_table_learns(tiny):
    sum(feature.square().sum() for feature in tiny(torch.randn(1, 3, 64, 64))).backward()
    attentions = [module for module in tiny.modules() if isinstance(module, BiasedAttention)]
    assert len(attentions) == 3
    for module in attentions:
        assert module.attention_biases_seg.grad.abs().max() > 1e-3


def test_a_block_is_next_to_the_identity_at_the_first_step():
    torch.manual_seed(3)
    block = AttentionBlock(8, 4, drop_path=0.0, stride=1)
    x = torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        assert torch.allclose(block(x), x, atol=1e-3)
        assert not torch.equal(block(x), x)


def test_mixed_precision_keeps_the_logits_precise():
    # They are some hundreds here: 16 bits would round them by up to one.
    torch.manual_seed(4)
    module = ReducingAttention(128, 8).eval()
    module.k = torch.nn.Identity()
    query = 10.0 * torch.randn(1, 128, 2, 2).bfloat16()
    x = 10.0 * torch.randn(1, 128, 4, 4).bfloat16()
    with torch.no_grad():
        precise = module.attend(query.float(), x.float())
        with torch.autocast('cpu', torch.bfloat16):
            mixed = module.attend(query, x)
    assert (mixed - precise).abs().max() < 0.02 * precise.abs().max()
