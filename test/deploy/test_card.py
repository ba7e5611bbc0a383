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
"""The card says what the manifest says, in words, and claims nothing else."""

import re
from dataclasses import replace

import pytest
import yaml

pytest.importorskip('torch', reason='the card describes the networks: requirements/train.txt')

from frm_perception.deploy.ancestors import IMAGENET  # noqa: E402
from frm_perception.deploy.card import card_text  # noqa: E402
from frm_perception.deploy.data_sources import DataSource  # noqa: E402
from frm_perception.deploy.data_sources import licence  # noqa: E402
from frm_perception.deploy.data_sources import licence_of_weights  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.training.config import BDD100KData  # noqa: E402
from frm_perception.training.config import CamVidData  # noqa: E402
from frm_perception.training.config import CityscapesData  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import RenderedData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.config import UnlabelledData  # noqa: E402
from frm_perception.training.config import as_plain  # noqa: E402

DATA = (CamVidData('data/camvid', without=('0006R0',)), CityscapesData('data/cityscapes'),
        BDD100KData('data/bdd'), FolderData('mine/images', 'mine/labels'),
        RenderedData(150, 6, 360, 640),
        UnlabelledData('drive.mp4', 'models/city.tflite', 'models/road.xml'),
        FolderData('theirs/images', 'theirs/labels', licence='MIT'))
CONFIG = TrainingConfig('frm-light-mobilenetv2', 'camvid', DATA, (CamVidData('data/camvid'),))


def _figures(images, first):
    """Make up figures that are all different; of class 2 there is nothing to measure."""
    iou = {name: (first + index) / 1000 for index, name in enumerate(CAMVID.classes)}
    return {'images': images, 'mean_iou': first / 1000 + 0.3, 'drivable_iou': first / 1000 + 0.4,
            'pixel_accuracy': first / 1000 + 0.5, 'mean_boundary_iou': first / 1000 + 0.2,
            'drivable_boundary_iou': None, 'calibration_error': first / 1000 + 0.1,
            'iou': {**iou, 'pole': None}}


def _accuracy(first, names=('0001TP', '0006R0')):
    return {'resolution': '384x640', 'provider': 'cpu', **_figures(100, first),
            'sequences': {name: _figures(50, first + 20 * (index + 1))
                          for index, name in enumerate(names)},
            'partly_trained_on': [], 'seen_before': 0}


def _other(**more):
    return {'checkpoint': 'runs/part/checkpoint.pt', 'iterations': 1600, 'commit': 'c0ffee',
            'held_out': ['0001TP', '0006R0'], 'learned_by_this_file': ['0006R0'],
            'differs_in': [], 'accuracy': _accuracy(400), **more}


def _gate(on, **losses):
    return {'gate': {'on': on, 'images': 123, 'resolution': '384x640', 'provider': 'cpu',
                     'label_agreement': 0.99871, **losses,
                     'limits': {'agreement': 0.98, 'mean_iou_loss': 0.01,
                                'drivable_iou_loss': 0.005}}}


def _manifest(own=None, others=(), variants=None, **training):
    sources = [DataSource(CONFIG, data, 367, []) for data in DATA]
    return {
        'name': 'roads', 'network': 'frm-light-mobilenetv2', 'backbone': 'mobilenetv2',
        'head': 'frm-light',
        'label_space': {'name': 'camvid', 'classes': list(CAMVID.classes), 'drivable': ['road']},
        'input': {'name': 'image', 'multiple_of': 32, 'min': [64, 64], 'max': [1088, 2048],
                  'default': [384, 640], 'padding': [124, 116, 104]},
        'output': {'name': 'logits', 'stride': 4},
        'precisions': {'fp32': {'accuracy': own or {}},
                       **{name: {'accuracy': its} for name, its in (variants or {}).items()}},
        'training': {
            'iterations': 3000, 'batch': 8, 'data': [source.manifest() for source in sources],
            'learned_from': [], 'commit': 'beef',
            'licence': licence_of_weights({licence(data) for data in DATA}),
            'command': 'frm export runs/whole/checkpoint.pt -o models/roads',
            'export': {'commit': 'f00d', 'versions': {'torch': '2.13.0'}},
            'config': as_plain(CONFIG), 'validation': list(others), **training}}


def _section(card, title):
    return card.partition(f'\n## {title}\n')[2].partition('\n## ')[0]


