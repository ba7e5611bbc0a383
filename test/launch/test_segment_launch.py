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
"""`segment.launch.py`: what it says of its arguments, and that it ends with an active node."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from install_tree import environment_of
from launch_process import COMMAND
from launch_process import DEADLINE
from launch_process import PROFILE
from launch_process import Launch
from launch_process import wait_until
from rclpy.node import Node

# The wheels of ROS lack these; a ROS that is sourced has them.
pytest.importorskip('ros2launch', reason='ros2 launch is not installed')


def test_every_argument_is_shown_with_a_description(install_tree: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, 'segment.launch.py', '--show-args'], env=environment_of(install_tree),
        text=True, stdout=subprocess.PIPE, check=True).stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n +(.+)$", shown, re.MULTILINE))
    assert set(arguments) == {
        'cameras', 'image_topic', 'transport', 'model_dir', 'backbone', 'resolution', 'precision',
        'provider', 'fit', 'engine_cache', 'require_provider', 'params_file', 'namespace',
        'use_sim_time', 'autostart', 'build_only', 'enclave', 'log_level', 'respawn'}
    assert all(len(text) > 20 and text != 'no description given' for text in arguments.values())


def test_the_node_becomes_active_by_itself(start: Callable[..., Launch]) -> None:
    launched = start()
    wait_until(lambda: launched.state() == 'active', 'an active node')
    launched.stop()
    assert 'process has finished cleanly' in launched.log()


def test_without_autostart_the_node_is_left_to_others(start: Callable[..., Launch]) -> None:
    launched = start('autostart:=false')
    assert launched.state() == 'unconfigured'
    # Each of them would fail if the launch had been there before.
    assert launched.change_state('configure')
    assert launched.change_state('activate')


def test_a_node_deactivated_by_hand_stays_inactive(start: Callable[..., Launch]) -> None:
    launched = start()
    wait_until(lambda: launched.state() == 'active', 'an active node')
    assert launched.change_state('deactivate')
    assert launched.change_state('activate')


def test_the_launch_ends_where_the_node_cannot_start(start: Callable[..., Launch]) -> None:
    launched = start('cameras:=front,front')
    launched.process.wait(DEADLINE)
    assert 'parameter cameras cannot be' in launched.log()


def test_the_launch_ends_where_the_node_is_killed_while_it_is_asked_for_something(
        start: Callable[..., Launch]) -> None:
    launched = start()
    wait_until(launched.pids, 'the process of the node')
    wait_until(lambda: 'unconfigured; next' in launched.log(), 'a node that is being configured')
    os.kill(launched.pids()[-1], signal.SIGKILL)
    launched.process.wait(DEADLINE)


@pytest.mark.slow
def test_a_node_that_was_killed_becomes_active_again(start: Callable[..., Launch]) -> None:
    launched = start('respawn:=true')
    wait_until(lambda: launched.state() == 'active', 'an active node')
    os.kill(launched.pids()[-1], signal.SIGKILL)
    wait_until(lambda: len(launched.pids()) == 2, 'a second process')
    wait_until(lambda: launched.state() == 'active', 'an active second process')


def test_cameras_read_the_topics_given_for_them(start: Callable[..., Launch], node: Node) -> None:
    launched = start('cameras:=front, rear', 'image_topic:=/sensors/{camera}/image')
    wait_until(lambda: launched.state() == 'active', 'an active node')
    for name in ('front', 'rear'):
        for topic in ('image', 'camera_info'):
            wait_until(lambda n=name, t=topic: node.count_subscribers(f'/sensors/{n}/{t}') == 1,
                       f'who reads {topic} of {name}')
        label = f'{launched.namespace}/{name}/segmentation/label'
        wait_until(lambda topic=label: node.count_publishers(topic) == 1, label)


@pytest.mark.parametrize('file', ['segmenter.yaml', 'four_cameras.yaml'])
def test_four_cameras_come_from_one_argument_whatever_the_file_has(
        start: Callable[..., Launch], node: Node, install_tree: Path, file: str) -> None:
    names = ('front', 'left', 'right', 'rear')
    launched = start(
        f'params_file:={install_tree}/share/frm_perception/config/{file}',
        f'cameras:={",".join(names)}', 'image_topic:=/rig/{camera}/image_raw')
    wait_until(lambda: launched.state() == 'active', 'an active node')
    for name in names:
        topic = f'/rig/{name}/image_raw'
        wait_until(lambda t=topic: node.count_subscribers(t) == 1, topic)
    assert f'active: answering {", ".join(f"/rig/{name}/image_raw" for name in names)}' in (
        launched.log())


def test_the_file_for_four_cameras_has_them(
        start: Callable[..., Launch], install_tree: Path) -> None:
    launched = start(f'params_file:={install_tree}/share/frm_perception/config/four_cameras.yaml')
    wait_until(lambda: launched.state() == 'active', 'an active node')
    cameras, size = launched.parameters('cameras', 'output_size')
    assert cameras.string_array_value == ['front', 'left', 'right', 'rear']
    assert size.string_value == 'network'


def test_arguments_win_over_the_file_and_leave_alone_what_is_not_given(
        start: Callable[..., Launch], tmp_path: Path) -> None:
    file = tmp_path / 'params.yaml'
    file.write_text('/**:\n  ros__parameters:\n    cameras: [left]\n    threads: 1\n'
                    '    output_size: network\n    provider: auto\n')
    launched = start(
        'params_file:=~/params.yaml', 'provider:=cpu', 'fit:=crop', 'require_provider:=true',
        HOME=str(tmp_path))
    cameras, threads, size, provider, fit, require = launched.parameters(
        'cameras', 'threads', 'output_size', 'provider', 'fit', 'require_provider')
    assert cameras.string_array_value == ['left']
    assert threads.integer_value == 1
    assert (size.string_value, provider.string_value, fit.string_value) == (
        'network', 'cpu', 'crop')
    assert require.bool_value


def test_the_node_is_put_into_the_enclave_given_for_it(start: Callable[..., Launch]) -> None:
    launched = start('enclave:=/frm_perception/segmenter')
    arguments = launched.arguments()
    assert arguments[arguments.index('--enclave') + 1] == '/frm_perception/segmenter'
    wait_until(lambda: launched.state() == 'active', 'an active node')


def test_an_engine_is_built_ahead_and_the_launch_ends_by_itself(
        start: Callable[..., Launch], tmp_path: Path) -> None:
    arguments = ('provider:=openvino', f'engine_cache:={tmp_path / "engines"}')
    ahead = start('build_only:=true', 'respawn:=true', *arguments)
    assert ahead.process.wait(DEADLINE) == 0, ahead.log()
    assert 'built the engine of tiny at 96x160 (fp32, openvino)' in ahead.log()
    assert len(ahead.pids()) == 1
    launched = start(*arguments)
    wait_until(lambda: launched.state() == 'active', 'an active node')
    assert 'on openvino (engine cache: found)' in launched.log()


def test_a_launch_that_could_not_build_ahead_fails(start: Callable[..., Launch]) -> None:
    launched = start('build_only:=true', 'backbone:=none_such')
    assert launched.process.wait(DEADLINE) != 0
    assert 'the engine was not built: no bundle in' in launched.log()
    assert 'the engine was not built (status 1)' in launched.log()


def test_fast_dds_gets_our_profile_unless_there_is_another(
        start: Callable[..., Launch], install_tree: Path) -> None:
    profile = install_tree / 'share' / 'frm_perception' / 'config' / 'fastdds_shm.xml'
    assert start().variables()[PROFILE] == str(profile)
    other = str(profile.parent / 'other' / '..' / profile.name)
    assert start(**{PROFILE: other}).variables()[PROFILE] == other


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (('provider:=gpu',),
     "Valid options are: ['', 'auto', 'cpu', 'cuda', 'tensorrt', 'openvino', 'torch']"),
    (('fit:=squash',), "Valid options are: ['', 'letterbox', 'stretch', 'crop']"),
    (('params_file:=/no/such/file',), 'params_file: there is no file /no/such/file'),
    (('cameras:=a,b', 'image_topic:=/image'), 'write {camera} where their names belong'),
    (('image_topic:=/sensors/{camera}/image',), 'names that the argument cameras has to give'),
    (('image_topic:=/camera/image/compressed', 'transport:=compressed'),
     'image_topic: write /camera/image; with transport compressed'),
])
def test_a_wrong_argument_is_refused_before_the_node_starts(
        start: Callable[..., Launch], arguments: tuple[str, ...], complaint: str) -> None:
    launched = start(*arguments)
    assert launched.process.wait(DEADLINE) != 0
    assert complaint in launched.log()
    assert launched.pids() == []
