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
Play a ROS bag through the node `segmenter`, and end where the bag ends.

`frm bag replay` plays it, of any distribution and without rosbag2, once the node is active and
both have found each other. Every argument of `segment.launch.py` can be given, too.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from launch.actions import DeclareLaunchArgument
from launch.actions import EmitEvent
from launch.actions import ExecuteProcess
from launch.actions import IncludeLaunchDescription
from launch.actions import LogInfo
from launch.actions import OpaqueFunction
from launch.actions import RegisterEventHandler
from launch.actions import SetEnvironmentVariable
from launch.actions import TimerAction
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable
from launch.substitutions import PathJoinSubstitution
from launch_ros.event_handlers import OnStateTransition
from launch_ros.substitutions import ExecutableInPackage
from launch_ros.substitutions import FindPackageShare

from frm_perception.runtime.shared_memory import PROFILE_VARIABLE
from launch import Action
from launch import LaunchContext
from launch import LaunchDescription
from launch import LaunchDescriptionEntity

NODE = 'segmenter'
DAMAGED = 3
"""Status of the player where all that can be read of a damaged bag was played."""
LAST_ANSWERS_S = 2.0
"""How long the node goes on after the end of the bag, for what it still works on."""

_TRUTHS = ['true', 'false', 'True', 'False']

ARGUMENTS = (
    DeclareLaunchArgument(
        'bag', description='The ROS bag to play: a folder, or a file of MCAP, sqlite3 or ROS 1.'),
    DeclareLaunchArgument(
        'rate', default_value='1.0',
        description='How many times as fast as it was recorded the bag is played.'),
    DeclareLaunchArgument(
        'as_answered', default_value='false', choices=_TRUTHS,
        description='Play it as fast as the node answers, instead of at a rate: the next image of '
                    'a camera goes out when the one before is answered, or counted under a '
                    'reason.'),
    DeclareLaunchArgument(
        'start', default_value='0.0',
        description='Leave out so many seconds at the beginning of the bag.'),
    DeclareLaunchArgument(
        'duration', default_value='',
        description='Play so many seconds of the bag instead of all.'),
    DeclareLaunchArgument(
        'loop', default_value='false', choices=_TRUTHS,
        description='Play the bag again and again, until Ctrl-C.'),
    DeclareLaunchArgument(
        'remap', default_value='',
        description='Topics of the bag under other names, such as "/cam0:=/camera/image_raw '
                    '/cam0/info:=/camera/camera_info".'),
    DeclareLaunchArgument(
        'clock', default_value='200.0',
        description='Messages a second on /clock, the time of the recording; the node takes its '
                    'time from there.'),
    DeclareLaunchArgument(
        'evaluate', default_value='',
        description='Folder for an evaluation of the node on this bag: which images were '
                    'answered, why others were not, and how good the answers are.'),
)


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the player and the node of `segment.launch.py`."""
    segment = str(Path(__file__).with_name('segment.launch.py'))
    profile = PathJoinSubstitution([FindPackageShare('frm_perception'), 'config',
                                    'fastdds_shm.xml'])
    return LaunchDescription([
        *ARGUMENTS,
        # The player publishes images: it needs room for them more than the node does.
        SetEnvironmentVariable(
            PROFILE_VARIABLE, EnvironmentVariable(PROFILE_VARIABLE, default_value=profile)),
        # The handlers come first: the node's first event must find them.
        OpaqueFunction(function=_prepare),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(segment),
                                 launch_arguments={'use_sim_time': 'true'}.items()),
    ])


def _prepare(context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
    given = {name: text.strip() for name, text in context.launch_configurations.items()}
    bag = Path(given['bag']).expanduser()
    if not bag.exists():
        raise ValueError(f'bag: there is no file or folder {bag}')
    respawns = given.get('respawn', '').lower() == 'true'
    player = ExecuteProcess(
        cmd=[ExecutableInPackage('frm', 'frm_perception'), 'bag', 'replay', str(bag),
             *_options(given)],
        name='player', output='screen')

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        is_player = event.action is player
        if context.is_shutdown or (respawns and not is_player):
            return []
        if event.returncode and not (is_player and event.returncode == DAMAGED):
            raise RuntimeError(f'the {"player" if is_player else "node"} ended with status '
                               f'{event.returncode}: see above')
        if is_player:
            return [TimerAction(period=LAST_ANSWERS_S, actions=_end('the bag has ended'))]
        return _end('the node has ended')

    return [
        # Once: who deactivates and activates the node by hand does not want a second player.
        RegisterEventHandler(OnStateTransition(
            goal_state='active', entities=[player], handle_once=True)),
        RegisterEventHandler(OnProcessExit(on_exit=on_exit)),
    ]


def _options(given: dict[str, str]) -> list[str]:
    """
    Return the options of `frm bag replay`.

    :raises ValueError: an argument that cannot be, by its name.
    """
    for name in ('rate', 'clock', *(['duration'] if given['duration'] else [])):
        if not 0 < _number(given[name]) < float('inf'):
            raise ValueError(f'{name}: {given[name]!r} is not a number above 0')
    if not 0 <= _number(given['start']) < float('inf'):
        raise ValueError(f'start: {given["start"]!r} is not a number from 0')
    as_answered, loop = (given[name].lower() == 'true' for name in ('as_answered', 'loop'))
    if as_answered and float(given['rate']) != 1:
        raise ValueError('rate and as_answered exclude each other')
    if loop and given['evaluate']:
        raise ValueError('evaluate plays the bag once; leave out loop')
    rules = shlex.split(given['remap'])
    for rule in rules:
        old, _, new = rule.partition(':=')
        if not old or not new:
            raise ValueError(f'remap: {rule!r} is not OLD:=NEW')
    namespace = given.get('namespace', '').strip('/')
    return [*(['--as-answered'] if as_answered else ['--rate', given['rate']]),
            '--clock', given['clock'], '--start', given['start'],
            *(['--duration', given['duration']] if given['duration'] else []),
            *(['--loop'] if loop else []),
            *(['--evaluate', given['evaluate']] if given['evaluate'] else []),
            *(['--remap', *rules] if rules else []),
            '--node', f'/{namespace}/{NODE}' if namespace else f'/{NODE}']


def _number(text: str) -> float:
    """Return the number that a text says, or NaN, which no comparison holds for."""
    try:
        return float(text)
    except ValueError:
        return float('nan')


def _end(reason: str) -> list[Action]:
    return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]
