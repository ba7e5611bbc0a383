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

from pathlib import Path

import pytest

from frm_perception.training.config import load_config

REPOSITORY = Path(__file__).parents[2]
MINIMAL = """
network: frm-light-mobilenetv2
label_space: camvid
held_out: {images: a, labels: b}
folders: [{images: a, labels: b, weight: 2}]
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
    assert config.folders[0].weight == 2.0


@pytest.mark.parametrize(('line', 'message'), [
    ('batchsize: 4', "unknown key 'batchsize'"),
    ('batch: four', 'batch: int is needed'),
    ('batch: true', 'batch: int is needed'),
    ('crop_width: 500', 'crop_width is 500; it must divide by 32'),
    ('rendered: [{drives: 1}]', "rendered\\[0\\]: the key 'frames' is missing"),
    ('rendered: 3', 'rendered: a list is needed'),
])
def test_a_wrong_key_or_value_is_refused_by_file_and_key(write, line, message):
    file = write(MINIMAL + line)
    with pytest.raises(ValueError, match=message) as error:
        load_config(file)
    assert str(file) in str(error.value)


def test_what_is_not_yaml_or_not_there_is_refused_by_name(write, tmp_path):
    with pytest.raises(ValueError, match=r'config\.yaml'):
        load_config(write('a: [1'))
    with pytest.raises(ValueError, match=r'missing\.yaml'):
        load_config(tmp_path / 'missing.yaml')


@pytest.mark.parametrize(
    'file', sorted((REPOSITORY / 'config' / 'training').glob('*.yaml')), ids=lambda f: f.stem)
def test_every_configuration_in_the_repository_loads(file):
    assert load_config(file).iterations > 0
