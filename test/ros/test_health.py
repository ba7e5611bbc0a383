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
"""`frm health` says of a real node whether it does its work, for scripts and for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import DEADLINE
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_fragile_bundle
from std_msgs.msg import Header

from frm_perception.cli.main import main
from frm_perception.ros.health import Verdict
from frm_perception.ros.health import judge

BRIGHT = np.full((40, 60, 3), 250, np.uint8)
ROAD = np.full((40, 60, 3), (255, 0, 0), np.uint8)
ROAD[:20] = 0, 0, 255


def health(node: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its status and what it said."""
    done = subprocess.run(
        [sys.executable, '-m', 'frm_perception.cli.main', 'health', '--node', node, '--json',
         *options], stdout=subprocess.PIPE, text=True, timeout=2 * DEADLINE)
    return done.returncode, json.loads(done.stdout)


@contextmanager
def streaming(probe: Probe, camera: Camera, pixels: np.ndarray) -> Iterator[None]:
    """Publish images as long as the block runs."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.05):
            header = Header(stamp=probe.node.get_clock().now().to_msg())
            camera.publisher.publish(image_message(pixels, 'rgb8', header=header))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_node_is_healthy_degraded_or_unhealthy_as_it_answers(
        probe: Probe, tmp_path: Path) -> None:
    write_fragile_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}) as node, \
            Diagnostics(probe, node) as diagnostics:
        status, said = health(node.name, '--timeout', '30')
        assert (status, said['verdict']) == (1, 'unhealthy')
        assert 'ros2 lifecycle set' in said['problems'][0]

        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            with streaming(probe, camera, ROAD):
                wait_until(lambda: camera.answers['label'], 'an answer')
                status, said = health(node.name, '--strict', '--timeout', '30')
            assert (status, said['verdict'], said['problems']) == (0, 'healthy', [])
            assert said['report']['cameras']['front']['answered'] > 0

            wait_until(lambda: 'no image for' in diagnostics.next_status('front')[0].message,
                       'a silent camera')
            status, said = health(node.name, '--timeout', '30')
            assert (status, said['verdict']) == (0, 'degraded')
            assert said['problems'][0].startswith('camera front: no image for')

            with streaming(probe, camera, BRIGHT):
                wait_until(lambda: 'fail' in diagnostics.next_status('engine')[0].message,
                           'a failing engine', 15.0)
                status, said = health(node.name, '--timeout', '30')
            assert (status, said['verdict']) == (1, 'unhealthy')


def test_a_node_that_is_not_there_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['health', '--node', f'nobody{os.getpid()}', '--timeout', '0.5']) == 1
    assert f'/nobody{os.getpid()} is unhealthy; no word on' in capsys.readouterr().out


@pytest.mark.parametrize('options', [['--timeout', '0'], ['--timeout', 'soon']])
def test_options_that_make_no_sense_are_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['health', *options])


def test_a_name_that_no_node_can_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['health', '--node', 'a b']) == 2
    assert '--node: /a b can be no name' in capsys.readouterr().err


def report(engine: str, camera: str, state: str = 'active') -> dict[str, Any]:
    """Return what a node says with an engine and a camera of these levels."""
    return {'node': '/segmenter', 'engine': {'level': engine, 'message': 'engine', 'state': state},
            'cameras': {'front': {'level': camera, 'message': 'camera'}}}


@pytest.mark.parametrize(('said', 'verdict', 'problems'), [
    (report('OK', 'OK'), Verdict.HEALTHY, 0), (report('OK', 'WARN'), Verdict.DEGRADED, 1),
    (report('WARN', 'WARN'), Verdict.DEGRADED, 2), (report('OK', 'ERROR'), Verdict.UNHEALTHY, 1),
    (report('ERROR', 'OK'), Verdict.UNHEALTHY, 1),
    (report('OK', 'OK', 'inactive'), Verdict.UNHEALTHY, 1)])
def test_the_worst_part_decides_and_each_that_is_not_well_is_named(
        said: dict[str, Any], verdict: Verdict, problems: int) -> None:
    health = judge(said)
    assert (health.verdict, len(health.problems)) == (verdict, problems)


def test_to_ask_leaves_no_log_file(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, '-m', 'frm_perception.cli.main', 'health', '--node', '/nobody',
         '--timeout', '0.1'], env={**os.environ, 'ROS_LOG_DIR': str(tmp_path)}, text=True,
        stdout=subprocess.PIPE)
    assert (asked.returncode, 'no word on /nobody/metrics' in asked.stdout) == (1, True)
    assert list(tmp_path.iterdir()) == []
