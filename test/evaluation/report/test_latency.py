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
"""The histogram of the latency."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.report.latency import histogram


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=200))
def test_any_latencies_have_a_picture(values: list[float]) -> None:
    picture = histogram(np.array(values), percentiles(values))
    assert picture.bars.startswith('M') and 'nan' not in picture.bars
    for _, place, _ in picture.lines:
        assert 0 <= place <= picture.width


def test_what_takes_much_longer_is_told_and_does_not_flatten_the_rest() -> None:
    values = np.concatenate([np.linspace(20, 30, 999), [10_000.0]])
    picture = histogram(values, {'p50': 25.0, 'max': 10_000.0})
    assert picture.beyond == 1
    assert picture.lines[0][0] == 'p50 25.0 ms' and 0.1 < picture.lines[0][1] / 1000 < 0.9


@pytest.mark.parametrize('value', [0.0, 12.5])
def test_latencies_that_are_all_alike_are_one_bar(value: float) -> None:
    assert histogram(np.full(9, value), {}).bars.count('Z') == 1
