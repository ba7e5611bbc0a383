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
"""What is published of a frame, to whom, and in which form."""

from __future__ import annotations

import array
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from listening import Listener
from node_process import Camera
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import new_header
from node_process import pixels_of
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tiny_bundle import TINY

from frm_perception.media.overlay import draw_overlay
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

COLOR = dict(zip(TINY.classes, TINY.palette))
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
FOXGLOVE_ENCODINGS = {'8UC1', '8UC3', '16UC1', '32FC1', 'mono8', 'mono16', 'rgb8', 'bgr8', 'rgba8',
                      'bgra8'}
"""What the Image panel of Foxglove shows of `sensor_msgs/Image`, Bayer and YUV aside."""


def scene() -> np.ndarray:
    """Return (97,161,3) RGB: sky above, road below, between them a gradient to be unsure of."""
    image = np.empty((97, 161, 3), np.uint8)
    image[:40] = COLOR['sky']
    image[60:] = COLOR['road']
    share = np.linspace(0, 1, 20)[:, None, None]
    image[40:60] = (1 - share) * np.array(COLOR['sky']) + share * np.array(COLOR['road'])
    return image


@pytest.fixture(scope='module')
def reference(models: Path) -> Iterator[Segmenter]:
    with Segmenter.load(Bundle.load(models / 'tiny')) as segmenter:
        yield segmenter


@pytest.fixture(scope='module')
def front(active: SegmenterProcess) -> Iterator[Camera]:
    with active.camera('front') as camera:
        yield camera.answering()


def test_every_output_bears_the_images_header_and_says_the_same(
        probe: Probe, active: SegmenterProcess, front: Camera, reference: Segmenter) -> None:
    prefix = 'front/segmentation'
    with Listener(probe, active, f'{prefix}/confidence', Image) as confidence, \
            Listener(probe, active, f'{prefix}/overlay', Image) as overlay, \
            Listener(probe, active, f'{prefix}/label/compressed', CompressedImage) as compressed:
        for listener in (confidence, overlay, compressed):
            listener.hear(front)
        message = image_message(scene()[..., ::-1], 'bgr8', header=new_header('front_optical'))
        labels, drivable = front.ask(message)
        expected = reference.segment(scene(), confidence=True)
        assert expected.confidence is not None and len(np.unique(expected.confidence)) > 3
        np.testing.assert_array_equal(
            pixels_of(confidence.of(message.header)), expected.confidence)
        np.testing.assert_array_equal(labels, expected.labels)

        drawn = overlay.of(message.header)
        assert (drawn.encoding, drawn.step, drawn.is_bigendian) == ('rgb8', 3 * drawn.width, 0)
        np.testing.assert_array_equal(
            np.frombuffer(drawn.data, np.uint8).reshape(drawn.height, drawn.width, 3),
            draw_overlay(scene(), labels, TINY, drivable))

        png = compressed.of(message.header)
        assert png.format == 'mono8; png compressed '
        assert bytes(png.data[:4]) == b'\x89PNG'
        np.testing.assert_array_equal(
            cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_UNCHANGED), labels)


def test_an_overlay_is_drawn_of_what_the_network_saw_of_a_compressed_image(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    """A JPEG decoded at half its size, cropped, and answered on the network's grid."""
    image = np.full((400, 400, 3), COLOR['road'], np.uint8)
    image[:200] = COLOR['sky']
    jpeg = cv2.imencode('.jpg', image[..., ::-1])[1].tobytes()
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models, transport='compressed',
            fit='crop', output_size='network') as node:
        assert node.change_state('configure') and node.change_state('activate')
        with Listener(probe, node, 'front/segmentation/overlay', Image) as overlay, \
                node.camera('front', compressed=True) as camera:
            overlay.hear(camera)
            header = new_header()
            labels, _ = camera.ask(
                CompressedImage(header=header, format='jpeg', data=array.array('B', jpeg)))
            drawn = overlay.of(header)
    assert labels.shape == (drawn.height, drawn.width) == (96, 160)
    pixels = np.frombuffer(drawn.data, np.uint8).reshape(96, 160, 3).astype(int)
    horizon = int(np.argmax(labels[:, 80] == TINY.classes.index('road')))
    assert 0 < horizon < 96
    assert pixels[horizon - 8, 80, 2] > 200 and pixels[horizon - 8, 80, 0] < 50
    assert pixels[horizon + 8, 80, 1] > 80 and pixels[horizon + 8, 80, 2] < 80


def test_the_legend_waits_for_whoever_comes_later(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', cameras=['front'], model_dir=models,
                          drivable_classes=['car', 'road']) as node:
        assert node.change_state('configure')
        with Listener(probe, node, 'front/segmentation/legend', String, LATCHED) as legend:
            content = json.loads(legend.first().data)
    assert content['label_space'] == 'tiny' and content['unlabelled'] == 255
    assert [entry['id'] for entry in content['classes']] == [0, 1, 2, 3]
    assert tuple(entry['name'] for entry in content['classes']) == TINY.classes
    assert [tuple(entry['color']) for entry in content['classes']] == list(TINY.palette)
    assert [entry['name'] for entry in content['classes'] if entry['drivable']] == ['road', 'car']


def test_the_label_info_is_what_the_semantic_layer_of_nav2_reads(
        probe: Probe, active: SegmenterProcess) -> None:
    """That layer knows classes by name and waits for this message before it uses a mask."""
    messages = pytest.importorskip('vision_msgs.msg')
    with Listener(probe, active, 'front/segmentation/label_info', messages.LabelInfo,
                  LATCHED) as info:
        found = info.first().class_map
    assert [(entry.class_id, entry.class_name) for entry in found] == list(enumerate(TINY.classes))


def test_the_vision_info_leads_to_the_legend(probe: Probe, active: SegmenterProcess) -> None:
    messages = pytest.importorskip('vision_msgs.msg')
    with Listener(probe, active, 'front/segmentation/vision_info', messages.VisionInfo,
                  LATCHED) as info:
        found = info.first()
    assert found.method == 'frm_perception tiny' and found.database_version == 1
    assert found.database_location == active.resolved('front/segmentation/legend')


def test_the_semantic_layer_of_nav2_gets_label_and_confidence_as_it_subscribes_to_them(
        probe: Probe, active: SegmenterProcess, front: Camera) -> None:
    """Best effort `mono8` of one size and one stamp."""
    with Listener(probe, active, 'front/segmentation/label', Image,
                  qos_profile_sensor_data) as label, \
            Listener(probe, active, 'front/segmentation/confidence', Image,
                     qos_profile_sensor_data) as confidence:
        label.hear(front)
        confidence.hear(front)
        message = image_message(scene(), 'rgb8')
        front.ask(message)
        mask, certainty = label.of(message.header), confidence.of(message.header)
    assert mask.header == certainty.header == message.header
    assert mask.encoding == certainty.encoding == 'mono8'
    assert (mask.height, mask.width) == (certainty.height, certainty.width) == (97, 161)


@pytest.mark.parametrize('output', ['label', 'drivable', 'confidence', 'overlay'])
def test_foxglove_shows_every_image(
        probe: Probe, active: SegmenterProcess, front: Camera, output: str) -> None:
    with Listener(probe, active, f'front/segmentation/{output}', Image) as listener:
        listener.hear(front)
        assert listener.heard[0].encoding in FOXGLOVE_ENCODINGS
