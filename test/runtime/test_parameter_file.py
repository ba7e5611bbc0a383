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
"""Parameters of a file of ROS, read without ROS."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies

from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.parameter_file import read_parameter_file

ROOT = Path(__file__).resolve().parents[2]


def _read(folder: Path, text: str, node: str = '/segmenter') -> dict[str, object]:
    file = folder / 'parameters.yaml'
    file.write_text(text, encoding='utf-8')
    return read_parameter_file(file, node)


@pytest.mark.parametrize('file', sorted((ROOT / 'config').glob('*.yaml')), ids=lambda p: p.name)
def test_the_shipped_files_are_read(file: Path) -> None:
    assert isinstance(read_parameter_file(file, '/segmenter')['cameras'], list)


@pytest.mark.parametrize('name', [
    '/**', '/*', 'segmenter', '/segmenter', '/**/segmenter', '**'])
def test_a_name_may_have_wildcards(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, f'{name!r}:\n  ros__parameters:\n    threads: 3\n') == {'threads': 3}


def test_what_stands_further_down_counts_and_names_may_be_nested(tmp_path: Path) -> None:
    text = ('/**:\n  ros__parameters:\n    threads: 3\n    provider: cuda\n'
            '/**/segmenter:\n  ros__parameters:\n    threads: 4\n    a: {b: {c: 1}}\n')
    assert _read(tmp_path, text) == {'threads': 4, 'provider': 'cuda', 'a.b.c': 1}


def test_a_node_in_a_namespace_has_its_own(tmp_path: Path) -> None:
    text = ('front:\n  segmenter:\n    ros__parameters:\n      threads: 1\n'
            '/rear/segmenter:\n  ros__parameters:\n    threads: 2\n')
    assert _read(tmp_path, text, '/front/segmenter') == {'threads': 1}
    assert _read(tmp_path, text, '/rear/segmenter') == {'threads': 2}
    with pytest.raises(BundleError, match='it has parameters of /front/segmenter, /rear/segm'):
        _read(tmp_path, text)


@pytest.mark.parametrize(('text', 'complaint'), [
    ('', 'must be a mapping'), ('a: 1', 'must be a mapping'), ('[', 'not valid YAML'),
    ('a: {b: 1}', 'no ros__parameters'), ('/**: {ros__parameters: 3}', 'must be a mapping'),
    ('/**: &x {ros__parameters: {}}', 'anchor'),
])
def test_what_is_no_parameter_file_is_refused_by_name(tmp_path: Path, text: str, complaint: str
                                                      ) -> None:
    with pytest.raises(BundleError, match=complaint) as caught:
        _read(tmp_path, text)
    assert 'parameters.yaml' in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='gone.yaml'):
        read_parameter_file(tmp_path / 'gone.yaml', '/segmenter')


@given(text=strategies.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        _read(tmp_path_factory.getbasetemp(), text)
    except BundleError:
        pass
