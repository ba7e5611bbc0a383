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

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from install_tree import environment_of
from tiny_bundle import write_tiny_bundle

# The wheels of ROS lack these; a ROS that is sourced has them.
pytest.importorskip('ros2launch', reason='ros2 launch is not installed')

import rclpy  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.node import Node  # noqa: E402

DEADLINE = 60.0
COMMAND = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; sys.exit(main())',
           'launch', 'frm_perception', 'segment.launch.py']
PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_numbers = itertools.count(1)


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value; fail after the deadline."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f'waited {DEADLINE} s for {what}'
        time.sleep(0.02)
    return value


class Launch:
    """`ros2 launch` of the installed package, in a namespace of its own, seen from a ROS node."""

    def __init__(self, node: Node, folder: Path, environment: dict[str, str],
                 arguments: tuple[str, ...]) -> None:
        self._node = node
        self.namespace = f'/launch{os.getpid()}_{next(_numbers)}'
        self._clients = {
            service: node.create_client(kind, f'{self.namespace}/segmenter/{service}')
            for service, kind in (('get_state', GetState), ('change_state', ChangeState),
                                  ('get_parameters', GetParameters))}
        self._log = folder / f'launch{next(_numbers)}.txt'
        with self._log.open('w') as output:
            self.process = subprocess.Popen(
                [*COMMAND, f'namespace:={self.namespace}', *arguments], env=environment,
                cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)

    def log(self) -> str:
        """Return what the launch has printed until now."""
        return self._log.read_text()

    def call(self, service: str, request: Any) -> Any:
        """Call a service of the node, again where a process that is gone took the request."""
        client = self._clients[service]
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            assert client.wait_for_service(DEADLINE), self.log()
            future = client.call_async(request)
            rclpy.spin_until_future_complete(self._node, future, timeout_sec=2.0)
            if future.done():
                return future.result()
        raise AssertionError(f'{service} was not answered within {DEADLINE} s\n{self.log()}')

    def state(self) -> str:
        """Return the label of the lifecycle state."""
        return str(self.call('get_state', GetState.Request()).current_state.label)

    def change_state(self, transition: str) -> bool:
        """Run a transition; tell whether it succeeded."""
        request = ChangeState.Request()
        request.transition.label = transition
        return bool(self.call('change_state', request).success)

    def parameters(self, *names: str) -> list[Any]:
        """Return values of parameters, as messages."""
        request = GetParameters.Request(names=list(names))
        return list(self.call('get_parameters', request).values)

    def pids(self) -> list[int]:
        """Return the ids of the node's processes, the latest last."""
        return [int(pid) for pid in re.findall(r'process started with pid \[(\d+)\]', self.log())]

    def variables(self) -> dict[str, str]:
        """Return the environment of the node's process."""
        pid = wait_until(self.pids, 'the process of the node')[-1]
        text = Path(f'/proc/{pid}/environ').read_text()
        return dict(entry.split('=', 1) for entry in text.split('\0') if entry)

    def stop(self) -> None:
        """End the launch as Ctrl-C does, and see that the node ended well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise
        for client in self._clients.values():
            self._node.destroy_client(client)
        print(self.log())


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    """Return the test's own node."""
    rclpy.init()
    yield rclpy.create_node('launch_test')
    rclpy.shutdown()


@pytest.fixture
def start(node: Node, install_tree: Path, tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Return a function that launches the node with a tiny model and further arguments."""
    models = tmp_path / 'models'
    write_tiny_bundle(models)
    running = []

    def launch(*arguments: str, **variables: str) -> Launch:
        environment = {**environment_of(install_tree), **variables}
        running.append(Launch(node, tmp_path, environment, (f'model_dir:={models}', *arguments)))
        return running[-1]

    yield launch
    for launched in running:
        launched.stop()


def test_every_argument_is_shown_with_a_description(install_tree: Path) -> None:
    shown = subprocess.run(
        [*COMMAND, '--show-args'], env=environment_of(install_tree), text=True,
        stdout=subprocess.PIPE, check=True).stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n +(.+)$", shown, re.MULTILINE))
    assert set(arguments) == {
        'cameras', 'image_topic', 'transport', 'model_dir', 'backbone', 'resolution', 'precision',
        'provider', 'engine_cache', 'params_file', 'namespace', 'use_sim_time', 'autostart',
        'build_only', 'log_level', 'respawn'}
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


def test_arguments_win_over_the_file_and_leave_alone_what_is_not_given(
        start: Callable[..., Launch], tmp_path: Path) -> None:
    file = tmp_path / 'params.yaml'
    file.write_text('/**:\n  ros__parameters:\n    cameras: [left]\n    threads: 1\n'
                    '    output_size: network\n    provider: auto\n')
    launched = start(f'params_file:={file}', 'provider:=cpu')
    cameras, threads, size, provider = launched.parameters(
        'cameras', 'threads', 'output_size', 'provider')
    assert cameras.string_array_value == ['left']
    assert threads.integer_value == 1
    assert (size.string_value, provider.string_value) == ('network', 'cpu')


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
    (('provider:=gpu',), "Valid options are: ['', 'auto', 'cpu', 'cuda', 'tensorrt', 'openvino']"),
    (('params_file:=/no/such/file',), 'params_file: there is no file /no/such/file'),
    (('cameras:=a,b', 'image_topic:=/image'), 'write {camera} where their names belong'),
])
def test_a_wrong_argument_is_refused_before_the_node_starts(
        start: Callable[..., Launch], arguments: tuple[str, ...], complaint: str) -> None:
    launched = start(*arguments)
    assert launched.process.wait(DEADLINE) != 0
    assert complaint in launched.log()
    assert launched.pids() == []
