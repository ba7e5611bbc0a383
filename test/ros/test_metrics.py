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
"""`~/metrics`: the numbers of `/diagnostics` for programs, as its schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listening import Listener
from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from std_msgs.msg import String

from frm_perception.ros.metrics import CAMERA
from frm_perception.ros.metrics import ENGINE
from frm_perception.ros.metrics import LEVELS
from frm_perception.ros.metrics import TOP
from frm_perception.ros.metrics import VERSION

KINDS: dict[str, Any] = {'text': str, 'integer': int, 'number': (int, float), 'object': dict}
Reports = tuple[list[dict[str, Any]], Diagnostics]


@pytest.fixture(scope='module')
def reports(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """Return what a node said in both forms: unconfigured, active, and after 20 answers."""
    log = tmp_path_factory.mktemp('metrics') / 'log'
    with SegmenterProcess(
            probe, log, model_dir=models, cameras=['front', 'rear'],
            overrides={'front/image_raw': RELIABLE}) as node, \
            Diagnostics(probe, node) as diagnostics, \
            Listener(probe, node, 'segmenter/metrics', String) as metrics:
        def said() -> list[dict[str, Any]]:
            return [json.loads(message.data) for message in list(metrics.heard)]

        wait_until(said, 'what an unconfigured node says')
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            for _ in range(20):
                camera.ask(image_message(np.zeros((40, 60, 3), np.uint8), 'rgb8'))
            wait_until(lambda: said()[-1]['cameras'].get('front', {}).get('answered') == 20,
                       'twenty answers in the metrics')
            wait_until(lambda: stamp_of(diagnostics, -1) >= said()[-1]['stamp_s'],
                       'the diagnostics of that second')
        return said(), diagnostics


def stamp_of(diagnostics: Diagnostics, index: int) -> float:
    """Return the stamp of what was said on `/diagnostics`, in seconds."""
    stamp = diagnostics.arrays[index].header.stamp
    return float((stamp.sec * 10**9 + stamp.nanosec) / 1e9)


def check(found: dict[str, Any], keys: dict[str, tuple[str, str]]) -> None:
    """Hold that an object has exactly those keys, each with a value of its kind or none."""
    assert found.keys() == keys.keys()
    for key, value in found.items():
        assert value is None or (
            isinstance(value, KINDS[keys[key][0]]) and not isinstance(value, bool)), key


def test_every_message_is_as_the_schema_says(reports: Reports) -> None:
    said, _ = reports
    assert {tuple(message['cameras']) for message in said} == {(), ('front', 'rear')}
    for message in said:
        check(message, TOP)
        check(message['engine'], ENGINE)
        for camera in message['cameras'].values():
            check(camera, CAMERA)
        assert message['version'] == VERSION
        assert message['node'].endswith('/segmenter')


def test_numbers_are_numbers_and_what_is_not_known_is_null(reports: Reports) -> None:
    front, rear = reports[0][-1]['cameras'].values()
    assert front['received'] == front['answered'] == 20 and rear['received'] == 0
    assert 0 < front['infer_p50_ms'] <= front['infer_p95_ms'] <= front['infer_p99_ms']
    assert rear['infer_p50_ms'] is front['confidence_p50_ms'] is None
    assert reports[0][-1]['engine']['memory_mib'] > 20
    assert reports[0][0]['engine']['model'] is None


def test_the_diagnostics_of_the_same_moment_say_the_same(reports: Reports) -> None:
    said, diagnostics = reports
    arrays = {stamp_of(diagnostics, index): array
              for index, array in enumerate(diagnostics.arrays)}
    both = [(message, arrays[message['stamp_s']]) for message in said
            if message['stamp_s'] in arrays]
    assert any(message['cameras'] for message, _ in both)
    for message, array in both:
        parts = [message['engine'], *message['cameras'].values()]
        for part, status in zip(parts, array.status, strict=True):
            assert (part['level'], part['message']) == (LEVELS[status.level], status.message)
            for pair in status.values:
                value = part[pair.key]
                text = '' if value is None else (
                    f'{value:.1f}' if isinstance(value, float) else str(value))
                assert text == pair.value, pair.key
