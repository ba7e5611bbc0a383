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
"""`replay.launch.py`: when it plays a bag, what it passes on to the player, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
from install_tree import environment_of
from launch_process import COMMAND
from launch_process import DEADLINE
from launch_process import Launch
from launch_process import wait_until
from rclpy.node import Node
from sensor_msgs.msg import Image
from tiny_drive import BEGIN_NS
from tiny_drive import PERIOD_NS
from tiny_drive import damage
from tiny_drive import write_drive

# The wheels of ROS lack these; a ROS that is sourced has them.
pytest.importorskip('ros2launch', reason='ros2 launch is not installed')

TOPIC = '/front/image_raw'
FRAMES = 8
STAMPS = [BEGIN_NS + number * PERIOD_NS for number in range(FRAMES)]
PLAYING = '[player-'


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag."""
    return write_drive(tmp_path_factory.mktemp('bags') / 'drive', frames=FRAMES)


@pytest.fixture
def replay(start: Callable[..., Launch], drive: Path) -> Callable[..., Launch]:
    """Return a function that launches a replay of the bag with further arguments."""
    return lambda *arguments: start(
        f'bag:={drive}', f'image_topic:={TOPIC}', *arguments, file='replay.launch.py')


def answers_to(launched: Launch, node: Node) -> list[int]:
    """Wait for the end of a launch; return the stamps of the answers until then."""
    answers: list[int] = []
    subscription = node.create_subscription(
        Image, f'{launched.namespace}/camera/segmentation/label',
        lambda message: answers.append(
            message.header.stamp.sec * 10**9 + message.header.stamp.nanosec), 10)
    end = time.monotonic() + DEADLINE
    while launched.process.poll() is None and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_subscription(subscription)
    return answers


def test_its_own_arguments_and_those_of_the_node_are_shown(install_tree: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, 'replay.launch.py', '--show-args'], env=environment_of(install_tree),
        text=True, stdout=subprocess.PIPE, check=True).stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n +(.+)$", shown, re.MULTILINE))
    assert {'bag', 'rate', 'as_answered', 'start', 'duration', 'loop', 'remap', 'clock',
            'evaluate', 'cameras', 'image_topic', 'params_file', 'provider'} <= set(arguments)
    assert all(len(text) > 20 and text != 'no description given' for text in arguments.values())


def test_a_bag_is_played_once_the_node_is_active_and_the_launch_ends_with_it(
        replay: Callable[..., Launch], node: Node) -> None:
    launched = replay()
    answers = answers_to(launched, node)
    log = launched.log()
    assert launched.process.returncode == 0, log
    assert log.index('active: answering') < log.index(PLAYING)
    assert 'played 17 messages' in log and 'the bag has ended' in log
    # The node ends in order: it is told to, and says nothing of a failure.
    assert re.search(r'\[segmenter-\d+\]: process has finished cleanly', log)
    # A busy machine may drop one for a newer one, but never the newest.
    assert set(answers) <= set(STAMPS) and answers[-1] == STAMPS[-1]


def test_a_part_of_the_bag_is_evaluated_as_fast_as_it_is_answered(
        replay: Callable[..., Launch], node: Node, tmp_path: Path) -> None:
    launched = replay('as_answered:=true', 'start:=0.15', 'duration:=0.4',
                      f'evaluate:={tmp_path / "run"}')
    assert answers_to(launched, node) == STAMPS[2:6]
    assert launched.process.returncode == 0, launched.log()
    assert '4 of 4 images answered' in launched.log()
    assert (tmp_path / 'run' / 'report.json').is_file()


def test_topics_are_played_under_other_names(replay: Callable[..., Launch], node: Node) -> None:
    launched = replay('rate:=2', f'remap:={TOPIC}:=/other/image', 'image_topic:=/other/image')
    assert answers_to(launched, node)[-1] == STAMPS[-1]
    assert launched.process.returncode == 0, launched.log()


def test_the_node_takes_its_time_from_the_bag_and_other_arguments_from_the_command_line(
        replay: Callable[..., Launch]) -> None:
    launched = replay('cameras:=front', 'loop:=true')
    sim_time, cameras = launched.parameters('use_sim_time', 'cameras')
    assert sim_time.bool_value
    assert cameras.string_array_value == ['front']
    wait_until(lambda: launched.log().count('played 17 messages') > 1, 'the second round')
    launched.stop()
    assert launched.process.returncode == 0, launched.log()


def test_a_node_that_is_activated_again_gets_no_second_player(
        replay: Callable[..., Launch]) -> None:
    launched = replay('loop:=true')
    wait_until(lambda: PLAYING in launched.log(), 'the player')
    assert launched.change_state('deactivate')
    assert launched.change_state('activate')
    wait_until(lambda: launched.log().count('active: answering') == 2, 'the second activation')
    assert launched.state() == 'active'
    assert len(re.findall(r'\[player-\d+\]: process started', launched.log())) == 1


def test_a_damaged_bag_ends_the_launch_well_and_is_said_to_be_damaged(
        replay: Callable[..., Launch], tmp_path: Path) -> None:
    bag = damage(write_drive(tmp_path / 'damaged', frames=FRAMES, storage='sqlite3'))
    launched = replay(f'bag:={bag}', 'rate:=4')
    assert launched.process.wait(DEADLINE) == 0, launched.log()
    assert 'messages of /front/image_raw can be read' in launched.log()
    assert 'the bag has ended' in launched.log()


def test_a_player_that_fails_fails_the_launch(replay: Callable[..., Launch]) -> None:
    launched = replay('remap:=/nothing:=/other/image')
    assert launched.process.wait(DEADLINE) != 0
    assert "does not have '/nothing'" in launched.log()
    assert 'the player ended with status 1' in launched.log()


def test_a_node_that_dies_ends_the_launch(replay: Callable[..., Launch]) -> None:
    launched = replay('loop:=true')
    wait_until(lambda: PLAYING in launched.log(), 'the player')
    os.kill(launched.pids()[-1], signal.SIGKILL)
    assert launched.process.wait(DEADLINE) != 0
    assert 'the node ended with status -9' in launched.log()


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (('bag:=/no/such/bag',), 'bag: there is no file or folder /no/such/bag'),
    (('rate:=0',), "rate: '0' is not a number above 0"),
    (('rate:=fast',), "rate: 'fast' is not a number above 0"),
    (('rate:=2', 'as_answered:=true'), 'rate and as_answered exclude each other'),
    (('clock:=nan',), "clock: 'nan' is not a number above 0"),
    (('start:=-1',), "start: '-1' is not a number from 0"),
    (('duration:=0',), "duration: '0' is not a number above 0"),
    (('remap:=/cam0',), "remap: '/cam0' is not OLD:=NEW"),
    (('loop:=true', 'evaluate:=run'), 'evaluate plays the bag once'),
])
def test_a_wrong_argument_is_refused_before_anything_starts(
        replay: Callable[..., Launch], arguments: tuple[str, ...], complaint: str) -> None:
    launched = replay(*arguments)
    assert launched.process.wait(DEADLINE) != 0
    assert complaint in launched.log()
    assert launched.pids() == [] and PLAYING not in launched.log()
