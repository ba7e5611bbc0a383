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
Start the node `segmenter` and bring it to the active state.

An argument that is not given leaves its parameter to `params_file`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import cycle
from itertools import islice
from pathlib import Path

from launch.actions import DeclareLaunchArgument
from launch.actions import LogInfo
from launch.actions import OpaqueFunction
from launch.actions import RegisterEventHandler
from launch.actions import TimerAction
from launch.event_handlers import OnProcessExit
from launch.event_handlers import OnProcessStart
from launch.events.process import ProcessExited
from launch.events.process import ProcessStarted
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client

from frm_perception.runtime.shared_memory import PROFILE_VARIABLE
from launch import Action
from launch import LaunchContext
from launch import LaunchDescription
from launch import LaunchDescriptionEntity

PACKAGE = 'frm_perception'
RESPAWN_DELAY_S = 2.0
ASK_AGAIN_S = 5.0
LOOK_AGAIN_S = 0.2
MOST_REQUESTS = 12
CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
YES_NO = ['true', 'false', 'True', 'False']
FROM_FILE = 'Not given: as params_file says.'

PARAMETERS = (
    DeclareLaunchArgument(
        'transport', default_value='', choices=['', 'auto', 'raw', 'compressed'],
        description=f'Form of the input images. {FROM_FILE}'),
    DeclareLaunchArgument(
        'model_dir', default_value='',
        description='Folder of model bundles, instead of the one that came with the package. '
                    f'{FROM_FILE}'),
    DeclareLaunchArgument(
        'backbone', default_value='',
        description="Backbone that the model must have, or its bundle's name; auto: the folder's "
                    f'default. {FROM_FILE}'),
    DeclareLaunchArgument(
        'resolution', default_value='',
        description="Size of the network's input, HEIGHTxWIDTH such as 384x640, or auto. "
                    f'{FROM_FILE}'),
    DeclareLaunchArgument(
        'precision', default_value='',
        description=f"One of the model's precisions, such as fp32. {FROM_FILE}"),
    DeclareLaunchArgument(
        'provider', default_value='',
        choices=['', 'auto', 'cpu', 'cuda', 'tensorrt', 'openvino', 'torch'],
        description=f'What computes the network. {FROM_FILE}'),
    DeclareLaunchArgument(
        'fit', default_value='', choices=['', 'letterbox', 'stretch', 'crop'],
        description="How images of another shape are fitted into the network's input. "
                    f'{FROM_FILE}'),
    DeclareLaunchArgument(
        'engine_cache', default_value='',
        description='Folder in which engines are kept that take long to build, private to it. '
                    f'{FROM_FILE}'),
)
"""Launch arguments that are parameters of the node, of type string, under the same name."""

ARGUMENTS = (
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Names of cameras, separated by commas: for each C the node reads C/image_raw '
                    'and publishes C/segmentation/label and C/segmentation/drivable (and, where '
                    'there is C/camera_info, C/segmentation/camera_info). '
                    f'{FROM_FILE}'),
    DeclareLaunchArgument(
        'image_topic', default_value='',
        description='Topic of the images instead of C/image_raw; {camera} in it stands for the '
                    "camera's name, which several cameras need: /sensors/{camera}/image. "
                    'C/camera_info becomes its sibling, here /sensors/{camera}/camera_info. '
                    'With transport compressed, /compressed is added. Where it is given and '
                    'cameras is not, there is one camera, called camera.'),
    *PARAMETERS,
    DeclareLaunchArgument(
        'require_provider', default_value='', choices=['', *YES_NO],
        description='Refuse an engine that does not really use the provider or the precision '
                    f'asked for. {FROM_FILE}'),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution(
            [FindPackageShare(PACKAGE), 'config', 'segmenter.yaml']),
        description='YAML file with the parameters of the node. Not given: config/segmenter.yaml '
                    'of the package.'),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node and its topics.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='', choices=['', *YES_NO],
        description=f'Take the time from /clock. {FROM_FILE}'),
    DeclareLaunchArgument(
        'autostart', default_value='true', choices=YES_NO,
        description='Configure and activate the node; false leaves both to a lifecycle manager.'),
    DeclareLaunchArgument(
        'build_only', default_value='false', choices=YES_NO,
        description='Build the engines that the node would build, which takes TensorRT minutes, '
                    'and end; a node that is started later finds them.'),
    DeclareLaunchArgument(
        'enclave', default_value='',
        description='Enclave of the node on a secured ROS graph, such as '
                    '/frm_perception/segmenter; SECURITY.md says how one is made.'),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='The least severe messages that the node logs.'),
    DeclareLaunchArgument(
        'respawn', default_value='false', choices=YES_NO,
        description=f'Start the node again, {RESPAWN_DELAY_S:.0f} s later, when its process '
                    'ends.'),
)


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    # Which parameters and remappings there are depends on which arguments are given: substitutions
    # can change the text of a parameter, but not leave it out.
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
    given = {name: text.strip() for name, text in context.launch_configurations.items()}
    params_file = Path(given['params_file']).expanduser()
    if not params_file.is_file():
        raise ValueError(f'params_file: there is no file {params_file}')
    cameras = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    if given['image_topic'] and not cameras:
        if '{camera}' in given['image_topic']:
            raise ValueError('image_topic: {camera} stands for names that the argument cameras '
                             'has to give, also where params_file has them')
        cameras = ['camera']
    build_only = _yes(given['build_only'])
    node = LifecycleNode(
        package=PACKAGE,
        executable='segmenter',
        arguments=['--build-only'] if build_only else [],
        name='segmenter',
        namespace=given['namespace'],
        parameters=[ParameterFile(str(params_file), allow_substs=True),
                    *_parameters(given, cameras)],
        remappings=_remappings(given['image_topic'], cameras),
        ros_arguments=['--log-level', given['log_level'],
                       *(['--enclave', given['enclave']] if given['enclave'] else [])],
        additional_env=_dds_profile(context),
        respawn=_yes(given['respawn']) and not build_only,
        respawn_delay=RESPAWN_DELAY_S,
        output='screen',
        emulate_tty=True,
    )
    # The handlers come first: the node's first event must find them.
    if build_only:
        return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_end_build)), node]
    return [*(_Autostart(node).handlers if _yes(given['autostart']) else ()), node]


