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
"""An ablation trains every run once, goes on where it stopped, and says what is wrong with it."""

import json
import os
import re
import signal
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import yaml

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.ablation import load_ablation  # noqa: E402
from frm_perception.training.ablation import measure  # noqa: E402
from frm_perception.training.ablation_report import findings  # noqa: E402
from frm_perception.training.ablation_report import table  # noqa: E402
from frm_perception.training.loop import Run  # noqa: E402

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'ablation.yaml'
ORDER = [('frm', 0), ('none', 0), ('frm', 1), ('none', 1)]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    drive = RenderedDrive(3, 96, 128, 4)
    for index, name in enumerate(('A_0.png', 'A_1.png', 'B_0.png', 'B_1.png')):
        scene = drive[index]
        cv2.imwrite(str(folder / 'images' / name), scene.image[..., ::-1])
        cv2.imwrite(str(folder / 'labels' / name), scene.labels)
    return {'kind': 'folder', 'images': str(folder / 'images'), 'labels': str(folder / 'labels')}


@pytest.fixture
def content(data):
    return {
        'seeds': [0, 1],
        'variants': [{'name': 'frm', 'network': 'frm-light-mobilenetv2'},
                     {'name': 'none', 'network': 'fpn-mobilenetv2', 'loss': {'contrast': 0}}],
        'base': {'label_space': 'camvid', 'sources': [{**data, 'sequences': ['A']}],
                 'held_out': [{**data, 'sequences': ['B']}], 'iterations': 2, 'batch': 2,
                 'augmentation': {'height': 64, 'width': 64},
                 'loss': {'contrast_start': 1, 'contrast': 0.2}, 'precision': 'fp32'}}


def _write(content, folder):
    file = folder / 'ablation.yaml'
    file.write_text(yaml.safe_dump(content))
    return file


def _runs(results):
    return [(run['variant'], run['seed']) for run in results['runs']]


@pytest.mark.slow
def test_an_interrupted_ablation_goes_on_and_trains_nothing_twice(
        content, tmp_path, monkeypatch, capsys):
    file, folder = _write(content, tmp_path), tmp_path / 'runs'
    ablation = load_ablation(file)
    steps = []
    step = Run.step

    def counted(run, images, labels):
        steps.append(run.folder.name)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(run, images, labels)

    monkeypatch.setattr(Run, 'step', counted)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for results in measure(ablation, folder):
            seen.append(_runs(results))
    assert seen == [ORDER[:1]]

    seen = [_runs(results) for results in measure(ablation, folder)]
    assert seen == [ORDER[:count] for count in (1, 2, 3, 4)]
    assert steps == [f'{variant}-seed{seed}' for variant, seed in ORDER for _ in range(2)]

    # A kill after the last step, and before its measurement was noted.
    results = list(measure(ablation, folder))[-1]
    for name in ('result.json', 'log.jsonl'):
        (folder / 'frm-seed1' / name).unlink()
    output = tmp_path / 'ablation.json'
    assert main(['benchmark', 'ablation', str(file), '-o', str(folder),
                 '--json', str(output)]) == 0
    assert len(steps) == 8
    written = json.loads(output.read_text())
    assert written['differences'] == results['differences']
    assert written['planned_runs'] == 4
    printed = capsys.readouterr().out
    assert table(written) in printed
    assert findings(written) in printed
    # The time of a run is known where it was trained without a break.
    timed = {(run['variant'], run['seed']): run['seconds'] is not None
             for run in results['runs']}
    assert timed == {key: key != ('none', 0) for key in ORDER}
    costs = measure_cost(build('fpn-mobilenetv2', 11), 64, 64)
    none = written['variants'][1]
    assert (none['parameters'], none['convolutions']) == (costs.parameters, costs.convolutions)
    assert none['loss']['contrast'] == 0

    content['base']['iterations'] = 3
    assert main(['benchmark', 'ablation', str(_write(content, tmp_path)), '-o', str(folder)]) == 2
    assert re.search(r'frm-seed0/result\.json.*another iterations', capsys.readouterr().err)


def test_variants_differ_in_network_and_loss_alone(content, tmp_path):
    ablation = load_ablation(_write(content, tmp_path))
    frm, none = (variant.config for variant in ablation.variants)
    assert (frm.network, none.network) == ('frm-light-mobilenetv2', 'fpn-mobilenetv2')
    assert (frm.loss.contrast, none.loss.contrast) == (0.2, 0)
    assert frm.loss.contrast_start == none.loss.contrast_start == 1
    assert frm.sources == none.sources
    assert frm.seed == none.seed == 0


