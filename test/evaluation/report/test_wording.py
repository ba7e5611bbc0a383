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
"""How figures are written for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.record import percent
from frm_perception.evaluation.report.wording import clock
from frm_perception.evaluation.report.wording import count
from frm_perception.evaluation.report.wording import duration
from frm_perception.evaluation.report.wording import escaped
from frm_perception.evaluation.report.wording import milliseconds
from frm_perception.evaluation.report.wording import some_of


@pytest.mark.parametrize(('seconds', 'text'), [
    (0, '0:00.0'), (59.96, '1:00.0'), (61.25, '1:01.2'), (3599.99, '1:00:00.0'),
    (36_610.5, '10:10:10.5'), (-1.5, '-0:01.5')])
def test_times_are_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(('written', 'text'), [
    (percent(0.98765), '98.8'), (percent(None), '-'), (milliseconds(12.34), '12.3'),
    (milliseconds(123.4), '123'), (milliseconds(None), '-'), (duration(12), '12.0 s'),
    (duration(600), '10.0 min'), (duration(7200), '2.0 h'), (count(1, 'frame'), '1 frame'),
    (count(12_000, 'frame'), '12,000 frames'), (count(2, 'class', 'classes'), '2 classes'),
    (some_of(['a', 'b', 'c'], 2), 'a, b and 1 more'), (some_of([]), '')])
def test_figures_are_written_alike_everywhere(written: str, text: str) -> None:
    assert written == text


@given(st.text())
def test_no_text_changes_a_line_of_markdown(text: str) -> None:
    written = escaped(text)
    assert len(written.splitlines()) <= 1
    for character in '`*_[]<>|#~':
        assert written.count(character) == written.count(f'\\{character}')