def test_figures_of_the_file_are_told_from_those_of_other_runs():
    card = card_text(_manifest(_accuracy(100), [_other(differs_in=['seed', 'start'])]), True)
    own, _, other = _section(card, 'Figures').partition('### Not this file')
    assert '### This very file' in own
    assert '| **all together** | 100    | 40.0%' in own
    assert '| 0006R0           | 50     | 44.0%' in own
    assert '| 40.0% ' not in other.partition('| IoU of')[0]
    assert '`runs/part/checkpoint.pt`' in other
    assert 'held out 0001TP, 0006R0. The file in this bundle learned from 0006R0.' in other
    assert '1600 iterations, the file in this bundle 3000; they differ in seed, start' in other
    assert '| **all together** | 100    | 70.0%' in other


def test_no_figure_is_in_the_card_that_the_manifest_lacks():
    manifest = _manifest(_accuracy(100), [_other()], {
        'fp16': {**_accuracy(150), **_gate('its roads')}, 'bf16': _gate('its roads')})
    card = card_text(manifest, True)
    known = {f'{value:.1%}' for value in _numbers(manifest)} | {'99.87%', '98.00%'}
    found = set(re.findall(r'[0-9.]+%', card))
    assert len(found) > 50
    assert found <= known


def _numbers(content):
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [number for item in content for number in _numbers(item)]
    return [content] if isinstance(content, float) else []


def test_what_did_not_occur_has_a_dash():
    card = card_text(_manifest(_accuracy(100)), True)
    assert re.search(r'\| pole +\| - +\| - +\| - +\|', card)
    assert 'nan' not in card
    assert 'None' not in card


def test_without_measurement_the_card_has_no_figures_and_says_why():
    card = card_text(_manifest(), False)
    assert '%' not in card
    assert 'Nothing was held out' in _section(card, 'Figures')
    assert '--validated-by' in _section(card, 'Figures')
    assert 'failures.jpg' not in card


def test_half_precision_without_own_figures_has_those_of_the_gate_alone():
    card = card_text(_manifest(variants={'fp16': _gate('the first training images')}), False)
    part = card.partition('### Half precision, `fp16.onnx`')[2].partition('\n## ')[0]
    assert 'on 123 images (the first training images) at 384x640, computed by cpu' in part
    assert '99.87% of the pixels keep the label of fp32' in part
    assert 'mean IoU was not measured; drivable IoU was not measured. Demanded: at least ' in part
    assert 'at least 98.00% of the labels. That is' in part
    assert '|' not in part


def test_a_quantised_file_has_its_losses_its_calibration_and_what_was_left_in_32_bits():
    int8 = {**_gate('val', mean_iou=0.6, mean_iou_loss=-0.0012, drivable_iou=0.9,
                    drivable_iou_loss=0.0034),
            'calibration': {'data': 'drive.mp4', 'images': 64, 'method': 'MinMax'},
            'in_higher_precision': ['network.stem', 'network.last']}
    card = card_text(_manifest(variants={'int8': int8, 'int8-tensorrt': {
        **int8, 'in_higher_precision': []}}), False)
    cpu, _, tensorrt = card.partition('### 8 bits for TensorRT, `int8-tensorrt.onnx`')
    part = cpu.partition('### 8 bits for CPUs, `int8.onnx`')[2]
    assert 'mean IoU is 60.00%, a loss of -0.12 points' in part
    assert 'drivable IoU is 90.00%, a loss of 0.34 points' in part
    assert ('Demanded: at least 98.00% of the labels, at most 1.00 points of mean IoU and 0.50 '
            'points of drivable IoU lost. That is') in part
    assert 'Calibrated on 64 images (drive.mp4)' in part
    assert 'by measurement: network.stem, network.last.' in part
    assert 'by measurement: no layer.' in tensorrt


def test_the_classes_it_is_worst_at_are_named_by_their_figures():
    failures = _section(card_text(_manifest(_accuracy(100)), True), 'Where it fails')
    assert 'sky 10.0%, building 10.1%, road 10.3%' in failures
    assert '](failures.jpg)' in failures


@pytest.mark.parametrize(('name', 'terms'), [
    ('CamVid, train, without 0006R0', 'CC BY-NC 4.0'), ('Cityscapes, train', 'non-commercial'),
    ('BDD100K, semantic segmentation, train', 'research and not-for-profit'),
    ('mine/images, labelled with camvid', 'not stated'),
    ('150 rendered drives, 6 frames each', 'Apache-2.0'),
    ('drive.mp4, labelled by city.tflite and road.xml', 'not stated'),
    ('theirs/images, labelled with camvid', 'MIT')])
def test_all_data_are_listed_with_counts_and_licences(name, terms):
    (row,) = [line for line in _section(card_text(_manifest(), False), 'What it learned from')
              .splitlines() if line.startswith(f'| {name}')]
    assert terms in row
    assert '| 367 ' in row


