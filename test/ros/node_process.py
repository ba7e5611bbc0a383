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
"""Drives the node `segmenter` in a process of its own, over DDS."""

from __future__ import annotations

import array
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
from probe import Probe
from rcl_interfaces.srv import DescribeParameters
from rcl_interfaces.srv import GetParameters
from rcl_interfaces.srv import SetParameters
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.parameter import parameter_value_to_python
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import Header

DEADLINE = 30.0
CALL = 'is anybody there'
"""Frame of images whose only purpose is to be answered."""
DEEP = QoSProfile(depth=2000)
RELIABLE = {'reliability': 'reliable', 'depth': 2000}
"""With these at a camera and as the node's QoS override, every message sent is received."""
SERVICES = {
    'change_state': ChangeState,
    'set_parameters': SetParameters,
    'set_parameters_atomically': SetParametersAtomically,
    'describe_parameters': DescribeParameters,
    'get_parameters': GetParameters,
    'get_state': GetState,  # the last: see SegmenterProcess._meet
}
_numbers = itertools.count(1)


def wait_until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Return the condition's first true value; fail after the deadline."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, f'waited {deadline} s for {what}'
        time.sleep(0.005)
    return value


def new_header(frame_id: str = 'camera_optical') -> Header:
    """Return a header with a stamp that no other one has."""
    number = next(_numbers)
    return Header(stamp=Time(sec=number, nanosec=999_999_999 - number), frame_id=frame_id)


def key_of(header: Header) -> tuple[int, int, str]:
    """Return what identifies an image."""
    return header.stamp.sec, header.stamp.nanosec, header.frame_id


def image_message(
        pixels: np.ndarray, encoding: str, padding: int = 0, header: Header | None = None
) -> Image:
    """Return an image whose rows end with padding of 170."""
    height, width = pixels.shape[:2]
    rows = np.pad(np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1),
                  ((0, 0), (0, padding)), constant_values=170)
    message = Image(
        header=header or new_header(), height=height, width=width, encoding=encoding,
        step=rows.shape[1])
    message.data = array.array('B', rows.tobytes())
    return message


def pixels_of(message: Image) -> np.ndarray:
    """Return the pixels of a dense `mono8` image, (H,W) uint8."""
    assert message.encoding == 'mono8'
    assert message.is_bigendian == 0
    assert message.step == message.width
    assert len(message.data) == message.height * message.width
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


class Camera:
    """Publishes one camera's images and collects the node's answers by header."""

    def __init__(self, probe: Probe, name: str, compressed: bool = False,
                 qos: QoSProfile = qos_profile_sensor_data) -> None:
        self._node = probe.node
        self.topic = f'{name}/image_raw' + ('/compressed' if compressed else '')
        self.publisher: Publisher = probe.node.create_publisher(
            CompressedImage if compressed else Image, self.topic, qos)
        self.answers: dict[str, dict[tuple[int, int, str], Image]] = {'label': {}, 'drivable': {}}
        self._subscriptions = [
            probe.node.create_subscription(
                Image, f'{name}/segmentation/{output}',
                lambda message, output=output: self._take(output, message), 100)
            for output in self.answers]
        self._called_back = threading.Event()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_publisher(self.publisher)

    def _take(self, output: str, message: Image) -> None:
        if message.header.frame_id == CALL:
            self._called_back.set()
        else:
            self.answers[output][key_of(message.header)] = message

    def answering(self) -> Camera:
        """
        Wait until an active node answers.

        A writer that has found its reader may not be known to it yet; of best effort images the
        reader then gets none. So one calls until an answer comes.
        """
        self.connected()
        self._called_back.clear()

        def called() -> bool:
            self.publisher.publish(self._call())
            return self._called_back.wait(0.5)

        wait_until(called, f'an answer to images on {self.topic}')
        return self

    def _call(self) -> Any:
        image = np.zeros((8, 8), np.uint8)
        if self.publisher.msg_type is Image:
            return image_message(image, 'mono8', header=Header(frame_id=CALL))
        data = array.array('B', cv2.imencode('.png', image)[1].tobytes())
        return CompressedImage(header=Header(frame_id=CALL), format='png', data=data)

    def connected(self) -> Camera:
        """
        Wait until both directions have found each other.

        That is enough for reliable images, which wait for a reader that learns of them late.
        """
        wait_until(lambda: self.publisher.get_subscription_count() == 1, f'who reads {self.topic}')
        for subscription in self._subscriptions:
            wait_until(lambda s=subscription: self._node.count_publishers(s.topic_name) == 1,
                       f'who publishes {subscription.topic_name}')
        return self

    def disconnected(self) -> None:
        """Wait until nobody reads the images any more."""
        wait_until(lambda: self.publisher.get_subscription_count() == 0,
                   f'nobody to read {self.topic}')

    def ask(self, message: Any) -> tuple[np.ndarray, np.ndarray]:
        """Publish an image and return its labels and its drivable mask, checked for the header."""
        self.publisher.publish(message)
        return self.answer(message.header)

    def answer(self, header: Header) -> tuple[np.ndarray, np.ndarray]:
        """Wait for the answer to the image with that header."""
        key = key_of(header)
        label, drivable = (
            wait_until(lambda f=found: f.get(key), f'{output} of {self.topic} at {key}')
            for output, found in self.answers.items())
        return pixels_of(label), pixels_of(drivable)


