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
"""What is said of a computer, and what becomes of a report that was sent."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.device.report import ReportError
from frm_perception.evaluation.device.report import devices_table
from frm_perception.evaluation.device.report import read_report
from frm_perception.evaluation.device.report import rows
from frm_perception.evaluation.device.report import table

ROOT = Path(__file__).resolve().parents[3]


def variant(provider: str, precision: str, p50: float, agreement: float) -> dict[str, Any]:
    """Return what is known of a variant that ran."""
    latency = {'p50': p50, 'p95': p50 + 1, 'p99': p50 + 2, 'max': p50 + 3}
    return {
        'model': 'light', 'input': [384, 640], 'provider': provider, 'provider_run': provider,
        'precision': precision, 'precision_run': precision, 'label_agreement': agreement,
        'load_s': 1.5, 'engine': 'built', 'resident_mib': 300.0, 'latency_ms': latency,
        'stages_ms': {'infer': latency}, 'seconds': 60.0, 'p50_ms_of_parts': [p50, p50 * 1.25]}


def report(**device: str) -> dict[str, Any]:
    """Return a whole report, of a device whose fastest engine is wrong."""
    good = variant('tensorrt', 'fp16', 8.0, 0.999)
    state = {'celsius': {'tj-thermal': {'before': 48.0, 'hottest': 71.5, 'after': 70.0}},
             'megahertz': {}, 'throttled': [], 'readings': 61,
             'load': {'before': 0.1, 'most': 2.3}}
    return {
        'benchmark': 'device', 'format': 1, 'date': '2026-11-30', 'interrupted': False,
        'device': {'name': 'NVIDIA Jetson Orin Nano Developer Kit', 'jetson_linux': '36.4',
                   'jetpack': '6.2', 'power_mode': '25W', 'cuda': '12.6', 'tensorrt': '10.3.0',
                   'gpu': None, 'memory_mib': 7619, 'onnxruntime_offers': [], **device},
        'machine': {'cpu': 'aarch64', 'cores': 6, 'load': 0.1, 'os': 'Ubuntu 22.04',
                    'kernel': '5.15', 'architecture': 'aarch64'},
        'commit': 'unknown', 'versions': {'onnxruntime-gpu': '1.23.0'}, 'camera': [1080, 1920],
        'images': 10, 'state': state,
        'variants': [variant('cuda', 'fp32', 9.0, 1.0), good,
                     variant('tensorrt', 'int8', 4.0, 0.71)],
        'failures': [{'model': 'light', 'input': [384, 640], 'provider': 'openvino',
                      'precision': 'fp32', 'why': 'not installed'}],
        'sustained': {**good, 'state': state}}


def test_rows_are_of_the_fastest_first_and_an_engine_that_is_wrong_is_seen() -> None:
    headings, *found = rows(report(), 'here')
    assert [row[headings.index('engine, precision')] for row in found] == [
        'tensorrt, int8', 'tensorrt, fp16', 'cuda, fp32']
    agreement = headings.index('labels as fp32')
    assert [row[agreement] for row in found] == ['71.00%: too few', '99.90%', '100.00%']
    assert {row[-1] for row in found} == {'here'}


def test_the_row_of_what_worked_without_a_pause_says_how_warm_and_slow_it_grew() -> None:
    _, wrong, best, _ = rows(report(), 'here')
    assert best[-4:-1] == ['8.0, 10.0 in 60 s', '48 to 72 °C (tj-thermal)', 'no']
    assert wrong[-4:-1] == ['-', '-', '-']


def test_throttling_that_cannot_be_seen_is_not_taken_for_none() -> None:
    blind = report()
    blind['sustained']['state'] = {'celsius': {}, 'megahertz': {}, 'throttled': None}
    assert rows(blind, 'here')[2][-3:-1] == ['not known', 'not known']


def test_what_does_not_run_is_listed_with_the_reason() -> None:
    assert 'light 384x640 openvino fp32' in table(report())
    assert 'not installed' in table(report())


def test_a_load_that_built_an_engine_is_told_from_one_that_found_it() -> None:
    found = report()
    found['variants'][0]['engine'] = 'found'
    assert table(found).count('1.5, built') == 2


def test_a_device_is_awaited_until_its_report_is_there(tmp_path: Path) -> None:
    folder = tmp_path / 'devices'
    folder.mkdir()
    assert devices_table(folder).count('awaited') == 4
    (folder / 'nano.json').write_text(json.dumps(report()))
    shown = devices_table(folder)
    assert '| Jetson Orin Nano ' not in shown
    assert shown.count('awaited') == 3
    assert '[2026-11-30](devices/nano.json), load 0.1, then at most 2.3' in shown
    assert 'Jetson Linux 36.4 (JetPack 6.2), CUDA 12.6, TensorRT 10.3.0, onnxruntime-gpu' in shown


def test_text_in_a_report_that_was_sent_stays_text(tmp_path: Path) -> None:
    (tmp_path / 'sent.json').write_text(json.dumps(report(
        name='x | y\n| [now](http://example.com) <script> `z` *a* ' + 'w' * 500)))
    line = next(line for line in devices_table(tmp_path).splitlines() if ' x \\| y' in line)
    assert '\\[now](http' in line
    assert '<script>' not in line
    assert '`' not in line
    assert 'w' * 200 not in line


@pytest.mark.parametrize('content', ['', '[]', 'null', '{}', '{"benchmark": "device"}',
                                     '{"benchmark": "frame", "format": 1}', '\ufeff', '[' * 9999])
def test_a_file_that_is_no_report_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / 'sent.json').write_text(content)
    with pytest.raises(ReportError, match=r'sent\.json is no report'):
        read_report(tmp_path / 'sent.json')


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container of a JSON value with every one of its keys or indices."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [
        place for key in keys for place in places(value[key])]


@given(st.integers(0), st.one_of(
    st.none(), st.text(), st.booleans(), st.integers(), st.floats(), st.lists(st.none()),
    st.dictionaries(st.text(), st.none())))
def test_a_report_that_was_changed_is_shown_or_refused(
        tmp_path_factory: pytest.TempPathFactory, which: int, value: Any) -> None:
    changed = copy.deepcopy(report())
    container, key = places(changed)[which % len(places(changed))]
    container[key] = value
    folder = tmp_path_factory.mktemp('devices')
    (folder / 'sent.json').write_text(json.dumps(changed))
    try:
        shown = devices_table(folder)
    except ReportError as error:
        assert 'sent.json' in str(error)
    else:
        cells = {line.replace('\\|', '').count('|') for line in shown.splitlines()}
        assert len(cells) == 1


def test_the_table_in_the_documents_is_that_of_the_reports_beside_it() -> None:
    assert devices_table(ROOT / 'docs' / 'devices') in (
        ROOT / 'docs' / 'devices.md').read_text(encoding='utf-8')