def test_a_variant_may_begin_with_other_weights(content, tmp_path):
    content['base']['start'] = 'base.tflite'
    content['variants'][1]['start'] = ''
    frm, none = (variant.config for variant in load_ablation(_write(content, tmp_path)).variants)
    assert (frm.start, none.start) == ('base.tflite', '')


def _changed(content, path, value):
    content = deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


@pytest.mark.parametrize(('path', 'value', 'message'), [
    (('seed',), [0, 1], r"ablation\.yaml: unknown key 'seed'; there are base, seeds, variants"),
    (('seeds',), [0], r'seeds: 2 to 11 different whole numbers'),
    (('seeds',), [0, 0], r'seeds: 2 to 11 different'),
    (('seeds',), [0, True], r'seeds: 2 to 11 different whole'),
    (('base', 'network'), 'frm-van-b0', r"base: 'network' does not belong here"),
    (('base', 'seed'), 0, r"base: 'seed' does not belong here"),
    (('base', 'iteration'), 5, r"base: unknown key 'iteration'"),
    (('base', 'held_out'), [], r'base: held_out is empty'),
    (('base', 'loss'), 3, r'base: loss: keys and values are needed'),
    (('variants',), [], r'variants: a list of two or more'),
    (('variants', 1, 'losses'), {}, r"variants\[1\]: unknown key 'losses'"),
    (('variants', 1), {'name': 'none'}, r"variants\[1\]: the key 'network' is missing"),
    (('variants', 1, 'name'), '../none', r'variants\[1\]: name: lower-case letters'),
    (('variants', 1, 'name'), 'frm', r'variants: every name must be another'),
    (('variants', 1, 'loss'), {'contrasts': 0}, r"variants: none: loss: unknown key 'contrasts'"),
    (('variants', 1, 'loss'), 0.1, r'variants: none: loss: keys and values are needed'),
])
def test_a_wrong_key_is_named(content, tmp_path, path, value, message):
    with pytest.raises(ValueError, match=message):
        load_ablation(_write(_changed(content, path, value), tmp_path))


@pytest.mark.parametrize(('path', 'value', 'message'), [
    (('variants', 1, 'network'), 'fnp-mobilenetv2', 'fnp-mobilenetv2'),
    (('base', 'augmentation'), {'height': 64, 'width': 96}, '64x96'),
])
def test_a_network_that_cannot_be_trained_is_refused_before_any_is(
        content, tmp_path, path, value, message):
    content['variants'].append({'name': 'cgrseg', 'network': 'cgrseg-t'})
    ablation = load_ablation(_write(_changed(content, path, value), tmp_path))
    with pytest.raises(ValueError, match=message):
        next(measure(ablation, tmp_path / 'runs'))
    assert not (tmp_path / 'runs').exists()


def test_a_missing_file_is_one_line_and_status_2(tmp_path, capsys):
    missing = str(tmp_path / 'missing.yaml')
    assert main(['benchmark', 'ablation', missing, '-o', str(tmp_path)]) == 2
    assert 'missing.yaml: cannot be read' in capsys.readouterr().err


def test_the_shipped_ablation_puts_the_claims_to_the_test():
    ablation = load_ablation(CONFIG)
    assert len(ablation.seeds) == 3
    contrast = {variant.name: variant.config.loss.contrast for variant in ablation.variants}
    assert contrast == {'frm': 0.1, 'none': 0.1, 'ppm': 0.1, 'aspp': 0.1, 'nonlocal': 0.1,
                        'frm-cross-entropy': 0}
    assert [variant.config.network for variant in ablation.variants] == [
        f'{head}-mobilenetv2' for head in ('frm', 'fpn', 'ppm', 'aspp', 'nonlocal', 'frm')]
    learned = {name for data in ablation.variants[0].config.sources for name in data.sequences}
    held_out = {name for data in ablation.variants[0].config.held_out for name in data.sequences}
    assert learned == {'0016E5'}
    assert held_out == {'0001TP', '0006R0'}


def test_the_shipped_comparison_of_backbones_gives_both_the_same_terms():
    imagenet, mobilenetv2, van = (
        variant.config for variant in load_ablation(CONFIG.with_name('backbones.yaml')).variants)
    assert imagenet.start and not mobilenetv2.start and not van.start
    assert replace(van, network=mobilenetv2.network) == mobilenetv2
    assert replace(mobilenetv2, start=imagenet.start) == imagenet
