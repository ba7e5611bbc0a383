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
"""PyTorch computes what ONNX Runtime does, and says that it has no GPU where there is none."""

from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_model

torch = pytest.importorskip('torch', reason='needs torch: requirements/train.txt')

from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.engines import EngineOptions  # noqa: E402
from frm_perception.runtime.engines import ProviderError  # noqa: E402
from frm_perception.runtime.engines import open_engine  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402

SHIPPED = Path(__file__).resolve().parents[3] / 'models' / 'frm-light-mobilenetv2'
SIZE = (64, 96)
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')


@pytest.fixture(scope='module')
def model():
    return Bundle.load(SHIPPED).verified_model('fp32')


def options(provider='torch', **more):
    return EngineOptions(provider, size=SIZE, network='frm-light-mobilenetv2', **more)


def test_its_logits_are_those_of_onnx_runtime(model):
    engine, reference = (open_engine(model, 'fp32.onnx', options(provider))
                         for provider in ('torch', 'cpu'))
    batch = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    np.testing.assert_allclose(engine.infer(batch), reference.infer(batch), atol=1e-4)
    assert (engine.input, engine.output) == (reference.input, reference.output)
    assert engine.first_shape == reference.first_shape
    assert engine.precision == 'fp32'


@without_gpu
def test_the_cpu_is_a_fallback_that_is_told_and_refused_where_a_gpu_is_required(model):
    engine = open_engine(model, 'fp32.onnx', options())
    assert engine.provider == 'torch on the CPU'
    assert engine.fallback.startswith('provider torch was asked for, but of 69 convolutions')
    with pytest.raises(ProviderError, match='torch on the CPU ran 69'):
        open_engine(model, 'fp32.onnx', options(require_provider=True))


def test_the_segmenter_runs_on_it_by_its_name():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    bundle = Bundle.load(SHIPPED)
    labels = []
    for provider in ('torch', 'cpu'):
        with Segmenter.load(bundle, resolution='64x96', provider=provider) as segmenter:
            labels.append(segmenter.segment(image).labels)
    assert np.mean(labels[0] == labels[1]) > 0.999


def test_a_network_that_cannot_be_rebuilt_is_replaced_and_named_or_refused():
    engine = open_engine(tiny_model(), 'tiny.onnx', options())
    assert engine.provider == 'cpu'
    assert 'it cannot run tiny.onnx: the model is of another network' in engine.fallback
    assert 'ONNX Runtime on the CPU does the work' in engine.fallback
    with pytest.raises(ProviderError, match='cannot run tiny.onnx'):
        open_engine(tiny_model(), 'tiny.onnx', options(require_provider=True))


@pytest.mark.parametrize('precision', ['fp16', 'int8'])
def test_another_precision_than_fp32_is_refused(model, precision):
    with pytest.raises(ValueError, match=f"{precision} cannot be had of provider 'torch'"):
        open_engine(model, 'fp32.onnx', options(precision=precision))