@pytest.mark.parametrize(('kinds', 'weights'), [
    ((0, 4), 'research use'), ((1, 3), 'research use'), ((2,), 'research use'),
    ((3, 4), 'not stated'), ((5, 6), 'not stated'), ((4,), 'Apache-2.0'),
    ((4, 6), 'as the data allow: MIT')])
def test_weights_are_as_free_as_the_least_free_data(kinds, weights):
    assert licence_of_weights({licence(DATA[kind]) for kind in kinds}).startswith(weights)


def test_the_runs_before_it_are_told_with_their_data():
    learned_from = [
        {'role': 'start', 'checkpoint': 'runs/before.pt',
         'data': [DataSource(CONFIG, DATA[3], 12, []).manifest()]},
        {'role': 'teacher', 'checkpoint': 'runs/gone.pt', 'data': None}]
    told = _section(card_text(_manifest(learned_from=learned_from), False), 'What it learned from')
    before, _, gone = told.partition('Teacher: `runs/gone.pt`')
    assert 'Weights to begin with: `runs/before.pt`' in before
    assert '| 12 ' in before
    assert 'not known' in gone


def test_the_recipes_of_the_runs_before_it_and_their_sum_are_told():
    before = as_plain(replace(CONFIG, iterations=1700, batch=4))
    run = {'role': 'start', 'checkpoint': 'runs/before.pt', 'data': [], 'iterations': 1700,
           'commit': 'cafe', 'config': before}
    pretrained = {'role': 'pretrained', 'checkpoint': 'net.tflite', 'data': [IMAGENET]}
    gone = {'role': 'start', 'checkpoint': 'runs/gone.pt', 'data': None}
    unknown = {**run, 'checkpoint': 'runs/old.pt', 'commit': None}
    card = card_text(_manifest(
        others=[_other(iterations_in_all=1900, data=[IMAGENET])],
        learned_from=[run, pretrained, unknown, gone], iterations_in_all=4700), False)
    recipe = _section(card, 'Recipe')
    assert '3000 iterations of 8 images (4700 with the runs that it began with)' in recipe
    assert '`runs/before.pt`: 1700 iterations of 4 images at commit `cafe` with' in recipe
    blocks = [yaml.safe_load(part.partition('```')[0]) for part in recipe.split('```yaml\n')[1:]]
    assert blocks == [as_plain(CONFIG), before, before]
    assert '`runs/old.pt`: 1700 iterations of 4 images at a commit that is not' in recipe
    assert 'How `runs/gone.pt` (start) was trained is not recorded' in recipe
    assert 'ImageNet' in _section(card, 'What it learned from')
    assert 'Pretrained weights: `net.tflite`' in card
    figures = _section(card, 'Figures')
    assert '1600 iterations (1900 with the runs that it began with), the file in' in figures
    assert 'The run of these figures learned from\n\n| data' in figures


def test_doubts_about_the_held_out_images_stand_beside_the_figures():
    doubtful = {**_accuracy(100), 'partly_trained_on': ['0001TP'], 'seen_before': 7}
    figures = _section(card_text(_manifest(doubtful), True), 'Figures')
    assert 'learned from other images of 0001TP' in figures
    assert '7 of the 100 images were not unseen' in figures


def test_the_recipe_has_configuration_commands_commits_and_versions():
    recipe = _section(card_text(_manifest(), False), 'Recipe')
    content = yaml.safe_load(recipe.partition('```yaml\n')[2].partition('```')[0])
    assert content == as_plain(CONFIG)
    assert content['sources'][0]['kind'] == 'camvid'
    for part in ('3000 iterations of 8 images', '`beef`', '`f00d`', 'torch 2.13.0',
                 'frm export runs/whole/checkpoint.pt -o models/roads', 'frm train CONFIG.yaml'):
        assert part in recipe


def test_a_training_that_was_cut_short_is_told():
    card = card_text(_manifest(iterations=1200), False)
    assert '1200 iterations (of 3000 that were planned)' in card


def test_the_contract_of_a_model_of_one_size_names_that_size_alone():
    manifest = _manifest()
    assert 'from 64x64 to 1088x2048, 384x640 unless' in card_text(manifest, False)
    manifest['input'] |= {'min': [512, 1024], 'max': [512, 1024], 'default': [512, 1024]}
    use = _section(card_text(manifest, False), 'How to use it')
    assert 'height and width are 512x1024, and nothing else' in use
    assert 'frm segment IMAGE.jpg -o out --model PATH/TO/roads' in use
