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
"""Variants of a model are timed side by side, each as what it says it is."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='the peers need torch: requirements/train.txt')
pytest.importorskip('openvino', reason='needs OpenVINO: requirements/openvino.txt')

import onnxruntime  # noqa: E402

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.deploy.float_model import float_model  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402

SHIPPED = Path(__file__).resolve().parents[2] / 'models' / 'frm-light-mobilenetv2'
SIZE = (64, 96)


@pytest.fixture(scope='module')
def bundle():
    return Bundle.load(SHIPPED)


def test_the_naive_way_computes_the_same_logits(bundle):
    model = bundle.verified_model('fp32')
    naive, mean, scale = float_model(model, SIZE)
    image = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    normalised = (image[0].transpose(2, 0, 1) - mean) * scale
    expected, got = (onnxruntime.InferenceSession(content).run(None, {name: tensor})[0]
                     for content, name, tensor in (
                         (model, 'image', image), (naive, _input(naive), normalised[None])))
    np.testing.assert_allclose(got, expected, atol=1e-4)


def _input(model):
    return onnxruntime.InferenceSession(model).get_inputs()[0].name


def test_the_file_tells_what_ran_and_how_long_every_stage_took(tmp_path, capsys):
    file = tmp_path / 'frame.json'
    assert main(['benchmark', 'frame', '--model', str(SHIPPED), '--precisions', 'fp32',
                 '--sizes', '64x96', '--camera', '90x160', '--threads', '1', '--rounds', '1',
                 '--seconds', '0.01', '--json', str(file)]) == 0
    results = json.loads(file.read_text())
    assert results['camera'] == [90, 160]
    assert results['machine']['cpu'] and results['commit'] and results['versions']['onnxruntime']
    for variant, provider in zip(results['variants'], ('cpu', 'openvino'), strict=True):
        assert variant['provider'] == variant['provider_run'] == provider
        assert set(variant['latency_ms']) == {'bare', 'segment', 'rules', 'naive'}
        assert variant['stages_ms']['segment']['infer']['p50'] > 0
        assert variant['stages_ms']['rules']['drivable']['p50'] > 0
        # Two runtimes add in another order; the label of a pixel in a thousand may hang on that.
        assert variant['label_agreement'] > 0.995
    assert results['variants'][0]['label_agreement'] == 1
    assert 'segment / bare' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'status', 'part'), [
    (['--sizes', '64x100'], 2, '64x100 does not fit'),
    (['--precisions', 'fp8'], 2, "no precision 'fp8'"),
    (['--input', 'nowhere.mp4'], 2, 'nowhere.mp4 does not exist'),
    (['--peers', 'nowhere'], 1, 'nowhere')], ids=['size', 'precision', 'input', 'peers'])
def test_what_cannot_be_timed_is_refused(arguments, status, part, capsys):
    assert main(['benchmark', 'frame', '--model', str(SHIPPED), '--camera', '90x160',
                 *arguments]) == status
    assert part in capsys.readouterr().err
