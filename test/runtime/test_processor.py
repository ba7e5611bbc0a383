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
"""Which processor this is: what cached engines and recorded figures depend on."""

import platform
from pathlib import Path

import pytest

from frm_perception.runtime import processor
from frm_perception.runtime.processor import cpu_name
from frm_perception.runtime.processor import cpu_properties

ARM = """processor\t: 0
BogoMIPS\t: 62.50
Features\t: fp asimd evtstrm
CPU implementer\t: 0x41
CPU part\t: 0xd0b

processor\t: 1
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm
CPU implementer\t: 0x41
CPU part\t: 0xd05
"""


def test_this_processor_is_described_alike_every_time() -> None:
    assert cpu_properties() == cpu_properties()
    assert cpu_properties()['architecture'] == platform.machine()
    assert cpu_name()


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='of x86-64')
def test_the_instructions_of_an_x86_are_part_of_it() -> None:
    assert 'sse2' in cpu_properties()['flags'].split()
    assert cpu_name() == cpu_properties()['model name']


def test_different_cores_of_an_arm_are_all_described_and_speeds_are_not(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / 'cpuinfo'
    file.write_text(ARM)
    monkeypatch.setattr(processor, '_CPUINFO', file)
    assert cpu_properties() == {
        'architecture': platform.machine(), 'Features': 'fp asimd evtstrm',
        'CPU implementer': '0x41', 'CPU part': '0xd05 | 0xd0b'}
    assert cpu_name() == platform.machine()
