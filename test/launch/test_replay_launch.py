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
`replay.launch.py`: when it plays a bag, with which options, and how it ends.

A stand-in for `ros2 bag play` notes how it is called, and plays nothing, or images of its own:
there is no wheel of rosbag2. So these tests hold what the launch file does, and nothing of what
rosbag2 does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
from install_tree import environment_of
from launch_process import COMMAND
from launch_process import DEADLINE
from launch_process import PROFILE
from launch_process import Launch
from launch_process import wait_until
from rclpy.node import Node
from sensor_msgs.msg import Image

# The wheels of ROS lack these; a ROS that is sourced has them.
pytest.importorskip('ros2launch', reason='ros2 launch is not installed')

TOPIC = '/replayed/image'
STAMPS = [1000, 1001, 1002, 1003]
"""Seconds of the images that the stand-in plays; the last comes right before its end."""

STAND_IN = """#!{python}
import json
import os
import sys
import time

with open({calls!r}, 'a') as file:
    file.write(json.dumps([sys.argv[1:], os.environ.get({profile!r})]) + chr(10))
{play}
sys.exit({status})
"""

PLAY_IMAGES = f"""
import rclpy
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('stand_in_for_rosbag2')
images = node.create_publisher(Image, '{TOPIC}', 1)
clock = node.create_publisher(Clock, '/clock', 1)
time.sleep(float(sys.argv[sys.argv.index('--delay') + 1]))
for second in {STAMPS}:
    image = Image(height=48, width=64, encoding='mono8', step=64, data=bytes(48 * 64))
    image.header.stamp = Time(sec=second)
    clock.publish(Clock(clock=image.header.stamp))
    images.publish(image)
    time.sleep(0.5 if second < {STAMPS[-1]} else 0)
"""


class Player:
    """The stand-in for `ros2`, and how it was called."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / 'calls.txt'
        self._calls.touch()
        self._file = folder / 'bin' / 'ros2'
        self._file.parent.mkdir()
        self.bag = folder / 'drive'
        self.bag.mkdir()
        self.path = f'{self._file.parent}{os.pathsep}{os.environ["PATH"]}'
        self.plays(seconds=0.5)

    def plays(self, seconds: float, status: int = 0) -> None:
        """Say how long the next player plays nothing, and how it ends."""
        self._write(f'time.sleep({seconds})', status)

    def plays_images(self) -> None:
        """Let the next player play a few images."""
        self._write(PLAY_IMAGES, 0)

    def _write(self, play: str, status: int) -> None:
        self._file.write_text(STAND_IN.format(
            python=sys.executable, calls=str(self._calls), profile=PROFILE, play=play,
            status=status))
        self._file.chmod(0o755)

    def calls(self) -> list[tuple[list[str], str]]:
        """Return arguments and DDS profile of every call until now."""
        return [tuple(json.loads(line)) for line in self._calls.read_text().splitlines()]


@pytest.fixture
def player(tmp_path: Path) -> Player:
    """Return the stand-in, which plays for half a second and ends well."""
    return Player(tmp_path)


@pytest.fixture
def replay(start: Callable[..., Launch], player: Player) -> Callable[..., Launch]:
    """Return a function that launches a replay of the player's bag with further arguments."""
    return lambda *arguments: start(f'bag:={player.bag}', *arguments, file='replay.launch.py',
                                    PATH=player.path)


def test_its_own_arguments_and_those_of_the_node_are_shown(install_tree: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, 'replay.launch.py', '--show-args'], env=environment_of(install_tree),
        text=True, stdout=subprocess.PIPE, check=True).stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n +(.+)$", shown, re.MULTILINE))
    assert {'bag', 'rate', 'loop', 'remap', 'clock', 'cameras', 'image_topic', 'params_file',
            'provider'} <= set(arguments)
    assert all(len(text) > 20 and text != 'no description given' for text in arguments.values())


def test_a_bag_is_played_once_the_node_is_active_and_the_launch_ends_with_it(
        replay: Callable[..., Launch], player: Player, install_tree: Path) -> None:
    launched = replay()
    assert launched.process.wait(DEADLINE) == 0, launched.log()
    profile = install_tree / 'share' / 'frm_perception' / 'config' / 'fastdds_shm.xml'
    assert player.calls() == [(
        ['bag', 'play', str(player.bag), '--rate', '1.0', '--clock', '200.0', '--delay', '5.0',
         '--disable-keyboard-controls'], str(profile))]
    log = launched.log()
    assert log.index('active: answering') < log.index('[player-')
    assert 'the bag has ended' in log
    # The node ends in order: it is told to, and says nothing of a failure.
    assert re.search(r'\[segmenter-\d+\]: process has finished cleanly', log)


