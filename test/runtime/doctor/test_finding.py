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
"""Findings together."""

import pytest

from frm_perception.runtime.doctor.clock import check_clock
from frm_perception.runtime.doctor.clock import kernel_clock_state
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.finding import worst


@pytest.mark.parametrize(('levels', 'expected'), [
    ((), Level.OK), ((Level.SKIPPED,), Level.OK), ((Level.OK, Level.SKIPPED), Level.OK),
    ((Level.WARNING, Level.OK), Level.WARNING),
    ((Level.OK, Level.ERROR, Level.WARNING), Level.ERROR)])
def test_the_worst_counts_and_what_does_not_apply_does_not(
        levels: tuple[Level, ...], expected: Level) -> None:
    assert worst([Finding('check', level, '', '') for level in levels]) is expected


def test_the_kernel_tells_of_its_clock() -> None:
    assert kernel_clock_state() in range(6)


@pytest.mark.parametrize(('state', 'level'), [
    (0, Level.OK), (1, Level.OK), (5, Level.WARNING), (None, Level.SKIPPED)])
def test_a_clock_that_nobody_synchronises_is_worth_a_warning(state: int | None, level: Level
                                                             ) -> None:
    assert check_clock(state).level is level
