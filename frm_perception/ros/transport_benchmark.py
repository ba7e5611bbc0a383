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
Camera images through Fast DDS, as it comes and with ``config/fastdds_shm.xml``, side by side.

A publisher and a subscriber, each a process of its own, for every combination of image size,
reliability and profile. Latency is from just before ``publish()`` to the subscriber's callback,
so it includes what rclpy takes to serialise the message and to read it. The first second or so
of a stream is sent but not counted: until every page of the shared memory has been touched once,
images are late, with the profile and without.
"""

from __future__ import annotations

import select
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image
from tqdm import tqdm

from frm_perception.evaluation.record import ROS_PACKAGES
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.ros.children import Children
from frm_perception.ros.children import report
from frm_perception.ros.private_system import free_domain
from frm_perception.ros.private_system import private_environment
from frm_perception.ros.private_system import shared_memory_warning
from frm_perception.runtime.share import share_folder
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

SIZES = ((640, 480), (1920, 1080))
_PACKAGES = (*ROS_PACKAGES, 'numpy')
_START_SECONDS = 20.0
_QUIET_SECONDS = 1.0
_WARM_UP = 'warm-up'
_WARM_UP_IMAGES = 20


@dataclass(frozen=True)
class Run:
    """One combination: image size in pixels, QoS, and the profile or Fast DDS as it comes."""

    width: int
    height: int
    reliable: bool
    profile: bool

    @property
    def name(self) -> str:
        """Return a short name for progress and logs."""
        return (f'{self.width}x{self.height} {"reliable" if self.reliable else "best effort"} '
                f'{"profile" if self.profile else "as it comes"}')


def combinations(sizes: Iterable[tuple[int, int]] = SIZES) -> list[Run]:
    """Return every combination, with and without the profile next to each other."""
    return [Run(width, height, reliable, profile) for reliable in (False, True)
            for width, height in sizes for profile in (False, True)]


def measure(seconds: float, rate: float, runs: Iterable[Run]) -> dict[str, Any]:
    """
    Run every combination for so many seconds at so many images a second.

    :return: what :func:`table` prints and ``--json`` writes.
    :raises frm_perception.ros.children.ChildError: a process failed.
    """
    runs = list(runs)
    count = max(round(seconds * rate), 1)
    if warning := shared_memory_warning(processes=2):
        print(f'Warning: {warning}', file=sys.stderr)
    origin = provenance(_PACKAGES)
    results = []
    with tempfile.TemporaryDirectory(prefix='frm-benchmark-') as logs, \
            tqdm(total=count * len(runs), unit='image') as progress:
        for run in runs:
            progress.set_description(run.name)
            results.append(_measure_one(run, count, rate, Path(logs), progress))
    return {'benchmark': 'transport', 'rate': rate, 'images': count,
            'rmw': get_rmw_implementation_identifier(), **origin, 'runs': results}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table that is also readable on a terminal."""
    rows: list[tuple[str, ...]] = [
        ('image', 'QoS', 'Fast DDS', 'delivered', 'p50 ms', 'p95 ms', 'p99 ms')]
    for run in results['runs']:
        latency = [f'{run["latency_ms"][key]:.1f}' if run['latency_ms'] else '-'
                   for key in ('p50', 'p95', 'p99')]
        rows.append((f'{run["width"]}x{run["height"]}',
                     'reliable' if run['reliable'] else 'best effort',
                     'shared memory profile' if run['profile'] else 'as it comes',
                     f'{100 * run["received"] / run["sent"]:.0f} %', *latency))
    return markdown_table(rows)


def description(results: dict[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    return (f'{results["images"]} images a run at {results["rate"]:g} a second, publisher to '
            f'subscriber, {results["rmw"]} {origin_text(results)}')


def _measure_one(run: Run, count: int, rate: float, logs: Path,
                 progress: tqdm[Any]) -> dict[str, Any]:
    environment = private_environment(free_domain())
    environment.pop(PROFILE_VARIABLE, None)
    if run.profile:
        environment[PROFILE_VARIABLE] = str(share_folder('config') / 'fastdds_shm.xml')
    with Children(logs) as children:
        subscriber = children.start(
            'subscriber', __name__, ['subscribe', _text(run.reliable)], environment)
        publisher = children.start(
            'publisher', __name__, ['publish', _text(run.reliable), str(run.width),
                                    str(run.height), str(count), str(rate)], environment)
        publisher.expect('ready', _START_SECONDS)
        subscriber.expect('ready', _START_SECONDS)
        publisher.tell('start')
        for _ in range(count):
            publisher.expect('sent', _START_SECONDS)
            progress.update()
        subscriber.tell('stop')
        received = subscriber.expect('received', _START_SECONDS)
    return {**asdict(run), 'sent': count, 'received': len(received['latency_ms']),
            'latency_ms': percentiles(received['latency_ms'])}


def _text(reliable: bool) -> str:
    return ReliabilityPolicy.RELIABLE.name if reliable else ReliabilityPolicy.BEST_EFFORT.name


def _publish(reliability: str, width: int, height: int, count: int, rate: float) -> None:
    node = Node('transport_publisher')
    publisher = node.create_publisher(
        Image, 'image', QoSProfile(depth=10, reliability=ReliabilityPolicy[reliability]))
    message = Image(height=height, width=width, step=3 * width, encoding='bgr8')
    message.data.frombytes(bytes(3 * width * height))
    while publisher.get_subscription_count() == 0:
        time.sleep(0.01)
    report('ready')
    sys.stdin.readline()
    start = time.monotonic()
    for index in range(-_WARM_UP_IMAGES, count):
        message.header.frame_id = _WARM_UP if index < 0 else ''
        due = start + (index + _WARM_UP_IMAGES) / rate
        time.sleep(max(due - time.monotonic(), 0.0))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publisher.publish(message)
        if index >= 0:
            report('sent')
    # Until the parent is done: with reliable QoS the last images may still have to be sent again.
    sys.stdin.readline()


def _subscribe(reliability: str) -> None:
    node = Node('transport_subscriber')
    latency_ms: list[float] = []

    def receive(message: Image) -> None:
        if message.header.frame_id == _WARM_UP:
            return
        stamp = message.header.stamp
        latency_ms.append((time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    # Best effort: depth 1, as the segmenter subscribes; reliable: 10, as ROS does by default.
    policy = ReliabilityPolicy[reliability]
    depth = 1 if policy == ReliabilityPolicy.BEST_EFFORT else 10
    node.create_subscription(Image, 'image', receive, QoSProfile(depth=depth, reliability=policy))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while node.count_publishers('image') == 0:
        executor.spin_once(timeout_sec=0.01)
    report('ready')
    while not select.select([sys.stdin], [], [], 0)[0]:
        executor.spin_once(timeout_sec=0.1)
    quiet_at = time.monotonic() + _QUIET_SECONDS
    received = len(latency_ms)
    while time.monotonic() < quiet_at:
        executor.spin_once(timeout_sec=0.1)
        if len(latency_ms) > received:
            received = len(latency_ms)
            quiet_at = time.monotonic() + _QUIET_SECONDS
    report('received', latency_ms=latency_ms)


def _main(arguments: list[str]) -> None:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        if arguments[0] == 'publish':
            reliability, width, height, count, rate = arguments[1:]
            _publish(reliability, int(width), int(height), int(count), float(rate))
        else:
            _subscribe(arguments[1])
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    _main(sys.argv[1:])
