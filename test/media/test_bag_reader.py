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
"""Bags are read whatever they are stored in, and damaged ones as far as that is possible."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from backports import zstd
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from recorded_bags import BEGIN_NS
from recorded_bags import IMAGES
from recorded_bags import PERIOD_NS
from recorded_bags import header
from recorded_bags import image_message
from recorded_bags import message
from recorded_bags import numbered
from recorded_bags import picture
from recorded_bags import serialized
from recorded_bags import storage_file
from recorded_bags import write_bag
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore

from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import MediaError

STORAGES = ('sqlite3', 'mcap')


def numbers(recording: Recording, topic: str = IMAGES) -> list[int]:
    """Return which of the numbered images are given; each must be what was recorded."""
    found = []
    for item in recording.messages([topic]):
        fields = item.fields
        image = np.asarray(fields.data).reshape(fields.height, fields.width, 3)
        number = int(image[0, 0, 0])
        assert np.array_equal(image, picture(number))
        assert item.recorded_ns == BEGIN_NS + PERIOD_NS * number
        assert item.stamp_ns == item.recorded_ns - 10**6
        found.append(number)
    return found


@pytest.mark.parametrize(('storage', 'compression'), [
    *((storage, compression) for storage in STORAGES for compression in (
        CompressionMode.NONE, CompressionMode.FILE, CompressionMode.MESSAGE)),
    ('mcap', CompressionMode.STORAGE)])
def test_every_message_is_given_in_the_order_of_recording(
        tmp_path: Path, storage: str, compression: CompressionMode) -> None:
    images = numbered(40)
    bag = write_bag(tmp_path / 'bag', images[::2] + images[1::2], storage, compression)
    recording = Recording(bag)
    assert numbers(recording) == list(range(40))
    assert recording.duration_ns == 39 * PERIOD_NS
    assert recording.damage == ()
    if compression != CompressionMode.MESSAGE:
        assert numbers(Recording(storage_file(bag))) == list(range(40))


@pytest.mark.parametrize('storage', STORAGES)
def test_messages_of_several_topics_come_together(tmp_path: Path, storage: str) -> None:
    texts = [('/text', BEGIN_NS + PERIOD_NS * number + 5,
              message('std_msgs/msg/String', data=f'{number}')) for number in range(3)]
    bag = write_bag(tmp_path / 'bag', numbered(3) + texts, storage)
    recording = Recording(bag)
    found = list(recording.messages([IMAGES, '/text']))
    assert [(item.topic, item.index) for item in found] == [
        (topic, number) for number in range(3) for topic in (IMAGES, '/text')]
    assert [item.fields.data for item in found[1::2]] == ['0', '1', '2']
    # What has no header has the time of its recording.
    assert [item.stamp_ns for item in found[1::2]] == [time for _, time, _ in texts]
    assert [item.topic for item in recording.messages(['/text'])] == ['/text'] * 3
    with pytest.raises(MediaError, match="does not have '/other'; its topics are: /front/image_r"):
        next(recording.messages(['/other']))


def test_pixels_are_not_copied_and_can_be_published_as_they_are(tmp_path: Path) -> None:
    item, = Recording(write_bag(tmp_path / 'bag', numbered(1))).messages([IMAGES])
    assert np.shares_memory(item.fields.data, np.frombuffer(item.data, np.uint8))
    assert item.data == serialized(numbered(1)[0][2])


def test_cameras_and_what_belongs_to_them_are_found(tmp_path: Path) -> None:
    image = image_message(1, picture(0))
    compressed = message('sensor_msgs/msg/CompressedImage', header=header(1), format='png',
                         data=np.zeros(3, np.uint8))
    text = message('std_msgs/msg/String', data='{}')
    info = message(
        'sensor_msgs/msg/CameraInfo', header=header(1), height=1, width=1,
        distortion_model='plumb_bob', d=np.zeros(5), k=np.zeros(9), r=np.zeros(9), p=np.zeros(12),
        binning_x=0, binning_y=0, roi=message(
            'sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False))
    topics = {
        '/front/image_raw': image, '/front/image_raw/compressed': compressed,
        '/front/camera_info': info, '/front/ground_truth/label': image,
        '/front/ground_truth/legend': text, '/front/segmentation/label': image,
        '/front/segmentation/overlay': image, '/rear/image_color/compressed': compressed,
        '/rear/ground_truth/label/compressed': compressed, '/bare': image}
    recording = Recording(write_bag(tmp_path / 'bag', [
        (topic, number, item) for number, (topic, item) in enumerate(topics.items())]))
    found = {camera.topic: camera for camera in recording.cameras}
    assert set(found) == {'/front/image_raw', '/front/image_raw/compressed',
                          '/rear/image_color/compressed', '/bare'}
    front = found['/front/image_raw/compressed']
    assert (front.name, front.images) == ('/front', '/front/image_raw')
    assert (front.compressed, front.count) == (True, 1)
    assert (front.info, front.labels, front.legend) == (
        '/front/camera_info', '/front/ground_truth/label', '/front/ground_truth/legend')
    rear = found['/rear/image_color/compressed']
    assert (rear.labels, rear.legend) == ('/rear/ground_truth/label/compressed', '')
    assert (found['/bare'].name, found['/bare'].info) == ('/bare', '')
    assert recording.label_topics == ('/front/ground_truth/label',
                                      '/rear/ground_truth/label/compressed')


def test_a_ros_1_bag_is_given_as_ros_2_would_have_recorded_it(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](sec=7, nanosec=8)
    first = types['std_msgs/msg/Header'](seq=3, stamp=stamp, frame_id='front')
    region = types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    info = types['sensor_msgs/msg/CameraInfo'](
        header=first, height=2, width=3, distortion_model='plumb_bob', D=np.zeros(5),
        K=np.arange(9.0), R=np.zeros(9), P=np.zeros(12), binning_x=0, binning_y=0, roi=region)
    with Writer1(tmp_path / 'a.bag') as writer:
        connection = writer.add_connection('/front/camera_info', info.__msgtype__,
                                           typestore=store, latching=1)
        writer.write(connection, 9, store.serialize_ros1(info, info.__msgtype__))
    recording = Recording(tmp_path / 'a.bag')
    assert recording.topic('/front/camera_info').latched
    item, = recording.messages(['/front/camera_info'])
    assert (item.stamp_ns, item.recorded_ns) == (7 * 10**9 + 8, 9)
    assert np.array_equal(item.fields.k, np.arange(9.0))
    read = get_typestore(Stores.ROS2_JAZZY).deserialize_cdr(item.data, item.type)
    assert np.array_equal(read.k, item.fields.k) and read.header.frame_id == 'front'


def _split(tmp_path: Path, storage: str) -> Path:
    """Return a bag of twelve files, each with two images, as a recorder splits it."""
    bag = tmp_path / 'split'
    bag.mkdir()
    names = []
    for part in range(12):
        written = write_bag(tmp_path / f'split_{part}', numbered(2, first=2 * part), storage)
        file = storage_file(written)
        names.append(file.name)
        shutil.move(file, bag / file.name)
        content = yaml.safe_load((written / 'metadata.yaml').read_text())
    information = content['rosbag2_bagfile_information']
    information['relative_file_paths'] = names
    information['message_count'] = 24
    information['topics_with_message_count'][0]['message_count'] = 24
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(content))
    return bag


@pytest.mark.parametrize('storage', STORAGES)
def test_a_split_bag_is_one_recording(tmp_path: Path, storage: str) -> None:
    recording = Recording(_split(tmp_path, storage))
    found: list[RecordedMessage] = list(recording.messages([IMAGES]))
    assert [item.index for item in found] == list(range(24))
    assert recording.topic(IMAGES).count == 24 and recording.duration_ns == 23 * PERIOD_NS
    assert recording.damage == ()


@pytest.mark.parametrize('storage', STORAGES)
def test_a_split_bag_without_one_file_and_without_metadata_is_read(
        tmp_path: Path, storage: str) -> None:
    bag = _split(tmp_path, storage)
    suffix = 'db3' if storage == 'sqlite3' else 'mcap'
    (bag / f'split_3.{suffix}').unlink()
    rest = [*range(6), *range(8, 24)]
    recording = Recording(bag)
    assert numbers(recording) == rest
    assert recording.damage == (f'split_3.{suffix} is missing',
                                '22 of 24 messages of /front/image_raw can be read')
    assert recording.unread == {IMAGES: 2}
    (bag / f'split_3.{suffix}').write_bytes(b'nonsense')
    recording = Recording(bag)
    assert numbers(recording) == rest
    assert f'split_3.{suffix} is not' in recording.damage[0]
    (bag / f'split_3.{suffix}').unlink()
    (bag / 'metadata.yaml').unlink()
    recording = Recording(bag)
    assert numbers(recording) == rest
    assert recording.damage == (
        'metadata.yaml is missing: the bag was not closed, or it was lost',)


def test_a_topic_that_is_only_in_the_missing_file_is_missed(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', numbered(2))
    content = yaml.safe_load((bag / 'metadata.yaml').read_text())
    topics = content['rosbag2_bagfile_information']['topics_with_message_count']
    topics.append({**topics[0], 'message_count': 7, 'topic_metadata': {
        **topics[0]['topic_metadata'], 'name': '/rear/image_raw'}})
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(content))
    assert Recording(bag).damage == ('0 of 7 messages of /rear/image_raw can be read',)


@pytest.mark.parametrize('text', ['', 'just text', '{rosbag2_bagfile_information: {}}', '\0',
                                  'rosbag2_bagfile_information: {relative_file_paths: 3}',
                                  'rosbag2_bagfile_information: {relative_file_paths: [a.txt], '
                                  'topics_with_message_count: [{message_count: .inf, '
                                  'topic_metadata: {name: a}}]}'])
def test_damaged_metadata_cost_nothing(tmp_path: Path, text: str) -> None:
    bag = write_bag(tmp_path / 'bag', numbered(3))
    (bag / 'metadata.yaml').write_text(text)
    recording = Recording(bag)
    assert numbers(recording) == [0, 1, 2]
    assert len(recording.damage) == 1 and recording.damage[0].startswith('metadata.yaml is damage')


def test_a_file_that_metadata_do_not_name_counts_where_one_is_missing(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', numbered(2))
    shutil.copy(storage_file(bag), bag / 'other.mcap')
    recording = Recording(bag)
    assert numbers(recording) == [0, 1] and recording.damage == ()
    (bag / 'bag.mcap').unlink()
    recording = Recording(bag)
    assert numbers(recording) == [0, 1]
    assert recording.damage == (
        'bag.mcap is missing', 'other.mcap is not in metadata.yaml; it was read all the same')


def test_messages_that_cannot_be_deserialised_are_left_out_and_counted(tmp_path: Path) -> None:
    messages = numbered(6)
    for number in (1, 4):
        topic, time, item = messages[number]
        messages[number] = topic, time, serialized(item)[:40 * number + 20]
    recording = Recording(write_bag(tmp_path / 'bag', messages))
    for _ in range(2):  # to read again counts nothing twice
        assert [item.index for item in recording.messages([IMAGES])] == [0, 2, 3, 5]
        assert recording.unread == {IMAGES: 2}
        first, second = recording.damage
        assert first.startswith('2 messages of /front/image_raw cannot be deserialised, such as '
                                'message 1 (')
        assert second == '4 of 6 messages of /front/image_raw can be read'


def test_messages_of_a_type_that_nobody_knows_are_given_as_bytes(tmp_path: Path) -> None:
    import sqlite3
    bag = write_bag(tmp_path / 'bag', numbered(2), 'sqlite3')
    with sqlite3.connect(storage_file(bag)) as database:
        database.execute("UPDATE topics SET type = 'my_msgs/msg/Secret'")
        database.execute('DELETE FROM message_definitions')
    database.close()
    recording = Recording(bag)
    assert recording.cameras == ()
    found = list(recording.messages([IMAGES]))
    assert [item.fields for item in found] == [None, None]
    assert found[0].data == serialized(numbered(1)[0][2])
    assert recording.damage == ()


@pytest.mark.parametrize('compression', [CompressionMode.NONE, CompressionMode.FILE])
@pytest.mark.parametrize('share', [0.95, 0.5, 0.3])
@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_that_was_cut_short_is_read_as_far_as_it_goes(
        tmp_path: Path, storage: str, share: float, compression: CompressionMode) -> None:
    bag = write_bag(tmp_path / 'bag', numbered(60), storage, compression)
    file = storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[:int(share * len(data))])
    recording = Recording(bag)
    found = numbers(recording)
    assert found == list(range(len(found)))
    assert 60 * share - 16 < len(found) < 60
    assert recording.unread == {IMAGES: 60 - len(found)}
    assert recording.damage[-1] == f'{len(found)} of 60 messages of /front/image_raw can be read'
    assert len(recording.damage) > 1  # and why


@pytest.mark.parametrize('name', ['a.bag', 'a.mcap', 'a.db3', 'a.mcap.zstd', 'a.txt',
                                  'b/metadata.yaml'])
def test_what_is_no_bag_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text('just text')
    bag = file.parent if file.name == 'metadata.yaml' else file
    with pytest.raises(MediaError, match=f'cannot read the bag {bag}: '):
        Recording(bag)
    with pytest.raises(MediaError, match='c does not exist'):
        Recording(tmp_path / 'c')


def test_copies_of_compressed_files_are_shared_and_removed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    bag = write_bag(tmp_path / 'bag', numbered(3), 'mcap', CompressionMode.FILE)
    recordings = [Recording(bag), Recording(bag)]
    assert len(list(tmp_path.iterdir())) == 2  # they share one
    assert numbers(recordings.pop()) == numbers(recordings[0]) == [0, 1, 2]
    recordings.clear()
    assert list(tmp_path.iterdir()) == [bag]


def test_a_sqlite_file_that_is_cut_anywhere_says_so(
        files: dict[str, bytes], tmp_path: Path) -> None:
    whole, file = files['.db3'], tmp_path / 'a.db3'
    for length in range(len(whole) // 2 // 512 * 512, len(whole), 512):
        file.write_bytes(whole[:length])
        recording = Recording(file)
        assert any(f'{len(whole) - length} bytes are missing' in text
                   for text in recording.damage), length


def _cut(data: bytearray, place: float, length: int) -> bytearray:
    return data[:int(place * len(data))]


def _overwrite(data: bytearray, place: float, length: int) -> bytearray:
    begin = int(place * len(data))
    data[begin:begin + length] = bytes(len(data[begin:begin + length]))
    return data


def _compress(data: bytearray, place: float, length: int) -> bytearray:
    return _overwrite(bytearray(zstd.compress(bytes(data))), place, length)


@pytest.fixture(scope='module')
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return bags as they are on disk, by their suffix."""
    folder = tmp_path_factory.mktemp('whole')
    written = {storage: write_bag(folder / storage, numbered(20), storage)
               for storage in STORAGES}
    return {storage_file(bag).suffix: storage_file(bag).read_bytes() for bag in written.values()}


@given(suffix=st.sampled_from(['.mcap', '.db3']), change=st.sampled_from(
    [_cut, _overwrite, _compress]), place=st.floats(0, 1), length=st.integers(1, 9000))
@example('.db3', _cut, 0.9453125, 1)
def test_no_damage_does_more_than_cost_messages(
        files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, suffix: str,
        change: Callable[[bytearray, float, int], bytearray], place: float, length: int) -> None:
    name = f'a{suffix}.zstd' if change is _compress else f'a{suffix}'
    file = tmp_path_factory.mktemp('damaged') / name
    file.write_bytes(change(bytearray(files[suffix]), place, length))
    try:
        recording = Recording(file)
        found = [item.index for camera in recording.cameras
                 for item in recording.messages([camera.topic])]
    except MediaError as error:
        assert str(file) in str(error)
        return
    assert len(found) <= 20
    if len(found) < 20 and change is _cut:
        assert recording.damage
