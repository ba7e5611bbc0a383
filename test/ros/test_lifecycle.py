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
"""The node's lifecycle, as its services and signals show it to other processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_slow_bundle
from tiny_bundle import write_tiny_bundle

from frm_perception.ros.parameter_table import SPECS
from frm_perception.runtime.engines import PROVIDERS

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)
STATES = {
    'unconfigured': [],
    'inactive': ['configure'],
    'active': ['configure', 'activate'],
    'finalized': ['shutdown'],
}


def ask(camera: Camera) -> None:
    """Let the node prove that it works."""
    _, drivable = camera.answering().ask(image_message(RED, 'rgb8'))
    assert (drivable == 255).all()


def test_the_node_goes_up_and_down_again_and_again(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        with node.camera('camera') as camera:
            for _ in range(5):
                assert node.change_state('configure')
                for _ in range(2):
                    assert node.change_state('activate')
                    ask(camera)
                    assert node.change_state('deactivate')
                    camera.disconnected()
                assert node.change_state('cleanup')
                assert node.state() == 'unconfigured'
        assert 'Traceback' not in node.log()


def test_an_inactive_node_gives_no_answer_and_an_activated_one_does(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        assert node.change_state('configure')
        with node.camera('camera') as camera:
            for _ in range(20):
                camera.publisher.publish(image_message(RED, 'rgb8'))
            assert node.change_state('activate')
            ask(camera)
            assert len(camera.answers['label']) == 1
            assert node.change_state('deactivate')
            camera.disconnected()
            for _ in range(20):
                camera.publisher.publish(image_message(RED, 'rgb8'))
            assert node.change_state('activate')
            ask(camera)
            assert len(camera.answers['label']) == 2
        assert f'`ros2 lifecycle set {node.name} activate`' in node.log()


def test_a_configure_that_failed_logs_its_traceback_and_can_be_retried(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=tmp_path / 'nothing') as node:
        assert not node.change_state('configure')
        assert node.state() == 'unconfigured'
        assert 'Traceback' in node.log()
        assert str(tmp_path / 'nothing') in node.log()

        assert node.set_parameter('model_dir', str(models)) == ''
        for name, wrong, possible in (
                ('resolution', '100x100', '96x96'), ('precision', 'fp17', 'fp32'),
                ('backbone', 'van_b9', 'none'), ('drivable_classes', ['raod'], 'road')):
            before = len(node.log())
            assert node.set_parameter(name, wrong) == ''
            assert not node.change_state('configure')
            news = node.log()[before:]
            assert news.count('Traceback') >= 1
            assert possible in news.split('Traceback')[0]
            assert node.set_parameter(name, 'fp32' if name == 'precision' else (
                [''] if name == 'drivable_classes' else 'auto')) == ''

        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera') as camera:
            ask(camera)


def test_a_model_with_a_wrong_hash_is_refused_until_it_is_mended(
        probe: Probe, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / 'models')
    model = (bundle / 'fp32.onnx').read_bytes()
    (bundle / 'fp32.onnx').write_bytes(model + b'\0')
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=tmp_path / 'models') as node:
        assert not node.change_state('configure')
        assert 'SHA-256' in node.log()
        (bundle / 'fp32.onnx').write_bytes(model)
        assert node.change_state('configure')


def test_a_transition_that_is_not_possible_is_answered(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        for transition in ('activate', Transition.TRANSITION_ACTIVATE, 'nonsense', 255):
            assert not node.change_state(transition)
        assert node.change_state(Transition.TRANSITION_CONFIGURE)
        assert not node.change_state(Transition.TRANSITION_CONFIGURE)
        assert node.state() == 'inactive'
        assert 'no transition 3 while unconfigured' in node.log()


@pytest.mark.parametrize('state', STATES)
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_cleanly_in_every_state(
        probe: Probe, models: Path, tmp_path: Path, state: str, number: signal.Signals) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        for transition in STATES[state]:
            assert node.change_state(transition)
        assert node.state() == state
        assert node.end(number) == 0
        assert 'Traceback' not in node.log()


def test_a_signal_while_frames_are_answered_ends_the_process_cleanly(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera') as camera:
            ask(camera)
            for _ in range(50):
                camera.publisher.publish(image_message(RED, 'rgb8'))
            assert node.end(signal.SIGINT) == 0
        assert 'Traceback' not in node.log()


def test_a_signal_that_arrives_twice_ends_the_process_as_one_does(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    """As of a terminal and of launch, for one Ctrl-C."""
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        assert node.change_state('configure') and node.change_state('activate')
        node.process.send_signal(signal.SIGINT)
        assert node.end(signal.SIGINT) == 0
        assert 'Traceback' not in node.log()


def test_a_later_signal_of_either_kind_ends_the_process_at_once(
        probe: Probe, tmp_path: Path) -> None:
    """As launch does it: SIGINT, then SIGTERM to a process that does not come to its end."""
    write_slow_bundle(tmp_path / 'models', times=300)
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=tmp_path / 'models') as node, \
            Diagnostics(probe, node) as heard:
        heard.status_where('engine', state='unconfigured')
        request = node.request_state('configure')
        heard.status_where('engine', state='configuring')
        node.process.send_signal(signal.SIGINT)

        def ended() -> bool:
            node.process.send_signal(signal.SIGTERM)
            return node.process.poll() is not None

        wait_until(ended, 'the end of the process')
        assert node.process.returncode == -signal.SIGTERM
        request.cancel()


def test_a_signal_during_configure_ends_the_process_once_that_is_done(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models) as node, Diagnostics(probe, node) as heard:
        heard.status_where('engine', state='unconfigured')
        request = node.request_state('configure')
        heard.status_where('engine', state='configuring')
        assert node.end(signal.SIGTERM) == 0
        assert 'Traceback' not in node.log()
        request.cancel()


@pytest.mark.parametrize('state', ['inactive', 'active'])
def test_shutdown_ends_the_work_from_every_state(
        probe: Probe, models: Path, tmp_path: Path, state: str) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        for transition in STATES[state]:
            assert node.change_state(transition)
        assert node.change_state('shutdown')
        assert node.state() == 'finalized'
        label = f'{node.namespace}/camera/segmentation/label'
        wait_until(lambda: probe.node.count_publishers(label) == 0, 'the publishers to go')


def test_arguments_that_cannot_be_end_the_process_with_a_message() -> None:
    for arguments, message in (
            (['--bad'], 'unrecognized arguments: --bad'),
            (['--ros-args', '--params-file', '/nowhere.yaml'], '/nowhere.yaml'),
            (['--ros-args', '-p', 'provider:=gpu', '-p', 'cameras:=front', '-p', 'threads:=-1'],
             f"provider cannot be 'gpu'; possible: {', '.join(PROVIDERS)}"),
            (['--ros-args', '-r', '__node:=1bad'], '1bad'),
            (['--ros-args', '-p', 'use_sim_time:=3'], 'use_sim_time'),
            (['--ros-args', '-p', "cameras:=['front', '/front']"], 'would both publish')):
        ended = subprocess.run(
            [sys.executable, '-m', 'frm_perception.ros.segmenter', *arguments],
            capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 2
        assert message in ended.stderr
        assert 'Traceback' not in ended.stderr


def test_help_names_every_parameter() -> None:
    shown = subprocess.run(
        [sys.executable, '-m', 'frm_perception.ros.segmenter', '--help'],
        capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(f'  {name} (default' in shown for name in SPECS)
