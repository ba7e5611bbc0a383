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
"""An engine that fails frame after frame is started again, but not for ever."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_fragile_bundle

from frm_perception.ros.node import MOST_RESTARTS
from frm_perception.ros.session import MOST_FAILURES

BRIGHT = np.full((40, 60, 3), 250, np.uint8)
DARK = np.full((40, 60, 3), 100, np.uint8)


def fail(camera: Camera, diagnostics: Diagnostics, before: int) -> None:
    """Send images that the engine fails on, one after another, until the node gives it up."""
    for count in range(1, MOST_FAILURES):
        camera.publisher.publish(image_message(BRIGHT, 'rgb8'))
        diagnostics.status_where('front', failed=str(before + count))
    camera.publisher.publish(image_message(BRIGHT, 'rgb8'))


def test_a_failing_engine_is_started_again_a_number_of_times_and_then_by_hand(
        probe: Probe, tmp_path: Path) -> None:
    write_fragile_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            for start in range(1, MOST_RESTARTS + 1):
                fail(camera, diagnostics, before=(start - 1) * MOST_FAILURES)
                diagnostics.status_where('engine', state='active', restarts=str(start))
                _, values = diagnostics.next_status('front')
                assert values['failed'] == str(start * MOST_FAILURES)  # the books go on
                camera.answering().ask(image_message(DARK, 'rgb8'))
                assert not node.change_state('activate')  # as launch asks, once it is inactive
            assert node.state() == 'active'

            fail(camera, diagnostics, before=MOST_RESTARTS * MOST_FAILURES)
            status, _ = diagnostics.status_where(
                'engine', state='unconfigured', restarts=str(MOST_RESTARTS))
            assert status.level == DiagnosticStatus.ERROR
            assert f'`ros2 lifecycle set {node.name} configure`' in status.message
            for _ in range(3):
                diagnostics.next_status('engine')
            assert node.state() == 'unconfigured'
            log = node.log()
            assert log.count('starting the engine again') == MOST_RESTARTS
            assert 'inference' in log.split('times in succession, the last time with: ')[1][:200]

            assert node.change_state('configure') and node.change_state('activate')
            _, values = diagnostics.status_where('engine', state='active')
            assert values['restarts'] == '0'
            camera.answering().ask(image_message(DARK, 'rgb8'))


def test_an_engine_that_cannot_be_started_again_leaves_the_node_unconfigured(
        probe: Probe, tmp_path: Path) -> None:
    bundle = write_fragile_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            model = (bundle / 'fp32.onnx').rename(tmp_path / 'model')
            fail(camera, diagnostics, before=0)
            wait_until(lambda: 'mend the cause (see the log)' in node.log(), 'the end of trying')
            assert node.state() == 'unconfigured'
            assert node.log().count('starting the engine again') == MOST_RESTARTS
            model.rename(bundle / 'fp32.onnx')
            assert node.change_state('configure') and node.change_state('activate')
            camera.answering().ask(image_message(DARK, 'rgb8'))


def test_an_engine_that_failed_until_it_was_deactivated_is_tried_again_when_it_is_activated(
        probe: Probe, tmp_path: Path) -> None:
    """The node looks after its engine once a second; somebody deactivates it before it does."""
    write_fragile_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        assert node.change_state('configure')

        def deactivated_in_time() -> bool:
            if node.state() != 'active':  # it was not: the node starts its engine again
                return node.change_state('activate') and False
            camera.connected()
            diagnostics.next_status('engine')
            for _ in range(10 * MOST_FAILURES):
                camera.publisher.publish(image_message(BRIGHT, 'rgb8'))
                time.sleep(0.005)
            return node.change_state('deactivate')

        wait_until(deactivated_in_time, 'a node that was deactivated in time')
        _, values = diagnostics.next_status('front')
        assert int(values['failed']) >= MOST_FAILURES
        for _ in range(2):
            _, values = diagnostics.next_status('engine')
            assert values['state'] == 'inactive'
        assert node.change_state('activate')
        camera.connected()
        for _ in range(2):
            diagnostics.next_status('engine')
            camera.ask(image_message(DARK, 'rgb8'))
        assert node.state() == 'active'


def test_a_frame_that_fails_now_and_then_is_no_reason_to_start_again(
        probe: Probe, tmp_path: Path) -> None:
    write_fragile_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            for count in range(1, MOST_FAILURES + 3):
                camera.publisher.publish(image_message(BRIGHT, 'rgb8'))
                diagnostics.status_where('front', failed=str(count))
                camera.ask(image_message(DARK, 'rgb8'))
            _, values = diagnostics.next_status('engine')
            assert (values['state'], values['restarts']) == ('active', '0')
        assert 'starting the engine again' not in node.log()
