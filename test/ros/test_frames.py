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
"""Images over DDS to a node process, and what comes back."""

from __future__ import annotations

import array
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import key_of
from node_process import new_header
from node_process import wait_until
from odd_bundles import write_fragile_bundle
from odd_bundles import write_slow_bundle
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tiny_bundle import TINY

from frm_perception.ros.mailbox import Outcome
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

COLOR = dict(zip(TINY.classes, TINY.palette))
CLASS = {name: index for index, name in enumerate(TINY.classes)}


def scene(height: int = 97, width: int = 161) -> np.ndarray:
    """Return (H,W,3) RGB: sky above, road below left, car below right; no two channels alike."""
    image = np.empty((height, width, 3), np.uint8)
    image[:height // 2] = COLOR['sky']
    image[height // 2:, :width // 3] = COLOR['road']
    image[height // 2:, width // 3:] = COLOR['car']
    return image


@pytest.fixture(scope='module')
def reference(models: Path) -> Iterator[Segmenter]:
    segmenter = Segmenter.load(Bundle.load(models / 'tiny'))
    yield segmenter
    segmenter.close()


@pytest.fixture(scope='module')
def front(active: SegmenterProcess) -> Iterator[Camera]:
    with active.camera('front') as camera:
        yield camera.answering()


@pytest.mark.parametrize(('stamp', 'frame_id'), [
    (Time(sec=0, nanosec=0), ''),
    (Time(sec=1_700_000_000, nanosec=999_999_999), 'front_camera_optical_frame'),
    (Time(sec=-7, nanosec=4_000_000_000), '/odd frame ✓'),
    (Time(sec=2**31 - 1, nanosec=1), 'f'),
])
def test_stamp_and_frame_id_come_back_exactly(front: Camera, stamp: Time, frame_id: str) -> None:
    front.ask(image_message(scene(), 'rgb8', header=Header(stamp=stamp, frame_id=frame_id)))


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (3, 500), (61, 7), (97, 161), (201, 303)])
def test_masks_have_the_cameras_size(
        front: Camera, reference: Segmenter, height: int, width: int) -> None:
    image = scene(height, width)
    labels, drivable = front.ask(image_message(image, 'rgb8'))
    expected = reference.segment(image, 'rgb8')
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(drivable, expected.drivable)
    assert labels.shape == (height, width)


def settled_counts(diagnostics: Diagnostics, received: int) -> dict[str, int]:
    """Wait until so many frames came and all are decided; no report may lose one meanwhile."""
    def settled() -> dict[str, int] | None:
        _, values = diagnostics.next_status('front')
        counts = {name: int(values[name]) for name in (
            'received', 'dropped', 'in_flight', *(outcome.value for outcome in Outcome))}
        assert counts['received'] == sum(counts.values()) - counts['received']
        done = counts['received'] == received and counts['in_flight'] == 0
        return counts if done else None

    counts: dict[str, int] = wait_until(settled, f'{received} frames to be decided')
    return counts


CONVERSIONS = {
    'rgb8': None, 'bgr8': cv2.COLOR_RGB2BGR, 'rgba8': cv2.COLOR_RGB2RGBA,
    'bgra8': cv2.COLOR_RGB2BGRA, 'mono8': cv2.COLOR_RGB2GRAY, '8UC3': cv2.COLOR_RGB2BGR,
}


@pytest.mark.parametrize('encoding', CONVERSIONS)
@pytest.mark.parametrize('padding', [0, 13])
def test_every_direct_encoding_gives_the_mask_of_the_image(
        front: Camera, reference: Segmenter, encoding: str, padding: int) -> None:
    image = scene()
    code = CONVERSIONS[encoding]
    pixels = image if code is None else cv2.cvtColor(image, code)
    labels, drivable = front.ask(image_message(pixels, encoding, padding))
    if encoding == 'mono8':
        image = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    expected = reference.segment(image, 'rgb8')
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(drivable, expected.drivable)
    if encoding != 'mono8':
        assert labels[10, 80] == CLASS['sky']
        assert labels[90, 10] == CLASS['road']
        assert labels[90, 150] == CLASS['car']
        assert (drivable[90, 10], drivable[90, 150]) == (255, 0)


def test_a_bayer_image_is_developed_by_cv_bridge(front: Camera) -> None:
    mosaic = np.zeros((96, 160), np.uint8)
    mosaic[0::2, 0::2] = 255  # only the red pixels of the pattern
    labels, drivable = front.ask(image_message(mosaic, 'bayer_rggb8', padding=6))
    assert (labels[4:-4, 4:-4] == CLASS['road']).all()
    assert (drivable[4:-4, 4:-4] == 255).all()


def test_two_cameras_are_served_each_on_its_own_topics(
        active: SegmenterProcess, front: Camera) -> None:
    with active.camera('rear') as rear:
        rear.answering()
        road = np.full((40, 60, 3), COLOR['road'], np.uint8)
        tree = np.full((30, 50, 3), COLOR['tree'], np.uint8)
        for _ in range(5):
            asked = {front: image_message(road, 'rgb8'), rear: image_message(tree, 'rgb8')}
            for camera, message in asked.items():
                camera.publisher.publish(message)
            assert (front.answer(asked[front].header)[0] == CLASS['road']).all()
            assert (rear.answer(asked[rear].header)[0] == CLASS['tree']).all()


def test_masks_in_the_networks_size_and_other_drivable_classes(
        probe: Probe, models: Path, reference: Segmenter, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models, output_size='network',
            drivable_classes=['car', 'road']) as node:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front') as camera:
            image = scene(150, 200)
            labels, drivable = camera.answering().ask(image_message(image, 'rgb8'))
    expected = reference.segment(image, 'rgb8', 'network').labels
    np.testing.assert_array_equal(labels, expected)
    assert labels.shape != (150, 200)
    np.testing.assert_array_equal(
        drivable == 255, (labels == CLASS['car']) | (labels == CLASS['road']))


def malformed() -> list[Image]:
    """Return one image of each kind that cannot be read."""
    changes: list[dict[str, object]] = [
        {'data': array.array('B')},
        {'data': array.array('B', bytes(100))},
        {'height': 25},
        {'step': 10},
        {'step': 0},
        {'step': 2**32 - 1},
        {'height': 0},
        {'width': 0},
        {'height': 0, 'width': 0, 'step': 0, 'data': array.array('B')},
        {'height': 100_000, 'width': 100_000, 'step': 300_000},
        {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
        {'encoding': ''},
        {'encoding': 'jpeg'},
        {'encoding': 'rgb8\n' + 'x' * 10_000},
        {'encoding': '32FC3'},
        {'encoding': 'nv12'},
        {'encoding': 'RGB8'},
        {'is_bigendian': 7},
        {'is_bigendian': 255},
    ]
    messages = []
    for change in changes:
        message = image_message(scene(24, 40), 'rgb8')
        for field, value in change.items():
            setattr(message, field, value)
        messages.append(message)
    return messages


def test_hundreds_of_malformed_images_cost_no_good_one_its_answer(
        front: Camera, active: SegmenterProcess) -> None:
    """With the node's own QoS: best effort, one deep, newest wins."""
    sent = 0
    for _ in range(25):
        for message in malformed():
            front.publisher.publish(message)
            sent += 1
        labels, _ = front.ask(image_message(scene(), 'rgb8'))
        assert labels[90, 10] == CLASS['road']
    assert sent >= 400
    assert 'malformed image on' in active.log()
    assert active.log().count('malformed image on') < 20
    assert active.process.poll() is None


def test_garbage_instead_of_a_message_does_not_stop_the_node(front: Camera) -> None:
    for garbage in (b'', b'\0', b'\0\1\0\0garbage', b'\0\1\0\0' + b'\xff' * 200, bytes(1000)):
        front.publisher.publish(garbage)
    front.ask(image_message(scene(), 'rgb8'))


def test_every_message_is_accounted_for(probe: Probe, models: Path, tmp_path: Path) -> None:
    """Reliable and deep by QoS overrides, so that every message sent is one received."""
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models,
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            for _ in range(15):
                for message in malformed():
                    camera.publisher.publish(message)
                for _ in range(10):
                    camera.publisher.publish(image_message(scene(), 'rgb8'))
            good, bad = 150, 15 * len(malformed())

            counts = settled_counts(diagnostics, good + bad)
            assert counts['malformed'] == bad
            assert counts['failed'] == 0
            assert counts['answered'] + counts['dropped'] == good
            wait_until(lambda: len(camera.answers['label']) == counts['answered'], 'the answers')


def test_with_a_slow_model_the_newest_frame_wins(probe: Probe, tmp_path: Path) -> None:
    """Twenty frames into a model that takes its time: few are answered, the last one is."""
    write_slow_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            messages = [image_message(scene(), 'rgb8') for _ in range(20)]
            for message in messages:
                camera.publisher.publish(message)
            camera.answer(messages[-1].header)
            counts = settled_counts(diagnostics, 20)
            answered = [key for key in map(key_of, (m.header for m in messages))
                        if key in camera.answers['label']]
            assert answered == sorted(answered)
            assert counts['answered'] == len(answered) < 20
            assert counts['dropped'] == 20 - len(answered)
            wait_until(lambda: 'were dropped for newer ones' in node.log(), 'a word of the drops')


def test_four_equal_cameras_share_a_slow_engine_equally(probe: Probe, tmp_path: Path) -> None:
    """All of them send several times as many images as can be answered."""
    write_slow_bundle(tmp_path / 'models')
    names = ('front', 'rear', 'left', 'right')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=list(names), model_dir=tmp_path / 'models',
            overrides={f'{name}/image_raw': RELIABLE for name in names}
    ) as node, ExitStack() as held:
        assert node.change_state('configure') and node.change_state('activate')
        cameras = [held.enter_context(node.camera(name, qos=DEEP)) for name in names]
        for camera in cameras:
            camera.answering()

        def answered() -> list[int]:
            for camera in cameras:
                camera.publisher.publish(image_message(scene(), 'rgb8'))
            time.sleep(0.02)
            return [len(camera.answers['drivable']) for camera in cameras]

        wait_until(lambda: sum(answered()) >= 80, '80 answers', deadline=120.0)
        counts = answered()
        assert all(abs(count - sum(counts) / 4) <= 0.1 * sum(counts) / 4 for count in counts)


def test_frames_dropped_by_deactivate_are_not_said_to_be_dropped_for_newer_ones(
        probe: Probe, tmp_path: Path) -> None:
    """One frame each of two cameras: none is newer, but one has to wait for the other."""
    write_slow_bundle(tmp_path / 'models')
    names = ('front', 'rear')
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=list(names), model_dir=tmp_path / 'models',
            overrides={f'{name}/image_raw': RELIABLE for name in names}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure')
        with node.camera('front', qos=DEEP) as front, node.camera('rear', qos=DEEP) as rear:

            def dropped() -> bool:
                assert node.change_state('activate')
                for camera in (front, rear):
                    camera.connected().publisher.publish(image_message(scene(), 'rgb8'))
                assert node.change_state('deactivate')
                front.disconnected()
                rear.disconnected()
                return any(diagnostics.next_status(name)[1]['dropped'] != '0' for name in names)

            wait_until(dropped, 'a frame that deactivate drops')
            assert node.change_state('activate')
            for name in names:
                diagnostics.next_status(name)
        assert 'were dropped for newer ones' not in node.log()


def test_a_frame_that_fails_is_counted_and_the_next_one_answered(
        probe: Probe, tmp_path: Path) -> None:
    write_fragile_bundle(tmp_path / 'models')
    bright, dark = (np.full((40, 60, 3), value, np.uint8) for value in (250, 0))
    dark[..., 2] = 150  # sky
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=tmp_path / 'models',
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            for failures in ('1', '2'):
                camera.publisher.publish(image_message(bright, 'rgb8'))
                _, values = diagnostics.status_where('front', failed=failures)
                assert 'inference' in values['last_problem']
                labels, _ = camera.ask(image_message(dark, 'rgb8'))
                assert (labels == CLASS['sky']).all()
            counts = settled_counts(diagnostics, 4)
            assert (counts['answered'], counts['failed']) == (2, 2)
            log = node.log()
            assert log.count('failed; the next ones are tried\nTraceback') == 1


def test_compressed_images_are_answered_and_broken_ones_counted(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models, transport='compressed',
            overrides={'front/image_raw/compressed': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', compressed=True, qos=DEEP) as camera:
            camera.connected()
            bgr = cv2.cvtColor(scene(), cv2.COLOR_RGB2BGR)
            jpeg, png = (cv2.imencode(kind, bgr)[1].tobytes() for kind in ('.jpg', '.png'))
            for good, form in ((jpeg, 'jpeg'), (png, 'bgr8; png compressed bgr8')):
                for bad in (b'', jpeg[:200], png[:60], b'text', png[:-20]):
                    camera.publisher.publish(
                        CompressedImage(header=new_header(), format=form, data=bad))
                labels, drivable = camera.ask(CompressedImage(
                    header=new_header('left'), format=form, data=array.array('B', good)))
                assert labels.shape == (97, 161)
                assert labels[90, 10] == CLASS['road']
                assert drivable[90, 10] == 255
            counts = settled_counts(diagnostics, 12)
            assert (counts['answered'], counts['malformed']) == (2, 10)
        assert 'malformed image on' in node.log()
