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
"""True labels of a bag, each for its image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from labelled_drives import SIZE
from labelled_drives import compressed
from labelled_drives import painted
from labelled_drives import raw
from labelled_drives import scene
from labelled_drives import stamp
from labelled_drives import truth
from labelled_drives import write_drive
from recorded_bags import header
from recorded_bags import message
from tiny_bundle import TINY

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.drive_camera import DriveCamera
from frm_perception.evaluation.drive.drive_camera import Truth
from frm_perception.evaluation.drive.true_labels import TrueLabels
from frm_perception.evaluation.drive.true_labels import Unmatched

IMAGES = '/front/image_raw'
LABELS = '/front/ground_truth/label'
TRUTH = Truth(Comparison.between(TINY, TINY), TINY.known_ids(), 'a test')
CAMERA = DriveCamera('drive', IMAGES, LABELS, TRUTH)


def frames(count: int) -> list[tuple[str, int, Any]]:
    """Return images, of which labels are matched by stamp alone."""
    return [raw('/front', number, painted(scene(number), number)) for number in range(count)]


def labels(bag: Path, tolerance_ms: int = 5) -> TrueLabels:
    return TrueLabels(bag, [CAMERA, DriveCamera('drive', '/rear/image_raw')],
                      tolerance_ms * 10**6)


@pytest.mark.parametrize('order', [
    lambda number: stamp(number), lambda number: stamp(0), lambda number: stamp(99)],
    ids=['beside', 'before', 'after'])
def test_labels_are_found_wherever_they_were_recorded(
        tmp_path: Path, order: Callable[[int], int]) -> None:
    messages = [(topic, order(number), item) for number in range(4)
                for topic, _, item in [truth('/front', number, scene(number))]]
    bag = write_drive(tmp_path / 'drive', frames(4), messages)

    found = labels(bag)

    for number in range(4):
        assert np.array_equal(found.of(IMAGES, number, SIZE), scene(number))
    assert found.unmatched == Unmatched(0, 0) and found.damage == ()


def test_labels_of_images_that_are_skipped_are_not_kept(tmp_path: Path) -> None:
    many = [message for camera in ('/front', '/rear') for number in range(20)
            for message in (raw(camera, number, painted(scene(number), number)),
                            truth(camera, number, scene(number)))]
    bag = write_drive(tmp_path / 'drive', many)
    rear = DriveCamera('drive', '/rear/image_raw', '/rear/ground_truth/label', TRUTH)
    found = TrueLabels(bag, [CAMERA, rear], 0)
    for number in range(19):
        for camera in (IMAGES, rear.topic):
            found.skip(camera, number)

    assert np.array_equal(found.of(IMAGES, 19, SIZE), scene(19))
    assert len(found._waiting) <= 1
    assert np.array_equal(found.of(rear.topic, 19, SIZE), scene(19))


def test_images_without_labels_and_other_cameras_have_none(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames(3), [truth('/front', 1, scene(1)),
                                                      truth('/front', 7, scene(7))])

    found = labels(bag)

    assert found.of(IMAGES, 0, SIZE) is None
    assert found.of(IMAGES, 1, SIZE) is not None
    assert found.of(IMAGES, 2, SIZE) is None
    assert found.of('/rear/image_raw', 1, SIZE) is None
    assert found.unmatched == Unmatched(images=2, labels=1)


def test_compressed_labels_are_read(tmp_path: Path) -> None:
    data = cv2.imencode('.png', scene(0))[1].ravel()
    item = message('sensor_msgs/msg/CompressedImage', header=header(stamp(0)), format='png',
                   data=data)
    bag = write_drive(tmp_path / 'drive', frames(1), [(f'{LABELS}/compressed', stamp(0), item)])
    camera = DriveCamera('drive', IMAGES, f'{LABELS}/compressed', TRUTH)

    found = TrueLabels(bag, [camera], 0).of(IMAGES, 0, SIZE)

    assert np.array_equal(found, scene(0))


def _another_size(labels: Any) -> Any:
    return truth('/front', 0, np.ascontiguousarray(labels[:, :-8]))[2]


def _unknown_id(labels: Any) -> Any:
    return truth('/front', 0, np.where(labels == 3, 77, labels).astype(np.uint8))[2]


def _in_colour(labels: Any) -> Any:
    return raw('/front', 0, painted(labels, 0))[2]


def _cut_off(labels: Any) -> Any:
    item = truth('/front', 0, labels)[2]
    item.data = item.data[:-100]
    return item


@pytest.mark.parametrize(('change', 'problem'), [
    (_another_size, 'they have 152x96 pixels, the image 160x96'),
    (_unknown_id, 'id 77 is not in the label space'),
    (_in_colour, "encoding 'rgb8' is none of mono8, 8UC1"),
    (_cut_off, '15260 bytes of data')])
def test_labels_that_cannot_be_used_are_left_out_and_told_of(
        tmp_path: Path, change: Callable[[Any], Any], problem: str) -> None:
    bad = [(LABELS, stamp(number), change(scene(0))) for number in range(2)]
    bad[1][2].header = header(stamp(1))
    bag = write_drive(tmp_path / 'drive', frames(3), bad, [truth('/front', 2, scene(2))])

    found = labels(bag)

    assert [found.of(IMAGES, number, SIZE) is None for number in range(3)] == [True, True, False]
    assert len(found.damage) == 1
    assert found.damage[0].startswith(
        f'2 labels of {IMAGES} are left out, such as those of image 0: {problem}')


@pytest.mark.parametrize(('change', 'problem'), [
    (lambda data: data[:-20], 'cut off'),
    (lambda data: data[:0], 'its 0 bytes are neither JPEG nor PNG'),
    (lambda data: compressed('/front', 0, painted(scene(0), 0))[2].data,
     'JPEG does not keep class ids'),
    (lambda data: compressed('/front', 0, painted(scene(0), 0), '.png')[2].data,
     'uint8 (96, 160, 3) is not one byte a pixel')])
def test_compressed_labels_that_cannot_be_used_are_told_of(
        tmp_path: Path, change: Callable[[Any], Any], problem: str) -> None:
    data = change(cv2.imencode('.png', scene(0))[1].ravel())
    item = message('sensor_msgs/msg/CompressedImage', header=header(stamp(0)), format='png',
                   data=data)
    bag = write_drive(tmp_path / 'drive', frames(1), [(f'{LABELS}/compressed', stamp(0), item)])
    found = TrueLabels(bag, [DriveCamera('drive', IMAGES, f'{LABELS}/compressed', TRUTH)], 0)

    assert found.of(IMAGES, 0, SIZE) is None
    assert problem in found.damage[0]
