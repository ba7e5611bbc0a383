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
"""YAML files of somebody else: what cannot be, or could do harm, is refused in a line or two."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.manifest import read_section

_BOMB = 'a0: &a0 [x, x]\n' + ''.join(
    f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]\n' for i in range(1, 9))


@pytest.mark.parametrize(('text', 'complaint'), [
    ('name: 2020-99-99', 'a date or a number that cannot be; quote it'),
    ('name: ' + '9' * 5000, 'a date or a number that cannot be'),
    ('name: 0b_', 'a date or a number that cannot be'),
    (f'name: {"1:" * 300}1.5', 'a date or a number that cannot be'),
    ('name: ' + '[' * 20_000, 'it is nested too deeply'),
    ('name: ' + '[' * 20_000 + ']' * 20_000, 'is nested too deeply'),
    ('name: &a [*a]', 'an anchor or an alias .*write the value out'),
    ('name: *a', 'an anchor or an alias .*write the value out'),
    (_BOMB, 'an anchor or an alias .*write the value out'),
    ('name: !!int ""', 'a tag .*leave it out'),
    ('name: !!python/object/apply:os.system [ls]', 'a tag .*leave it out'),
    ('name: a\nother: b\nname: c', "the key 'name' twice; remove one"),
    ('inner: {name: a, name: b}', "the key 'name' twice; remove one"),
    ('? [1]\n: 2', 'unhashable key'),
    ('name: "a', 'unexpected end of stream'),
    (f'? {"a" * 10_000}\n: [', 'expected the node content'),
    (f'name: !{"a" * 10_000}!b c', 'undefined tag handle'),
    ('a: 1\n---\nb: 2', 'expected a single document')])
def test_a_file_that_lies_is_refused_briefly_and_by_its_name(
        tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text(text)
    with pytest.raises(BundleError, match=r'some\.yaml is not valid YAML: ') as caught:
        read_section(file)
    assert re.search(complaint, str(caught.value))
    assert len(str(caught.value)) < 1000


def test_a_text_with_half_a_character_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text('name: "\\uD800"')
    with pytest.raises(BundleError, match=r"some\.yaml: 'name' must be .*printed, not '\\ud800'"):
        read_section(file).text('name')


def test_a_number_of_thousands_of_digits_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text(f'count: 0x{"f" * 20_000}')
    section = read_section(file)
    for read in (section.text, section.texts, lambda key: section.integer(key, 1, 9)):
        with pytest.raises(BundleError, match="some.yaml: 'count' must .*thousands of digits"):
            read('count')


def test_a_file_of_more_than_a_mebibyte_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text('#' * ((1 << 20) + 1))
    with pytest.raises(BundleError, match='some.yaml: it has 1048577 bytes, and at most 1048576'):
        read_section(file)


def test_the_same_value_at_two_keys_is_fine(tmp_path: Path) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text('one: {name: a}\ntwo: {name: a}\n3: b'.replace('3', "'3'"))
    section = read_section(file)
    assert section.section('one').text('name') == section.section('two').text('name') == 'a'
    assert section.keys() == ['one', 'two', '3']


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('a1:-&*!?<[]{},\'"\n \\xue.|>%@#~', max_size=60))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'some.yaml'
    file.write_text(text)
    try:
        read_section(file)
    except BundleError as error:
        assert 'some.yaml' in str(error)