def _end_build(event: ProcessExited, _: LaunchContext) -> None:
    """Let the launch, which ends with its only process, fail where the build did."""
    if event.returncode:
        raise RuntimeError(f'the engine was not built (status {event.returncode}): see above')


def _yes(text: str) -> bool:
    return text.lower() == 'true'


def _parameters(given: dict[str, str], cameras: list[str]) -> list[dict[str, object]]:
    """Return the parameters that arguments were given for, as one dictionary or none."""
    values: dict[str, object] = {
        argument.name: ParameterValue(given[argument.name], value_type=str)
        for argument in PARAMETERS if given[argument.name]}
    if cameras:
        values['cameras'] = cameras
    for name in ('require_provider', 'use_sim_time'):
        if given[name]:
            values[name] = _yes(given[name])
    return [values] if values else []


def _remappings(image_topic: str, cameras: list[str]) -> list[tuple[str, str]]:
    if not image_topic:
        return []
    if image_topic.endswith('/compressed'):
        raise ValueError(f'image_topic: write {image_topic.removesuffix("/compressed")}; with '
                         'transport compressed or auto, /compressed is added')
    if len(cameras) > 1 and '{camera}' not in image_topic:
        raise ValueError(f'image_topic: {image_topic} would be the topic of all of '
                         f'{", ".join(cameras)}; write {{camera}} where their names belong')
    # image_transport, too, looks for camera_info beside the images.
    info_topic = image_topic[:image_topic.rfind('/') + 1] + 'camera_info'
    # The transport may be the file's: a rule for a topic that the node does not use does nothing.
    topics = {'image_raw': image_topic, 'image_raw/compressed': f'{image_topic}/compressed',
              'camera_info': info_topic}
    return [(f'{camera}/{name}', topic.replace('{camera}', camera))
            for camera in cameras for name, topic in topics.items()]


def _dds_profile(context: LaunchContext) -> dict[str, str] | None:
    """Return the variable that gives Fast DDS room for images, unless the user has a profile."""
    if os.environ.get(PROFILE_VARIABLE):
        return None
    profile = Path(FindPackageShare(PACKAGE).perform(context), 'config', 'fastdds_shm.xml')
    return {PROFILE_VARIABLE: str(profile)}


class _Autostart:
    """
    Configures every process of a node when it starts, and activates it once it is configured.

    DDS believes a process that was killed to be alive for 10 or 20 more seconds, and a request
    that is sent before it has found the new process goes to the dead one only. So a process that
    was started again is asked a while later. And it is asked again and again, until it reports a
    transition: the report tells what comes next. The first report is missed if it is sent before
    DDS has found who listens; so now and then the node is asked to activate, too, which it refuses
    if it is not configured yet.

    Nobody waits for an answer, or for a service that is not there: the requests of launch_ros do,
    and where the node's process ends meanwhile, the launch would wait with them for ever.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._client: Client | None = None
        self._series = 0
        self._is_first = True
        self.handlers = [
            RegisterEventHandler(OnProcessStart(target_action=node, on_start=self._on_start)),
            RegisterEventHandler(OnProcessExit(target_action=node, on_exit=self._on_exit)),
            RegisterEventHandler(OnStateTransition(
                target_lifecycle_node=node,
                entities=[OpaqueFunction(function=self._on_transition)])),
        ]

    def _on_start(self, _: ProcessStarted, context: LaunchContext) -> list[Action]:
        requests = self._new_series(CONFIGURE, CONFIGURE, ACTIVATE)
        if self._is_first:
            self._is_first = False
            self._client = get_ros_node(context).create_client(
                ChangeState, f'{self._node.node_name}/change_state')
            return self._ask(self._series, requests)
        return [self._ask_later(ASK_AGAIN_S, self._series, requests)]

    def _on_exit(self, *_: object) -> None:
        self._series += 1

    def _on_transition(self, context: LaunchContext) -> list[Action]:
        event = context.locals.event
        requests = self._new_series(ACTIVATE)
        # From configuring only: who deactivates the node by hand wants it inactive.
        if (event.start_state, event.goal_state) == ('configuring', 'inactive'):
            return self._ask(self._series, requests)
        return []

    def _new_series(self, *transitions: int) -> Iterator[int]:
        """End the asking until now; return what to ask for from now on."""
        self._series += 1
        return islice(cycle(transitions), MOST_REQUESTS)

    def _ask(self, series: int, requests: Iterator[int]) -> list[Action]:
        if series != self._series:
            return []
        assert self._client is not None, 'the first start makes it'
        if not self._client.service_is_ready():
            return [self._ask_later(LOOK_AGAIN_S, series, requests)]
        transition = next(requests, None)
        if transition is None:
            return [LogInfo(msg=(
                f'autostart gives up: the node reported no transition after {MOST_REQUESTS} '
                'requests; see `ros2 lifecycle get` and `ros2 lifecycle set`'))]
        self._client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        return [self._ask_later(ASK_AGAIN_S, series, requests)]

    def _ask_later(self, seconds: float, series: int, requests: Iterator[int]) -> Action:
        return TimerAction(period=seconds, actions=[
            OpaqueFunction(function=lambda _: self._ask(series, requests))])
