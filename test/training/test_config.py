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
"""A training configuration is read strictly."""

from dataclasses import asdict
from pathlib import Path

import pytest

from frm_perception.training.config import load_config
from frm_perception.training.config import parse_config

REPOSITORY = Path(__file__).parents[2]
MINIMAL = """
network: frm-light-mobilenetv2
label_space: camvid
sources: [{kind: folder, images: a, labels: b, weight: 2}]
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / 'config.yaml'
        file.write_text(text)
        return file
    return write


def test_a_minimal_file_gets_the_defaults(write):
    config = load_config(write(MINIMAL))
    assert config.batch == 8
    assert config.sources[0].weight == 2.0


@pytest.mark.parametrize(('line', 'message'), [
    ('batchsize: 4', "unknown key 'batchsize'"),
    ('batch: four', 'batch: int is needed'),
    ('batch: true', 'batch: int is needed'),
    ('batch: 0', 'batch is 0; it must be at least 1'),
    ('precision: fp8', 'precision: one of bf16, fp32 is needed'),
    ('augmentation: {width: 500}', 'augmentation: width is 500; it must divide by 32'),
    ('augmentation: {min_scale: 3}', 'min_scale must be positive and no more than'),
    ('augmentation: {photometric: 1.5}', 'photometric is 1.5; it is a share, 0 to 1'),
    ('augmentation: {paste: 0.5}', 'paste and pasted go together'),
    ('augmentation: {pasted: [road]}', 'paste and pasted go together'),
    ('loss: {class_weights: {pole: two}}', 'loss: class_weights: pole: float is needed'),
    ('loss: {distillation: {weight: 1}}', "distillation: the key 'teacher' is missing"),
    ('held_out: [{kind: rendered}]', r'held_out\[0\]: kind must be one of camvid, cityscapes'),
    ('held_out: [{root: a}]', r'held_out\[0\]: kind must be one of'),
    ('held_out: [{kind: camvid}]', r"held_out\[0\]: the key 'root' is missing"),
    ('seed: -1', 'seed is -1; it must be 0 to 4294967295'),
    ('optimiser: {learning_rate: -1.0e-3}', 'learning_rate is -0.001; it must be more than 0'),
    ('optimiser: {learning_rate: .nan}', 'learning_rate is nan; it must be more than 0'),
    ('optimiser: {weight_decay: -1}', 'weight_decay is -1.0; it must not be negative'),
    ('optimiser: {average_decay: 1.5}', 'average_decay is 1.5; it is a share, 0 to 1'),
    ('loss: {hard_examples: 1.5}', 'hard_examples is 1.5; it is a probability, 0 to 1'),
    ('loss: {contrast: -0.1}', 'loss: contrast is -0.1; it must not be negative'),
    ('loss: {auxiliary: -0.1}', 'loss: auxiliary is -0.1; it must not be negative'),
    ('loss: {class_weights: {pole: -2}}', 'loss: class_weights: pole is -2.0; it must not'),
    ('loss: {distillation: {teacher: t, temperature: 0}}', 'temperature is 0.0; it must be more'),
    ('held_out: 3', 'held_out: a list is needed'),
])
def test_a_wrong_key_or_value_is_refused_by_file_and_key(write, line, message):
    file = write(MINIMAL + line)
    with pytest.raises(ValueError, match=message) as error:
        load_config(file)
    assert str(file) in str(error.value)


def test_a_number_that_yaml_takes_for_a_text_is_a_number(write):
    config = load_config(write(MINIMAL + 'optimiser: {learning_rate: 1e-3, weight_decay: 5E-2}'))
    assert config.optimiser.learning_rate == 0.001
    assert config.optimiser.weight_decay == 0.05


def test_what_is_not_yaml_or_not_there_is_refused_by_name(write, tmp_path):
    with pytest.raises(ValueError, match=r'config\.yaml'):
        load_config(write('a: [1'))
    with pytest.raises(ValueError, match=r'missing\.yaml'):
        load_config(tmp_path / 'missing.yaml')


@pytest.mark.parametrize(
    'file', sorted((REPOSITORY / 'config' / 'training').glob('frm-*.yaml')), ids=lambda f: f.stem)
def test_every_configuration_in_the_repository_loads(file):
    assert load_config(file).iterations > 0


@pytest.mark.parametrize(('sources', 'message'), [
    ('[]', 'sources is empty'),
    ('[{kind: camvid, root: a, weight: 0}]', 'every weight must be positive'),
    ('[{kind: rendered, drives: 1}]', r"sources\[0\]: the key 'frames' is missing"),
])
def test_sources_that_give_nothing_are_refused(write, sources, message):
    with pytest.raises(ValueError, match=message):
        load_config(write(f'network: a\nlabel_space: camvid\nsources: {sources}'))


def test_what_a_checkpoint_keeps_is_read_back_the_same(write):
    config = load_config(write(MINIMAL + """
held_out: [{kind: camvid, root: c, without: [a]}, {kind: cityscapes, root: d, classes: {car: []}}]
loss: {distillation: {teacher: t}, class_weights: {pole: 2}}
"""))
    assert parse_config(asdict(config), 'a checkpoint') == config
