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
"""Images for calibration are evenly spread over all that there are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from recorded_bags import BEGIN_NS
from recorded_bags import PERIOD_NS
from recorded_bags import image_message
from recorded_bags import message
from recorded_bags import numbered
from recorded_bags import picture
from recorded_bags import serialized
from recorded_bags import write_bag

from frm_perception.media.calibration_images import extract_calibration_images
from frm_perception.media.files import MediaError
from frm_perception.media.frames import read_frames


def written(folder: Path) -> list[tuple[str, str, int]]:
    """Return bag, topic and number of the images; each must be what was recorded."""
    found = []
    for item in json.loads((folder / 'origin.json').read_text())['images']:
        image, = read_frames(folder / item['image'])
        number = int(image.image[0, 0, 0])
        assert np.array_equal(image.image, picture(number))
        found.append((Path(item['bag']).name, item['topic'], number))
    assert len(found) == len(read_frames(folder))
    return found


def test_images_are_spread_over_bags_and_cameras(tmp_path: Path) -> None:
    messages = numbered(20) + [
        ('/rear/image_raw', time, item) for _, time, item in numbered(20, first=20)]
    both = write_bag(tmp_path / 'both', messages)
    one = write_bag(tmp_path / 'one', numbered(40, first=40), 'sqlite3')
    assert extract_calibration_images([both, one], tmp_path / 'set', 8) == []
    assert written(tmp_path / 'set') == [
        ('both', '/front/image_raw', 5), ('both', '/front/image_raw', 15),
        ('both', '/rear/image_raw', 25), ('both', '/rear/image_raw', 35),
        *(('one', '/front/image_raw', number) for number in (45, 55, 65, 75))]
    assert extract_calibration_images([one], tmp_path / 'all', 100) == []
    assert len(written(tmp_path / 'all')) == 40


def test_of_a_camera_that_was_recorded_twice_the_raw_images_are_taken(tmp_path: Path) -> None:
    compressed = message(
        'sensor_msgs/msg/CompressedImage', header=numbered(1)[0][2].header, format='png',
        data=np.zeros(3, np.uint8))
    labels = image_message(1, np.zeros((4, 4), np.uint8), 'mono8')
    bag = write_bag(tmp_path / 'bag', [
        *numbered(4), ('/front/image_raw/compressed', BEGIN_NS, compressed),
        ('/front/ground_truth/label', BEGIN_NS, labels)])
    assert extract_calibration_images([bag], tmp_path / 'set', 10) == []
    assert {topic for _, topic, _ in written(tmp_path / 'set')} == {'/front/image_raw'}
    with pytest.raises(MediaError, match="does not have '/left'"):
        extract_calibration_images([bag], tmp_path / 'other', 10, ['/left'])
    assert not (tmp_path / 'other').exists()


def test_what_cannot_be_read_is_told_and_the_rest_written(tmp_path: Path) -> None:
    messages: list[tuple[str, int, object]] = list(numbered(6))
    broken = image_message(1, picture(1))
    broken.encoding = '16UC1'
    messages[1] = messages[1][0], messages[1][1], broken
    messages[3] = messages[3][0], messages[3][1], serialized(broken)[:50]
    bag = write_bag(tmp_path / 'bag', messages)
    damage = extract_calibration_images([bag], tmp_path / 'set', 6)
    assert [number for *_, number in written(tmp_path / 'set')] == [0, 2, 4, 5]
    assert "message 1: unknown encoding '16UC1'" in damage[0]
    assert '1 images of' in damage[1] and 'cannot be read any more' in damage[1]
    assert any('cannot be deserialised' in text for text in damage)


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', numbered(4))
    folder = tmp_path / 'set'
    extract_calibration_images([bag], folder, 2)
    with pytest.raises(MediaError, match='set is there already: choose another name, or --over'):
        extract_calibration_images([bag], folder, 3)
    assert len(written(folder)) == 2
    extract_calibration_images([bag], folder, 3, overwrite=True)
    assert len(written(folder)) == 3
    with pytest.raises(MediaError, match='was not extracted from bags'):
        extract_calibration_images([bag], bag, 3, overwrite=True)
    text = write_bag(tmp_path / 'text', [('/t', 1, message('std_msgs/msg/String', data=''))])
    with pytest.raises(MediaError, match='has no images of a camera; its topics are: /t '):
        extract_calibration_images([text], tmp_path / 'none', 3)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['bag', 'set', 'text']


def test_bags_and_cameras_of_one_name_do_not_share_files(tmp_path: Path) -> None:
    bags = [write_bag(tmp_path / day / 'drive', [
        (topic, BEGIN_NS + PERIOD_NS, numbered(1, first=number)[0][2])
        for number, topic in enumerate(('/a_b/image', '/a/b/image'), 2 * first)])
            for first, day in enumerate(('monday', 'tuesday'))]
    assert extract_calibration_images(bags, tmp_path / 'set', 10) == []
    assert [number for *_, number in written(tmp_path / 'set')] == [0, 1, 2, 3]
    names = sorted(file.name for file in (tmp_path / 'set').glob('*.png'))
    assert names == ['0-drive-a-b-image-2_000000.png', '0-drive-a-b-image_000000.png',
                     '1-drive-a-b-image-2_000000.png', '1-drive-a-b-image_000000.png']
