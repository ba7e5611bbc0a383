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
"""Parameters that change while the node answers, each set as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from listening import Listener
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import key_of
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tiny_bundle import TINY

RED = np.full((90, 150, 3), (255, 0, 0), np.uint8)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module')
def node(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[SegmenterProcess]:
    log = tmp_path_factory.mktemp('live') / 'log'
    with SegmenterProcess(probe, log, cameras=['front'], model_dir=models, drivable_max_gap=3600.0,
                          overrides={'front/image_raw': RELIABLE}) as process:
        assert process.change_state('configure') and process.change_state('activate')
        yield process


@pytest.fixture(scope='module')
def front(node: SegmenterProcess) -> Iterator[Camera]:
    with node.camera('front', qos=DEEP) as camera:
        yield camera.answering()


def red() -> Image:
    return image_message(RED, 'rgb8')


def test_the_size_of_the_output_changes_between_two_frames(
        node: SegmenterProcess, front: Camera) -> None:
    for size, shape in (('network', (96, 160)), ('camera', (90, 150)), ('network', (96, 160)),
                        ('camera', (90, 150))):
        assert node.set_parameter('output_size', size) == ''
        labels, drivable = front.ask(red())
        assert labels.shape == drivable.shape == shape


def test_thresholds_change_between_two_frames(node: SegmenterProcess, front: Camera) -> None:
    assert (front.ask(red())[1] == 255).all()
    assert node.set_parameter('drivable_min_confidence', 1.0) == ''
    assert not front.ask(red())[1].any()
    assert node.set_together(drivable_min_confidence=0.0, drivable_appear_frames=3) == ''
    assert [front.ask(red())[1].any() for _ in range(4)] == [False, False, True, True]
    assert node.set_parameter('drivable_appear_frames', 1) == ''
    assert (front.ask(red())[1] == 255).all()


def test_palette_and_opacity_change_in_overlay_and_legend(
        probe: Probe, node: SegmenterProcess, front: Camera) -> None:
    def colors(message: String) -> dict[str, list[int]]:
        return {entry['name']: entry['color'] for entry in json.loads(message.data)['classes']}

    sky = np.zeros((90, 150, 3), np.uint8)
    sky[..., 2] = 255
    with Listener(probe, node, 'front/segmentation/overlay', Image) as overlay:
        overlay.hear(front)

        def drawn() -> list[int]:
            message = image_message(sky, 'rgb8')
            front.ask(message)
            return list(overlay.of(message.header).data[:3])

        assert node.set_together(palette=['sky=#ff8000'], overlay_opacity=1.0) == ''
        assert np.allclose(drawn(), [0.7 * 255, 0.7 * 128, 0.3 * 255], atol=2)
        with Listener(probe, node, 'front/segmentation/legend', String, LATCHED) as legend:
            assert colors(legend.first())['sky'] == [255, 128, 0]
            assert colors(legend.first())['road'] == list(TINY.palette[1])
        assert node.set_parameter('overlay_opacity', 0.0) == ''
        assert drawn() == [0, 0, 255]
        reason = node.set_parameter('palette', ['ski=#ff8000'])
        assert "'ski'" in reason and 'sky, road, tree, car' in reason
        assert node.set_together(palette=[''], overlay_opacity=0.5) == ''
        with Listener(probe, node, 'front/segmentation/legend', String, LATCHED) as legend:
            assert colors(legend.first())['sky'] == [0, 0, 255]


def test_a_rate_is_limited_and_the_limit_lifted(
        probe: Probe, node: SegmenterProcess, front: Camera) -> None:
    with Diagnostics(probe, node) as diagnostics:
        assert node.set_together(max_rate=[0.001], max_age=0.0) == ''
        _, before = diagnostics.next_status('front')
        for _ in range(50):
            front.publisher.publish(red())
        limited = int(before['limited']) + 48
        _, values = diagnostics.status_where('front', limited=str(limited))
        answered = int(values['answered']) - int(before['answered'])
        assert answered + int(values['dropped']) - int(before['dropped']) == 2
        assert node.set_parameter('max_rate', [0.0]) == ''
        front.ask(red())


def test_the_greatest_age_changes_between_two_frames(
        probe: Probe, node: SegmenterProcess, front: Camera) -> None:
    with Diagnostics(probe, node) as diagnostics:
        assert node.set_parameter('max_age', 60.0) == ''
        front.publisher.publish(red())  # whose stamp is of 1970
        diagnostics.status_where('front', stale='1')
        assert node.set_parameter('max_age', 0.0) == ''
        front.ask(red())


def test_a_paused_node_counts_images_and_goes_on_with_the_next(
        probe: Probe, node: SegmenterProcess, front: Camera) -> None:
    with Diagnostics(probe, node) as diagnostics:
        _, before = diagnostics.next_status('front')
        assert node.set_parameter('paused', True) == ''
        unanswered = [red() for _ in range(5)]
        for message in unanswered:
            front.publisher.publish(message)
        _, values = diagnostics.status_where('front', paused='5')
        assert values['answered'] == before['answered']
        status, _ = diagnostics.next_status('engine')
        assert status.message.startswith('paused') and status.level == DiagnosticStatus.OK
        assert node.state() == 'active'
        assert node.set_parameter('paused', False) == ''
        assert (front.ask(red())[1] == 255).all()
        assert not {key_of(message.header) for message in unanswered} & set(front.answers['label'])


def test_a_set_is_refused_as_a_whole(node: SegmenterProcess, front: Camera) -> None:
    for wrong, why in (({'drivable_foot': 5.0}, 'drivable_foot cannot be 5.0'),
                       ({'transport': 'raw'}, 'takes effect in configure'),
                       ({'resolution': '100x100'}, 'the nearest is 96x96 or 128x128'),
                       ({'palette': ['ski=#000000']}, "'ski'"),
                       ({'max_rate': [1.0, 2.0]}, 'with 1 cameras'),
                       ({'no_such': 1}, 'there is no parameter no_such')):
        for values in ({'output_size': 'network', **wrong}, {**wrong, 'output_size': 'network'}):
            assert why in node.set_together(**values)
            assert front.ask(red())[0].shape == (90, 150)
    assert node.set_together(output_size='network', transport='auto') == ''  # as it is
    assert front.ask(red())[0].shape == (96, 160)
    assert node.set_parameter('output_size', 'camera') == ''


def test_an_inactive_node_takes_live_parameters_for_when_it_is_active(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', cameras=['front'], model_dir=models) as node:
        assert node.change_state('configure')
        assert node.set_parameter('output_size', 'network') == ''
        assert node.change_state('activate')
        with node.camera('front') as camera:
            assert camera.answering().ask(red())[0].shape == (96, 160)


def test_a_palette_of_classes_that_the_model_does_not_have_fails_configure(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models,
                          palette=['ski=#ff8000']) as node:
        assert not node.change_state('configure')
        assert "palette names 'ski'" in node.log()
        assert node.set_parameter('palette', ['sky=#ff8000']) == ''
        assert node.change_state('configure')