class SegmenterProcess:
    """
    A process of the node in a namespace of its own.

    :param log: file that takes what the process writes.
    :param arguments: further ROS arguments.
    :param overrides: QoS policies of subscriptions by topic, relative to the namespace.
    :param publisher_overrides: the same of publishers.
    :param options: arguments that are not for ROS.
    :param namespace: that of a process that has ended, to take its place; else a new one.
    :param parameters: the node's parameters.
    """

    def __init__(self, probe: Probe, log: Path, arguments: Sequence[str] = (),
                 overrides: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
                 publisher_overrides: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
                 options: Sequence[str] = (), namespace: str = '', **parameters: object) -> None:
        self._probe = probe
        self._log = log
        self.namespace = namespace or f'/test{os.getpid()}_{next(_numbers)}'
        self.name = f'{self.namespace}/segmenter'
        command = [sys.executable, '-m', 'frm_perception.ros.segmenter', *options,
                   '--ros-args', '-r', f'__ns:={self.namespace}', *arguments]
        for side, topics in (('subscription', overrides), ('publisher', publisher_overrides)):
            for topic, policies in topics.items():
                for policy, value in policies.items():
                    name = f'qos_overrides.{self.resolved(topic)}.{side}.{policy}'
                    parameters[name] = value
        for name, value in parameters.items():
            text = f"'{value}'" if isinstance(value, (str, Path)) else str(value)
            command += ['-p', f'{name}:={text}']
        self._met = False
        self._clients = {
            service: probe.node.create_client(kind, f'{self.name}/{service}')
            for service, kind in SERVICES.items()}
        with log.open('wb') as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT)

    def __enter__(self) -> SegmenterProcess:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            print(self.log())

    def stop(self) -> None:
        """End the process in order, if it has not ended; what it wrote stays in its log."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        for client in self._clients.values():
            self._probe.node.destroy_client(client)

    def resolved(self, topic: str) -> str:
        """Return the full name of a topic that is relative to the node's namespace."""
        return topic if topic.startswith('/') else f'{self.namespace}/{topic}'

    def log(self) -> str:
        """Return what the process has written until now."""
        return self._log.read_text(encoding='utf-8', errors='replace')

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def camera(self, name: str, **options: Any) -> Camera:
        """Return a camera of this node's namespace."""
        return Camera(self._probe, f'{self.namespace}/{name}', **options)

    def change_state(self, transition: str | int) -> bool:
        """Run a lifecycle transition by name or id; tell whether it succeeded."""
        request = ChangeState.Request()
        if isinstance(transition, int):
            request.transition.id = transition
        else:
            request.transition.label = transition
        return bool(self._call('change_state', request).success)

    def request_state(self, transition: str) -> Future:
        """Ask for a lifecycle transition without waiting for the answer."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self._request('change_state', request)

    def state(self) -> str:
        """Return the label of the lifecycle state."""
        return str(self._call('get_state', GetState.Request()).current_state.label)

    def set_parameter(self, name: str, value: Any) -> str:
        """Set a parameter; return the reason of a refusal, or empty text."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        result = self._call('set_parameters', request).results[0]
        assert result.successful or result.reason
        return '' if result.successful else str(result.reason)

    def set_together(self, **values: Any) -> str:
        """Set parameters as a whole; return the reason of a refusal, or empty text."""
        request = SetParametersAtomically.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()])
        return str(self._call('set_parameters_atomically', request).result.reason)

    def describe_parameters(self, names: Sequence[str]) -> list[Any]:
        """Return the parameters' descriptors."""
        request = DescribeParameters.Request(names=list(names))
        return list(self._call('describe_parameters', request).descriptors)

    def get_parameters(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the values that parameters have."""
        values = self._call('get_parameters', GetParameters.Request(names=list(names))).values
        return {name: parameter_value_to_python(value) for name, value in zip(names, values)}

    def _call(self, service: str, request: Any) -> Any:
        future = self._request(service, request)
        wait_until(future.done, f'the answer of {self.name}/{service}')
        return future.result()

    def _request(self, service: str, request: Any) -> Future:
        if not self._met:
            self._meet()
        return self._clients[service].call_async(request)

    def _meet(self) -> None:
        """
        Wait until the node's answers reach the clients.

        A service drops its answer to a client that discovery has not told it of yet, whatever the
        client sees. Discovery tells of clients in the order they were made: a node that answers
        the last one knows them all.
        """
        for name, client in self._clients.items():
            assert client.wait_for_service(DEADLINE), f'no service {name}: {self.log()}'
        client = self._clients['get_state']
        answers = []

        def answered() -> bool:
            answers.append(client.call_async(GetState.Request()))
            end = time.monotonic() + 1.0
            while time.monotonic() < end and not any(answer.done() for answer in answers):
                time.sleep(0.01)
            return any(answer.done() for answer in answers)

        wait_until(answered, f'an answer of {self.name}/get_state')
        self._met = True


class Diagnostics:
    """
    Collects what a node says on `/diagnostics`.

    :param node: whose statuses count; others may be on the same topic.
    """

    def __init__(self, probe: Probe, node: SegmenterProcess) -> None:
        self._node = probe.node
        self._source = node.name
        self.arrays: list[DiagnosticArray] = []
        self._subscription = probe.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._take, 100)

    def _take(self, message: DiagnosticArray) -> None:
        if all(status.hardware_id == self._source for status in message.status):
            self.arrays.append(message)

    def __enter__(self) -> Diagnostics:
        return self

    def __exit__(self, *_: object) -> None:
        self._node.destroy_subscription(self._subscription)

    def next_status(self, part: str) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Wait for the next status of `engine` or of a camera; return it and its values."""
        seen = len(self.arrays)
        status = wait_until(
            lambda: next((status for message in self.arrays[seen:] for status in message.status
                          if status.name == f'segmenter: {part}'), None), f'a status of {part}')
        return status, {pair.key: pair.value for pair in status.values}

    def status_where(self, part: str, **values: str) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Wait for a status that has those values."""
        def found() -> tuple[DiagnosticStatus, dict[str, str]] | None:
            status, had = self.next_status(part)
            return (status, had) if values.items() <= had.items() else None

        result: tuple[DiagnosticStatus, dict[str, str]] = wait_until(found, f'{part} {values}')
        return result
