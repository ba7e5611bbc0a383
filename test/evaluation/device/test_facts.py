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
"""Which computer a report says it is of, and what it does not say."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from machines import DESKTOP
from machines import ORIN_NANO
from machines import laid_out

from frm_perception.evaluation.device.facts import device_facts
from frm_perception.evaluation.device.facts import without_folders
from frm_perception.runtime.processor import cpu_name

NAMES = st.text('abcXYZ0189-._', min_size=1).filter(lambda name: name.strip('.'))


def test_a_jetson_is_named_with_its_software_and_power_mode(tmp_path: Path) -> None:
    facts = device_facts(laid_out(tmp_path, ORIN_NANO))
    assert facts['name'] == 'NVIDIA Jetson Orin Nano Developer Kit'
    assert (facts['jetson_linux'], facts['jetpack']) == ('36.4', '6.1 or 6.2')
    assert facts['power_mode'] == 'MAXN_SUPER'
    assert facts['memory_mib'] == 7619


def test_another_computer_is_named_by_its_processor(tmp_path: Path) -> None:
    facts = device_facts(laid_out(tmp_path, DESKTOP))
    assert facts['name'] == cpu_name()
    assert (facts['jetson_linux'], facts['jetpack'], facts['power_mode']) == (None, None, None)
    assert 'CPUExecutionProvider' in facts['onnxruntime_offers']


@given(st.lists(NAMES, min_size=1), NAMES)
def test_of_a_path_the_name_of_the_file_is_left(folders: list[str], file: str) -> None:
    path = '/'.join(['', *folders, file])
    for before, after in (('', ''), ('cannot open ', ': no such file'), ('"', '"'), ('(', ')')):
        assert without_folders(f'{before}{path}{after}') == f'{before}{file}{after}'


def test_text_that_is_no_path_stays(tmp_path: Path) -> None:
    text = 'of 69 convolutions and/or products 3.5 images/s ran in fp32; see https://host/a/b'
    assert without_folders(text) == text
    assert without_folders(f'{Path.home()}/.cache/frm/x.onnx is damaged') == 'x.onnx is damaged'
