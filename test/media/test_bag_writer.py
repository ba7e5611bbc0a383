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
"""Bags that are written are what rosbag2, the tools of MCAP and Foxglove read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from recorded_bags import picture
from recorded_bags import storage_file

from frm_perception.labels import CAMVID
from frm_perception.media.bag_reader import Recording
from frm_perception.media.bag_writer import CameraTopics
from frm_perception.media.bag_writer import writing_bag
from frm_perception.media.camera_model import CameraModel
from frm_perception.media.files import MediaError
from frm_perception.media.frames import read_frames

LABELS = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 11
MODEL = CameraModel.pinhole(48, 64, 50.0)
TOPICS = {
    '/front/image_raw': 'sensor_msgs/msg/Image',
    '/front/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/front/ground_truth/legend': 'std_msgs/msg/String',
    '/front/ground_truth/label': 'sensor_msgs/msg/Image',
}


def write(bag: Path, storage: str = 'mcap', compression: str = '', count: int = 3) -> Path:
    """Write a bag with everything that there is."""
    camera = CameraTopics('front', compression, MODEL, CAMVID)
    with writing_bag(bag, storage) as writer:
        for number in range(count):
            writer.write(camera, 10**9 + number, picture(number), LABELS)
    return bag


@pytest.mark.parametrize('compression', ['', 'png'])
def test_the_library_of_mcap_reads_all_of_it(tmp_path: Path, compression: str) -> None:
    bag = write(tmp_path / 'bag', compression=compression)
    with storage_file(bag).open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == 10
        for channel in summary.channels.values():
            schema = summary.schemas[channel.schema_id]
            assert (channel.message_encoding, schema.encoding) == ('cdr', 'ros2msg')
            text = schema.data.decode()
            # All that it consists of is defined, too.
            if schema.name != 'std_msgs/msg/String':
                assert 'MSG: std_msgs/Header' in text and 'MSG: builtin_interfaces/Time' in text
            latched = channel.topic.endswith('/legend')
            profile, = yaml.safe_load(channel.metadata['offered_qos_profiles'])
            assert (profile['durability'], profile['reliability']) == (1 if latched else 2, 1)
        found: dict[str, list[Any]] = {}
        for _, channel, message, decoded in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append((message, decoded))
    topics = dict(TOPICS)
    if compression:
        topics['/front/image_raw/compressed'] = topics.pop('/front/image_raw')
    assert set(found) == set(topics)
    for number in range(3):
        _, info = found['/front/camera_info'][number]
        message, label = found['/front/ground_truth/label'][number]
        name = '/front/image_raw/compressed' if compression else '/front/image_raw'
        _, image = found[name][number]
        for item in (info, label, image):
            assert item.header.frame_id == 'front_optical_frame'
            assert (item.header.stamp.sec, item.header.stamp.nanosec) == (1, number)
        assert message.log_time == message.publish_time == 10**9 + number
        assert list(info.k) == [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1] and list(info.d) == [0] * 5
        assert list(info.p) == [50, 0, 31.5, 0, 0, 50, 23.5, 0, 0, 0, 1, 0]
        assert (info.height, info.width, info.distortion_model) == (48, 64, 'plumb_bob')
        assert (label.encoding, label.step) == ('mono8', 64)
        assert np.array_equal(np.frombuffer(label.data, np.uint8).reshape(48, 64), LABELS)
        if compression:
            assert image.format == 'rgb8; png compressed bgr8'
            decoded = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
            assert np.array_equal(decoded[:, :, ::-1], picture(number))
        else:
            assert (image.encoding, image.step, image.is_bigendian) == ('rgb8', 192, 0)
            assert bytes(image.data) == picture(number).tobytes()
    (_, legend), = found['/front/ground_truth/legend']
    assert json.loads(legend.data)['classes'][3]['name'] == 'road'


def test_a_file_in_sqlite_has_the_schema_of_rosbag2(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', 'sqlite3')
    with closing(sqlite3.connect(storage_file(bag))) as database:
        # rosbag2_storage_sqlite3 of Jazzy, version 4, of which Humble reads what it knows.
        columns = {table: [row[1] for row in database.execute(f'PRAGMA table_info({table})')]
                   for table in ('schema', 'metadata', 'topics', 'message_definitions',
                                 'messages')}
        assert columns == {
            'schema': ['schema_version', 'ros_distro'],
            'metadata': ['id', 'metadata_version', 'metadata'],
            'topics': ['id', 'name', 'type', 'serialization_format', 'offered_qos_profiles',
                       'type_description_hash'],
            'message_definitions': ['id', 'topic_type', 'encoding', 'encoded_message_definition',
                                    'type_description_hash'],
            'messages': ['id', 'topic_id', 'timestamp', 'data']}
        assert database.execute('SELECT schema_version FROM schema').fetchall() == [(4,)]
        assert dict(database.execute('SELECT name, type FROM topics')) == TOPICS
        assert set(database.execute('SELECT encoding FROM message_definitions')) == {('ros2msg',)}
        index, = database.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'")
        assert index == ('timestamp_idx', 'messages')


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_the_metadata_are_such_as_humble_and_jazzy_read(tmp_path: Path, storage: str) -> None:
    bag = write(tmp_path / 'bag', storage)
    text = (bag / 'metadata.yaml').read_text()
    content = yaml.safe_load(text)['rosbag2_bagfile_information']
    # From version 9 on the profiles are no longer text, which Humble does not take.
    assert content['version'] == 8
    assert content['storage_identifier'] == storage
    assert content['relative_file_paths'] == [storage_file(bag).name]
    assert content['duration'] == {'nanoseconds': 2}
    assert content['starting_time'] == {'nanoseconds_since_epoch': 10**9}
    assert content['message_count'] == content['files'][0]['message_count'] == 10
    assert (content['compression_format'], content['compression_mode']) == ('', '')
    assert isinstance(content['ros_distro'], str)
    topics = {}
    for item in content['topics_with_message_count']:
        topic = item['topic_metadata']
        assert topic['serialization_format'] == 'cdr'
        assert topic['type_description_hash'].startswith('RIHS01_')
        profile, = yaml.safe_load(topic['offered_qos_profiles'])
        # Humble reads these as numbers, and the others as (sec, nsec).
        assert all(isinstance(profile[key], int) for key in (
            'history', 'depth', 'reliability', 'durability', 'liveliness'))
        for key in ('deadline', 'lifespan', 'liveliness_lease_duration'):
            assert profile[key] == {'sec': 9223372036, 'nsec': 854775807}
        topics[topic['name']] = (topic['type'], item['message_count'], profile['durability'])
    assert topics == {name: (kind, 1 if name.endswith('legend') else 3,
                             1 if name.endswith('legend') else 2)
                      for name, kind in TOPICS.items()}


@settings(max_examples=15)
@given(height=st.integers(1, 40), width=st.integers(1, 40), stamp=st.integers(1, 2**31 * 10**9),
       storage=st.sampled_from(['sqlite3', 'mcap']), seed=st.integers(0, 99))
def test_pixels_labels_and_stamps_are_read_back_as_they_were(
        tmp_path_factory: pytest.TempPathFactory, height: int, width: int, stamp: int,
        storage: str, seed: int) -> None:
    stamp = min(stamp, (2**31 - 1) * 10**9)
    image = picture(seed, (height, width))
    labels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    bag = tmp_path_factory.mktemp('written') / 'bag'
    with writing_bag(bag, storage) as writer:
        writer.write(CameraTopics(space=CAMVID), stamp, image, labels)
    recording = Recording(bag)
    camera, = recording.cameras
    assert (camera.topic, camera.labels, camera.info) == (
        '/camera/image_raw', '/camera/ground_truth/label', '')
    found = {item.topic: item for item in recording.messages([camera.topic, camera.labels])}
    assert {item.stamp_ns for item in found.values()} == {stamp}
    assert found[camera.topic].data and np.array_equal(
        np.reshape(found[camera.topic].fields.data, image.shape), image)
    assert np.array_equal(np.reshape(found[camera.labels].fields.data, labels.shape), labels)


def test_jpeg_is_near_enough(tmp_path: Path) -> None:
    smooth = cv2.resize(picture(0, (6, 8)), (64, 48), interpolation=cv2.INTER_CUBIC)
    with writing_bag(tmp_path / 'bag', 'mcap') as writer:
        writer.write(CameraTopics(compression='jpeg'), 1, np.asarray(smooth, np.uint8))
    frame, = read_frames(tmp_path / 'bag')
    assert np.abs(frame.image.astype(int) - smooth).mean() < 4


def test_two_cameras_lie_in_one_bag(tmp_path: Path) -> None:
    with writing_bag(tmp_path / 'bag', 'mcap') as writer:
        for name in ('/left', 'roof/right'):
            writer.write(CameraTopics(name), 1, picture(0))
    assert [camera.name for camera in Recording(tmp_path / 'bag').cameras] == [
        '/left', '/roof/right']


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_bag_is_there_whole_or_not_at_all(tmp_path: Path, storage: str) -> None:
    with pytest.raises(KeyboardInterrupt), writing_bag(tmp_path / 'bag', storage) as writer:
        writer.write(CameraTopics(), 1, picture(0))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_bag_is_replaced_only_if_that_was_asked_for(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag')
    with pytest.raises(MediaError, match='bag is there already: choose another name, or --over'), \
            writing_bag(bag, 'mcap'):
        pass
    with writing_bag(bag, 'sqlite3', overwrite=True) as writer:
        writer.write(CameraTopics(), 1, picture(0))
        assert Recording(bag).topics[0].count == 3
    assert Recording(bag).topics[0].count == 1
    assert list(tmp_path.iterdir()) == [bag] and len(list(bag.iterdir())) == 2


def test_what_is_no_bag_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(MediaError, match='is there already, and is no bag'), \
            writing_bag(tmp_path, 'mcap', overwrite=True):
        pass
    with pytest.raises(MediaError, match='a bag is a folder: call it .*drive rather than'), \
            writing_bag(tmp_path / 'drive.mcap', 'mcap'):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ['notes.txt']


@pytest.mark.parametrize('name', ['', '/', 'front camera', '1st', 'front//left', 'front/', 'ö'])
def test_names_that_ros_does_not_allow_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match='cannot be the name of a camera'), \
            writing_bag(tmp_path / 'bag', 'mcap') as writer:
        writer.write(CameraTopics(name), 1, picture(0))
    assert list(tmp_path.iterdir()) == []


def test_a_camera_info_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match='of images of 64x48 pixels, but the images have 6x4'), \
            writing_bag(tmp_path / 'bag', 'mcap') as writer:
        writer.write(CameraTopics(model=MODEL), 1, picture(0, (4, 6)))
