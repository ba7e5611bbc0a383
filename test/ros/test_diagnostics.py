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
"""What the node says of itself: `/diagnostics`, and warnings for somebody who sees no output."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_slow_bundle
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from frm_perception.ros.diagnostics import ONE_CLASS_FRAMES
from frm_perception.ros.records import TIMES
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)


def test_the_engine_status_tells_state_model_and_provider(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, resolution='64x128',
            provider='cpu', threads=1) as node, Diagnostics(probe, node) as diagnostics:
        status, values = diagnostics.next_status('engine')
        assert float(values.pop('memory_mib')) > 20
        assert values == {'state': 'unconfigured', 'restarts': '0', 'problem': '',
                          'provider_asked': 'cpu', 'precision': 'fp32', 'configure_ms': '',
                          'activate_ms': '', 'deactivate_ms': '', 'cleanup_ms': '',
                          'jetson_stats': 'not installed'}
        assert node.change_state('configure')
        _, values = diagnostics.status_where('engine', state='inactive')
        assert values['model'] == 'tiny'
        assert values['resolution'] == '64x128'
        assert values['precision'] == values['precision_run'] == 'fp32'
        assert values['threads'] == '1'
        assert values['provider_asked'] == values['provider'] == 'cpu'
        assert status.level == DiagnosticStatus.OK


def test_the_status_goes_on_while_an_engine_is_loaded_for_long(
        probe: Probe, tmp_path: Path) -> None:
    write_slow_bundle(tmp_path / 'models', times=10)
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=tmp_path / 'models', threads=1) as node, \
            Diagnostics(probe, node) as diagnostics:
        assert diagnostics.next_status('engine')[1]['state'] == 'unconfigured'
        loaded = node.request_state('configure')
        for _ in range(3):
            diagnostics.status_where('engine', state='configuring')
        assert not loaded.done()
        wait_until(loaded.done, 'the engine to be loaded', deadline=120.0)


def test_a_node_that_waits_says_how_it_goes_on(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models) as node, \
            Diagnostics(probe, node) as diagnostics:
        for state, transition in (('unconfigured', 'configure'), ('inactive', 'activate')):
            status, _ = diagnostics.status_where('engine', state=state)
            command = f'`ros2 lifecycle set {node.name} {transition}`'
            assert status.message.startswith(f'{state}; next: {command}')
            assert f'{state}; next: {command}' in node.log()
            assert node.change_state(transition)
        status, _ = diagnostics.status_where('engine', state='active')
        assert status.message == 'active'


def test_a_failed_configure_is_an_error_with_what_was_asked_until_one_succeeds(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, provider='cuda', require_provider=True
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert not node.change_state('configure')
        status, values = diagnostics.next_status('engine')
        assert status.level == DiagnosticStatus.ERROR
        assert 'provider cuda was asked for' in status.message
        assert (values['state'], values['provider_asked']) == ('unconfigured', 'cuda')
        assert status.message in values['problem']
        assert not node.set_parameter('require_provider', False)
        assert node.change_state('configure')
        status, _ = diagnostics.status_where('engine', state='inactive')
        assert status.level == DiagnosticStatus.WARN  # the CPU does the work


def test_latency_is_measured_on_the_nodes_clock_even_a_simulated_one(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, use_sim_time=True,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        clock = probe.node.create_publisher(Clock, '/clock', QoSProfile(depth=1))
        try:
            now = Time(sec=1000, nanosec=500_000_000)

            def reported() -> bool:
                # The clock is read best effort: a reader that does not know of its writer yet
                # misses what is sent, so it is sent until it shows.
                clock.publish(Clock(clock=now))
                return any(message.header.stamp == now for message in diagnostics.arrays)

            wait_until(reported, 'a report on simulated time')
            with node.camera('camera', qos=DEEP) as camera:
                camera.connected()
                stamp = Time(sec=1000, nanosec=250_000_000)
                camera.ask(image_message(RED, 'rgb8', header=Header(stamp=stamp)))
                status, values = diagnostics.status_where('camera', answered='1')
        finally:
            probe.node.destroy_publisher(clock)
        assert [values[f'latency_p{rank}_ms'] for rank in (50, 95, 99)] == ['250.0'] * 3
        assert float(values['infer_p50_ms']) > 0
        assert values['topic'] == f'{node.namespace}/camera/image_raw'
        assert status.level == DiagnosticStatus.OK


def test_a_camera_status_tells_rates_and_the_time_of_every_stage(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, max_age=0.0,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera', qos=DEEP) as camera:
            camera.connected()
            for _ in range(20):
                camera.ask(image_message(RED, 'rgb8'))
            _, values = diagnostics.status_where('camera', received='20', answered='20')
            for rate in ('rate_in_hz', 'rate_out_hz'):
                # The images may all have come before the last report that is not theirs.
                assert max(float(pair.value) for message in diagnostics.arrays
                           for status in message.status for pair in status.values
                           if pair.key == rate) > 0
            for stage in TIMES:
                found = [values[f'{stage}_p{rank}_ms'] for rank in (50, 95, 99)]
                if stage in ('confidence', 'extras'):  # nobody has subscribed to those
                    assert found == ['', '', '']
                else:
                    assert sorted(map(float, found)) == list(map(float, found))
            _, engine = diagnostics.next_status('engine')
            assert 20 < float(engine['memory_mib']) < 20_000
            for _ in range(10):
                _, values = diagnostics.next_status('camera')
            assert (values['rate_in_hz'], values['rate_out_hz']) == ('0.0', '0.0')


def test_one_class_everywhere_again_and_again_is_worth_a_warning(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    mixed = RED.copy()
    mixed[:20] = (0, 0, 255)
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera', qos=DEEP) as camera:
            camera.connected()

            def ask(pixels: np.ndarray) -> None:
                now = probe.node.get_clock().now().to_msg()
                camera.ask(image_message(pixels, 'rgb8', header=Header(stamp=now)))

            for _ in range(ONE_CLASS_FRAMES - 1):
                ask(RED)
            status, _ = diagnostics.status_where(
                'camera', one_class_frames=str(ONE_CLASS_FRAMES - 1))
            assert status.level == DiagnosticStatus.OK
            ask(RED)
            status, _ = diagnostics.status_where('camera', one_class_frames=str(ONE_CLASS_FRAMES))
            assert status.level == DiagnosticStatus.WARN
            assert f'the latest {ONE_CLASS_FRAMES} answers are road everywhere' in status.message
            assert status.message in node.log()
            ask(mixed)
            status, _ = diagnostics.status_where('camera', one_class_frames='0')
            assert status.level == DiagnosticStatus.OK


def test_a_malformed_image_and_wrong_clocks_show_in_the_status(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera', qos=DEEP) as camera:
            camera.connected()
            bad = image_message(RED, 'rgb8')
            bad.encoding = 'rgb9'
            camera.publisher.publish(bad)
            status, values = diagnostics.status_where('camera', malformed='1')
            assert status.level == DiagnosticStatus.WARN
            assert "'rgb9'" in status.message and "'rgb9'" in values['last_problem']
            camera.ask(image_message(RED, 'rgb8', header=Header(stamp=Time(sec=5))))
            wait_until(lambda: 'use_sim_time' in diagnostics.next_status(
                'camera')[0].message, 'a word on the clocks')


def test_an_active_node_without_images_warns_with_the_topic_and_its_publishers(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front', 'rear'], model_dir=models
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('rear', compressed=False):
            wait_until(lambda: 'camera front: no image for' in node.log()
                       and 'camera rear: no image for' in node.log(), 'the warnings')
            for camera, why in (
                    ('front', 'nobody publishes it'),
                    ('rear', 'it has 1 publisher(s): '
                             f'{probe.node.get_fully_qualified_name()} (best effort, volatile). '
                             'This node takes best effort, volatile.')):
                status, _ = diagnostics.next_status(camera)
                assert status.level == DiagnosticStatus.WARN
                assert status.message.startswith('no image for')
                assert f's on {node.namespace}/{camera}/image_raw: {why}' in status.message
                assert f's on {node.namespace}/{camera}/image_raw: {why}' in node.log()


@pytest.mark.skipif(PROFILE_VARIABLE in os.environ, reason='a profile may let no image get lost')
def test_images_lost_on_the_way_are_counted(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    """Large images, most of which FastDDS loses; it notices when a small one comes through."""
    large = np.zeros((1200, 1920, 3), np.uint8)
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera') as camera:
            camera.answering()

            def lost() -> bool:
                for _ in range(10):
                    camera.publisher.publish(image_message(large, 'rgb8'))
                camera.answering()
                return int(diagnostics.next_status('camera')[1]['lost']) > 0

            wait_until(lost, 'images that got lost')
            wait_until(lambda: 'never arrived, says the middleware' in node.log(), 'a word on it')


def test_incompatible_qos_is_reported_with_the_remedy(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models,
            overrides={'camera/image_raw': {'reliability': 'reliable'}}) as node:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera'):
            wait_until(lambda: f'qos_overrides.{node.namespace}/camera/image_raw.subscription.'
                       'reliability' in node.log(), 'the remedy')


def test_how_long_each_transition_took_is_told(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models
    ) as node, Diagnostics(probe, node) as diagnostics:
        for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
            assert node.change_state(transition)
        _, values = diagnostics.status_where('engine', state='unconfigured')
        for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
            told = float(values[f'{transition}_ms'])
            assert told > 0
            assert f'{transition} took {told:.1f} ms' in node.log()
