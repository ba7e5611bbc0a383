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
"""Tests that a real node steps down where frames take too long, and up again, and says so."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from threading import Thread

import numpy as np
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import add_precision
from tiny_bundle import tiny_model
from tiny_bundle import write_tiny_bundle

SHIPPED = Path(__file__).parents[2] / 'models'
IMAGE = np.full((90, 150, 3), (255, 0, 0), np.uint8)
NEVER = 0.001
"""No frame keeps this deadline, in milliseconds."""
ALWAYS = 10000.0
"""Every frame keeps this one."""
PATIENCE_S = 300.0


@contextmanager
def streaming(camera: Camera) -> Iterator[list[int]]:
    """Let a camera publish 50 images a second; the list has how many were sent in the end."""
    ended, sent = Event(), [0]

    def publish() -> None:
        while not ended.wait(0.02):
            camera.publisher.publish(image_message(IMAGE, 'rgb8'))
            sent[0] += 1

    thread = Thread(target=publish)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def start(probe: Probe, tmp_path: Path, models: Path, **parameters: object) -> SegmenterProcess:
    return SegmenterProcess(
        probe, tmp_path / 'log', cameras=['front'], model_dir=models, threads=1,
        overrides={'front/image_raw': RELIABLE}, **parameters)


def reach(diagnostics: Diagnostics, **values: str) -> tuple[DiagnosticStatus, dict[str, str]]:
    """Wait for the engine to say so; it may take several steps."""
    end = time.monotonic() + PATIENCE_S
    while True:
        status, had = diagnostics.next_status('engine')
        if values.items() <= had.items():
            return status, had
        assert time.monotonic() < end, had


def test_late_frames_lead_down_to_the_floor_and_time_to_spare_up_again(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, models, deadline_ms=NEVER) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        assert node.change_state('configure') and node.change_state('activate')
        camera.connected()
        with streaming(camera) as sent:
            _, values = reach(diagnostics, rung='2', resolution='64x96')
            assert values['rungs'] == '96x160 fp32, 64x128 fp32, 64x96 fp32'
            assert values['latest_step'].startswith('to 64x96 fp32: 90 % of the frames took')
            assert node.get_parameters(['resolution', 'precision']) == {
                'resolution': 'auto', 'precision': 'fp32'}
            status, _ = reach(diagnostics, rung='2')
            wait_until(lambda: 'nothing faster' in diagnostics.next_status('engine')[0].message,
                       'a warning that the floor is not enough')
            assert node.set_parameter('deadline_ms', ALWAYS) == ''
            status, values = reach(diagnostics, rung='0', resolution='96x160')
            assert status.level == DiagnosticStatus.OK
            assert values['steps'] == '3'
            assert float(values['deadline_ms']) == ALWAYS
        _, values = diagnostics.status_where('front', received=str(sent[0]), in_flight='0')
        assert values['failed'] == values['malformed'] == '0'
        assert int(values['answered']) + int(values['dropped']) == sent[0]
        assert node.log().count('stepping to') == 3


def test_a_faster_precision_of_the_model_comes_before_smaller_resolutions(
        probe: Probe, tmp_path: Path) -> None:
    with start(probe, tmp_path, SHIPPED, resolution='96x160', deadline_ms=NEVER) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        assert node.change_state('configure') and node.change_state('activate')
        camera.connected()
        with streaming(camera):
            reach(diagnostics, resolution='64x96', precision='int8')
            assert re.findall('stepping to (.*) to keep time', node.log()) == [
                '96x160 int8', '64x96 int8']
            assert node.set_parameter('deadline_ms', 0.0) == ''
            _, values = reach(diagnostics, resolution='96x160', precision='fp32')
            assert (values['rung'], values['rungs']) == ('', '')


def test_a_rung_that_cannot_be_built_is_left_out(probe: Probe, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / 'models')
    add_precision(bundle, 'int8', tiny_model())  # which computes in fp32, and so is no faster
    with start(probe, tmp_path, tmp_path / 'models', deadline_ms=NEVER) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        assert node.change_state('configure') and node.change_state('activate')
        camera.connected()
        with streaming(camera):
            _, values = reach(diagnostics, resolution='64x96', precision='fp32')
            assert values['rungs'] == '96x160 fp32, 64x128 fp32, 64x96 fp32'
            assert 'the engine of 96x160 int8 could not be built; it is left out' in node.log()
            assert 'precision int8 was asked for' in node.log()


def test_what_is_asked_for_meanwhile_begins_a_ladder_of_its_own(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, models, deadline_ms=NEVER) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        assert node.change_state('configure') and node.change_state('activate')
        camera.connected()
        with streaming(camera):
            reach(diagnostics, rung='2')
            assert node.set_together(resolution='128x256', deadline_ms=ALWAYS) == ''
            _, values = reach(diagnostics, resolution='128x256', rung='0', building='')
            assert values['rungs'].startswith('128x256 fp32, 96x224 fp32')


def test_a_model_with_nothing_to_fall_back_on_is_named(probe: Probe, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / 'models')
    content = yaml.safe_load((bundle / 'model.yaml').read_text(encoding='utf-8'))
    for limit in ('min', 'max'):
        content['input'][limit] = list(content['input']['default'])
    (bundle / 'model.yaml').write_text(yaml.safe_dump(content), encoding='utf-8')
    with start(probe, tmp_path, tmp_path / 'models', deadline_ms=NEVER) as node:
        assert node.change_state('configure')
        wait_until(lambda: 'deadline_ms has no effect: below 96x160 fp32, the model tiny has'
                   in node.log(), 'a word on it')
