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
"""`frm bag replay` in a process of its own, to a node in another one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from listening import Listener
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import wait_until
from rclpy.qos import QoSProfile
from replay_process import ReplayProcess
from replay_process import replay
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tiny_drive import BEGIN_NS
from tiny_drive import PERIOD_NS
from tiny_drive import damage
from tiny_drive import picture
from tiny_drive import write_drive

FRAMES = 8
STAMPS = [BEGIN_NS + number * PERIOD_NS for number in range(FRAMES)]


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag of the camera front."""
    return write_drive(tmp_path_factory.mktemp('bags') / 'drive', frames=FRAMES)


@pytest.fixture(scope='module')
def node(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[SegmenterProcess]:
    """Return an active node that takes its time from /clock, with the camera front."""
    log = tmp_path_factory.mktemp('node') / 'log.txt'
    with SegmenterProcess(probe, log, cameras=['front'], model_dir=models, use_sim_time=True
                          ) as running:
        assert running.change_state('configure') and running.change_state('activate')
        yield running


def to(node: SegmenterProcess, topic: str = '/front/image_raw') -> list[str]:
    """Return the options that play a topic to the node."""
    return ['--node', node.name, '--remap', f'{topic}:={node.resolved("front/image_raw")}']


def stamp_ns(message: Any) -> int:
    """Return the stamp of an image, or the time of a clock."""
    stamp = message.clock if isinstance(message, Clock) else message.header.stamp
    return int(stamp.sec * 10**9 + stamp.nanosec)


def test_as_fast_as_it_is_answered_every_image_is_answered_once_and_in_order(
        probe: Probe, node: SegmenterProcess, drive: Path, tmp_path: Path) -> None:
    with Listener(probe, node, 'front/segmentation/label', Image) as labels, \
            Listener(probe, node, '/clock', Clock, QoSProfile(depth=1000)) as clock:
        for _ in range(5):
            labels.heard.clear()
            status, said = replay(tmp_path / 'log', str(drive), '--as-answered', *to(node))
            assert status == 0, said
            assert f'{FRAMES} of {FRAMES} images answered; from publication to mask p50' in said
            assert [stamp_ns(message) for message in labels.heard] == STAMPS
            if clock.heard:  # a drive of milliseconds may be over before the clock finds us
                break
        times = [stamp_ns(message) for message in clock.heard]
    assert times == sorted(times)
    # It stands still from one message to the next.
    assert set(times) <= set(STAMPS) and times[-1] == STAMPS[-1]


def test_start_and_duration_choose_a_part_of_the_drive_and_topics_choose_topics(
        probe: Probe, node: SegmenterProcess, drive: Path, tmp_path: Path) -> None:
    legend = '/front/ground_truth/legend'
    with Listener(probe, node, 'front/segmentation/label', Image) as labels, \
            Listener(probe, node, legend, String) as legends:
        status, said = replay(
            tmp_path / 'log', str(drive), '--as-answered', '--start', '0.25', '--duration', '0.4',
            '--topics', '/front/image_raw', *to(node))
        assert status == 0, said
        assert [stamp_ns(message) for message in labels.heard] == STAMPS[3:7]
        assert 'played 4 messages' in said and legends.heard == []


def test_a_loop_takes_the_clock_back_and_the_node_goes_on_until_it_is_interrupted(
        probe: Probe, node: SegmenterProcess, drive: Path, tmp_path: Path) -> None:
    with Listener(probe, node, 'front/segmentation/label', Image) as labels, \
            Diagnostics(probe, node) as diagnostics, \
            ReplayProcess(tmp_path / 'log', str(drive), '--as-answered', '--loop', *to(node)
                          ) as running:
        wait_until(lambda: len(labels.heard) > FRAMES, 'the second round')
        assert [stamp_ns(message) for message in labels.heard[:FRAMES + 1]] == [*STAMPS, STAMPS[0]]
        _, values = diagnostics.next_status('front')
        assert running.interrupt() == 130, running.said()
        assert 'interrupted' in running.said() and 'Traceback' not in running.said()
    assert node.state() == 'active'
    # Ages are of one time alone.
    assert abs(float(values['age_p99_ms'] or 0)) < FRAMES * PERIOD_NS / 1e6


def test_a_plain_replay_waits_for_any_listener_and_plays_at_its_rate(
        probe: Probe, node: SegmenterProcess, drive: Path, tmp_path: Path) -> None:
    with ReplayProcess(tmp_path / 'log', str(drive), '--rate', '8', '--remap',
                       '/front/image_raw:=/elsewhere/image') as running:
        time.sleep(1)
        with Listener(probe, node, '/elsewhere/image', Image) as images, \
                Listener(probe, node, '/front/ground_truth/legend', String) as legends:
            assert running.end() == 0, running.said()
            assert legends.first().data
            assert [stamp_ns(message) for message in images.heard] == STAMPS
            assert bytes(images.heard[3].data) == picture(3).tobytes()
    assert running.said().count('played 17 messages') == 1


def test_why_nothing_can_be_played_is_said(
        probe: Probe, node: SegmenterProcess, models: Path, drive: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'node', cameras=['front'], model_dir=models) as idle:
        assert idle.state() == 'unconfigured'
        cases = {
            'nobody listens to /front/image_raw within 8 s': [],
            'no word from a segmenter on /nobody/metrics': ['--as-answered', '--node', '/nobody'],
            f'{idle.name} is unconfigured': ['--as-answered', *to(idle)],
            f'{node.name} takes images from {node.resolved("front/image_raw")}, of which nothing '
            'is played; played are /front/image_raw': ['--as-answered', '--node', node.name],
        }
        running = [ReplayProcess(tmp_path / str(number), str(drive), '--wait', '8', *options)
                   for number, options in enumerate(cases.values())]
        for complaint, process in zip(cases, running, strict=True):
            with process:
                assert process.end() == 1
                assert complaint in process.said()


def test_a_damaged_bag_is_played_as_far_as_it_can_be_read(
        probe: Probe, node: SegmenterProcess, tmp_path: Path) -> None:
    bag = damage(write_drive(tmp_path / 'drive', storage='sqlite3'))
    with Listener(probe, node, 'front/segmentation/label', Image) as labels:
        status, said = replay(tmp_path / 'log', str(bag), '--as-answered', *to(node))
    assert status == 3
    assert 0 < len(labels.heard) < FRAMES
    assert 'messages of /front/image_raw can be read' in said
