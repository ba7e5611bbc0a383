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
"""
The bond with a lifecycle manager.

With bondpy's own bond in the manager's place: Nav2's manager, in C++, has not been run with the
node. There is no wheel of bondpy.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_fragile_bundle

from frm_perception.ros.bond import TOPIC
from frm_perception.ros.segmenter import NAME

MANAGER = """
import sys
import rclpy
from bondpy.bondpy import Bond
rclpy.init()
node = rclpy.create_node('manager')
Bond(node, *sys.argv[1:], on_formed=lambda: print('formed', flush=True)).start()
rclpy.spin(node)
"""
HAS_BONDPY = importlib.util.find_spec('bondpy') is not None
bonded = pytest.mark.skipif(not HAS_BONDPY, reason='bondpy is not installed')


@contextmanager
def managers_bond(probe: Probe, node: SegmenterProcess) -> Iterator[Any]:
    """Return a manager's end of the bond with a node."""
    from bondpy.bondpy import Bond
    bond = Bond(probe.node, node.resolved(TOPIC), NAME)
    bond.start()
    try:
        yield bond
    finally:
        bond.shutdown()
        probe.node.destroy_subscription(bond.sub)
        probe.node.destroy_publisher(bond.pub)


@pytest.mark.skipif(HAS_BONDPY, reason='bondpy is installed')
def test_without_bondpy_configure_fails_and_says_what_to_install(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, bond=True) as node:
        assert not node.change_state('configure')
        wait_until(lambda: 'install ros-$ROS_DISTRO-bondpy' in node.log(), 'the reason')
        assert node.set_parameter('bond', False) == ''
        assert node.change_state('configure') and node.change_state('activate')


@bonded
def test_an_active_node_keeps_a_bond_that_deactivate_breaks(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, bond=True) as node:
        assert node.change_state('configure')
        for _ in range(2):
            assert node.change_state('activate')
            with managers_bond(probe, node) as bond:
                wait_until(lambda b=bond: b.sister_instance_id, 'the bond to be formed')
                assert not bond.is_broken()
                assert node.change_state('deactivate')
                wait_until(bond.is_broken, 'the bond to be broken')
        assert 'Traceback' not in node.log()


@bonded
def test_a_bond_breaks_where_the_node_is_killed_and_ends_in_order_where_it_is_stopped(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 0)):
        with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, bond=True) as node:
            assert node.change_state('configure') and node.change_state('activate')
            with managers_bond(probe, node) as bond:
                # bondpy waits for a second heartbeat before it misses any.
                wait_until(lambda b=bond: b.heartbeat_timer.timer.is_alive(), 'heartbeats')
                assert node.end(number) == status
                wait_until(bond.is_broken, 'the bond to be broken')
            assert 'Traceback' not in node.log()


@bonded
def test_a_bond_outlives_an_engine_that_the_node_starts_again_by_itself(
        probe: Probe, tmp_path: Path) -> None:
    write_fragile_bundle(tmp_path / 'models')
    bright = np.full((40, 60, 3), 250, np.uint8)
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=tmp_path / 'models', bond=True,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics, \
            node.camera('camera', qos=DEEP) as camera, managers_bond(probe, node) as bond:
        assert node.change_state('configure') and node.change_state('activate')
        wait_until(lambda: bond.sister_instance_id, 'the bond to be formed')
        camera.connected()

        def started_again() -> bool:
            camera.publisher.publish(image_message(bright, 'rgb8'))
            return diagnostics.next_status('engine')[1]['restarts'] == '1'

        wait_until(started_again, 'the engine to be started again')
        diagnostics.status_where('engine', state='active')
        assert not bond.is_broken()
        assert node.change_state('deactivate')
        wait_until(bond.is_broken, 'the bond to be broken')


@bonded
def test_a_node_goes_on_where_its_managers_die(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, bond=True) as node:
        assert node.change_state('configure')
        missed = ['/bond_disable_heartbeat_timeout']  # which bondpy declares when it misses one
        for _ in range(2):
            assert node.change_state('activate')
            manager = subprocess.Popen(
                [sys.executable, '-c', MANAGER, node.resolved(TOPIC), NAME], text=True,
                stdout=subprocess.PIPE)
            try:
                assert manager.stdout is not None and manager.stdout.readline() == 'formed\n'
                time.sleep(3.0)  # for another of its heartbeats, which is the first to be missed
            finally:
                manager.kill()
                manager.wait()
            wait_until(lambda: node.get_parameters(missed), 'the node to miss it')
            assert node.state() == 'active'
            assert node.change_state('deactivate')
            assert not node.get_parameters(missed)  # else it could not be declared again
        assert 'Traceback' not in node.log()