def test_the_options_of_the_player_are_arguments(
        replay: Callable[..., Launch], player: Player) -> None:
    launched = replay('rate:=0.5', 'loop:=true', 'clock:=50',
                      'remap:=/cam0:=/camera/image_raw /info:=/camera/camera_info')
    arguments, _ = wait_until(player.calls, 'the player')[0]
    assert arguments[3:] == [
        '--rate', '0.5', '--clock', '50', '--delay', '5.0', '--disable-keyboard-controls',
        '--loop', '--remap', '/cam0:=/camera/image_raw', '/info:=/camera/camera_info']
    assert launched.process.wait(DEADLINE) == 0, launched.log()


def test_the_node_takes_its_time_from_the_bag_and_other_arguments_from_the_command_line(
        replay: Callable[..., Launch], player: Player) -> None:
    player.plays(seconds=DEADLINE)
    launched = replay('cameras:=front', 'image_topic:=/cam0')
    sim_time, cameras = launched.parameters('use_sim_time', 'cameras')
    assert sim_time.bool_value
    assert cameras.string_array_value == ['front']
    wait_until(player.calls, 'the player')
    launched.stop()
    assert launched.process.returncode == 0, launched.log()


def test_the_last_image_is_answered_before_the_launch_ends(
        replay: Callable[..., Launch], player: Player, node: Node) -> None:
    player.plays_images()
    launched = replay(f'image_topic:={TOPIC}', 'transport:=raw')
    answers: list[int] = []
    subscription = node.create_subscription(
        Image, f'{launched.namespace}/camera/segmentation/label',
        lambda message: answers.append(message.header.stamp.sec), 10)
    end = time.monotonic() + DEADLINE
    while launched.process.poll() is None and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_subscription(subscription)
    assert launched.process.returncode == 0, launched.log()
    # A busy machine may drop one for a newer one, but never the newest.
    assert set(answers) <= set(STAMPS) and answers[-1] == STAMPS[-1]


def test_a_node_that_is_activated_again_gets_no_second_player(
        replay: Callable[..., Launch], player: Player) -> None:
    player.plays(seconds=DEADLINE)
    launched = replay()
    wait_until(player.calls, 'the player')
    assert launched.change_state('deactivate')
    assert launched.change_state('activate')
    wait_until(lambda: launched.log().count('active: answering') == 2, 'the second activation')
    assert launched.state() == 'active'
    assert len(player.calls()) == 1


def test_a_player_that_fails_fails_the_launch(
        replay: Callable[..., Launch], player: Player) -> None:
    player.plays(seconds=0.1, status=2)
    launched = replay()
    assert launched.process.wait(DEADLINE) != 0
    assert 'the player ended with status 2' in launched.log()


def test_a_node_that_dies_ends_the_launch(replay: Callable[..., Launch], player: Player) -> None:
    player.plays(seconds=DEADLINE)
    launched = replay()
    wait_until(player.calls, 'the player')
    os.kill(launched.pids()[-1], signal.SIGKILL)
    assert launched.process.wait(DEADLINE) != 0
    assert 'the node ended with status -9' in launched.log()


@pytest.mark.parametrize(('arguments', 'complaint'), [
    (('bag:=/no/such/bag',), 'bag: there is no file or folder /no/such/bag'),
    (('rate:=0',), "rate: '0' is not a number above 0"),
    (('rate:=fast',), "rate: 'fast' is not a number above 0"),
    (('clock:=nan',), "clock: 'nan' is not a number above 0"),
    (('remap:=/cam0',), "remap: '/cam0' is not OLD:=NEW"),
])
def test_a_wrong_argument_is_refused_before_anything_starts(
        replay: Callable[..., Launch], player: Player, arguments: tuple[str, ...],
        complaint: str) -> None:
    launched = replay(*arguments)
    assert launched.process.wait(DEADLINE) != 0
    assert complaint in launched.log()
    assert launched.pids() == [] and player.calls() == []
