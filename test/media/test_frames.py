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
"""Frames of images, folders, videos and bags; and what is said of files that are none."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore

from frm_perception.media.files import MediaError
from frm_perception.media.files import write_image
from frm_perception.media.frames import read_frames
from frm_perception.media.frames import read_image
from frm_perception.media.frames import spread
from frm_perception.media.video import VideoWriter

PICTURE = np.zeros((40, 60, 3), np.uint8)
PICTURE[:20] = (250, 10, 10)
PICTURE[20:, :30] = (10, 250, 10)
PICTURE[20:, 30:] = (10, 10, 250)


def _encoded(suffix: str, image: NDArray[Any]) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


BGR = PICTURE[:, :, ::-1].copy()


@pytest.mark.parametrize(('suffix', 'pixels', 'expected'), [
    ('.png', BGR, PICTURE),
    ('.bmp', BGR, PICTURE),
    ('.ppm', BGR, PICTURE),
    ('.tiff', BGR, PICTURE),
    ('.png', cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA), PICTURE),
    ('.png', BGR.astype(np.uint16) * 257, PICTURE),
    ('.png', PICTURE[:, :, 0], PICTURE[:, :, :1].repeat(3, 2)),
    ('.png', BGR[:1, :2], PICTURE[:1, :2]),
], ids=['png', 'bmp', 'ppm', 'tiff', 'with alpha', '16 bits', 'grey', 'two pixels'])
def test_images_of_every_kind_become_rgb(
        tmp_path: Path, suffix: str, pixels: NDArray[Any], expected: NDArray[np.uint8]) -> None:
    file = tmp_path / f'a{suffix}'
    file.write_bytes(_encoded(suffix, pixels))
    image = read_image(file)
    assert image.dtype == np.uint8 and np.array_equal(image, expected)


def _rotated_jpeg() -> bytes:
    """Return PICTURE as a camera held upright stores it: EXIF orientation 6, turn clockwise."""
    turned = cv2.rotate(BGR, cv2.ROTATE_90_COUNTERCLOCKWISE)
    jpeg = _encoded('.jpg', turned)
    tiff = (b'II*\0' + (8).to_bytes(4, 'little') + (1).to_bytes(2, 'little')
            + (0x0112).to_bytes(2, 'little') + (3).to_bytes(2, 'little')
            + (1).to_bytes(4, 'little') + (6).to_bytes(4, 'little') + bytes(4))
    exif = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + jpeg[2:]


def test_the_orientation_of_a_photograph_is_applied(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(_rotated_jpeg())
    image = read_image(tmp_path / 'a.jpg')
    assert image.shape == PICTURE.shape
    assert np.abs(image[5::10, 5::10].astype(int) - PICTURE[5::10, 5::10]).max() < 40


def _huge_png() -> bytes:
    header = bytearray(_encoded('.png', BGR))
    header[16:24] = (60000).to_bytes(4, 'big') * 2
    return bytes(header)


@pytest.mark.parametrize('content', [
    b'', b'just text', _encoded('.png', BGR)[:60], _encoded('.jpg', BGR)[:200], _huge_png(),
], ids=['empty', 'text', 'half a PNG', 'half a JPEG', 'absurd size'])
def test_a_file_that_is_no_whole_image_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / 'a.png'
    file.write_bytes(content)
    with pytest.raises(MediaError, match=f'cannot read {file}: (not an image|damaged)'):
        read_image(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match='a.png: No such file'):
        read_image(tmp_path / 'a.png')
    with pytest.raises(MediaError, match='does not exist'):
        read_frames(tmp_path / 'a.png')


def test_a_folder_gives_its_images_by_name(tmp_path: Path) -> None:
    for index, name in enumerate(('b.png', 'c.png', 'a.png')):
        write_image(tmp_path / name, np.full((4, 4), index, np.uint8))
    (tmp_path / 'notes.txt').write_text('not an image')
    (tmp_path / 'sub.png').with_suffix('').mkdir()
    frames = list(read_frames(tmp_path))
    assert [frame.image[0, 0, 0] for frame in frames] == [2, 0, 1]
    assert [frame.stamp_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    assert frames[0].name.endswith('a.png') and frames[0].labels is None


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match='holds no images'):
        read_frames(tmp_path)


def test_an_image_is_a_source_of_one_frame(tmp_path: Path) -> None:
    write_image(tmp_path / 'a.png', PICTURE)
    frames = read_frames(tmp_path / 'a.png')
    assert len(frames) == 1
    assert [frame.image.shape for frame in frames] == [PICTURE.shape]


@pytest.mark.parametrize(('most', 'expected'), [
    (1, [0]), (2, [0, 4]), (3, [0, 3, 6]), (7, [0, 2, 3, 4, 5, 6, 7]), (8, list(range(8))),
    (100, list(range(8)))])
def test_frames_are_spread_evenly_over_all_there_are(
        tmp_path: Path, most: int, expected: list[int]) -> None:
    for index in range(8):
        write_image(tmp_path / f'{index}.png', PICTURE)
    found = [int(Path(frame.name).stem) for frame in spread(read_frames(tmp_path), most)]
    assert found == expected


@pytest.fixture
def video(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    with VideoWriter(tmp_path / 'a.webm', 20) as writer:
        for _ in range(40):
            writer.write(random.integers(0, 256, (96, 128, 3), np.uint8))
    return tmp_path / 'a.webm'


def test_a_video_has_a_clock_and_can_be_read_again(video: Path) -> None:
    frames = read_frames(video)
    assert frames.rate == pytest.approx(20)
    for _ in range(2):
        stamps = [frame.stamp_ns for frame in frames]
        assert len(stamps) == len(frames) == 40
        assert np.allclose(np.diff(stamps), 50_000_000, rtol=1e-3)


def test_a_video_cut_short_gives_its_frames_and_then_says_so(video: Path) -> None:
    data = video.read_bytes()
    video.write_bytes(data[:len(data) // 2])
    seen = []
    with pytest.raises(MediaError, match=r'damaged: (\d+) of 40 frames'):
        for frame in read_frames(video):
            seen.append(frame)
    assert 5 < len(seen) < 35


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').write_text('just text')
    with pytest.raises(MediaError, match='a.mp4: not a video'):
        read_frames(tmp_path / 'a.mp4')


def test_only_bags_have_topics(video: Path) -> None:
    with pytest.raises(MediaError, match='not a ROS bag, so it has no topic'):
        read_frames(video, '/camera')


ENCODED = {
    'rgb8': PICTURE, 'bgr8': BGR, 'rgba8': cv2.cvtColor(PICTURE, cv2.COLOR_RGB2RGBA),
    'bgra8': cv2.cvtColor(BGR, cv2.COLOR_BGR2BGRA), 'mono8': PICTURE[:, :, 0],
}


def _header(types: dict[str, Any], nanoseconds: int, ros1: bool) -> Any:
    stamp = types['builtin_interfaces/msg/Time'](
        sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    first = {'seq': 0} if ros1 else {}
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera', **first)


def _image(types: dict[str, Any], encoding: str, nanoseconds: int, ros1: bool = False,
           padding: int = 0) -> Any:
    pixels = ENCODED[encoding]
    rows = np.pad(pixels.reshape(pixels.shape[0], -1), ((0, 0), (0, padding)))
    return types['sensor_msgs/msg/Image'](
        header=_header(types, nanoseconds, ros1), height=pixels.shape[0], width=pixels.shape[1],
        encoding=encoding, is_bigendian=0, step=rows.shape[1], data=rows.ravel())


def _compressed(types: dict[str, Any], data: bytes) -> Any:
    return types['sensor_msgs/msg/CompressedImage'](
        header=_header(types, 5, False), format='png', data=np.frombuffer(data, np.uint8))


def _bag2(folder: Path, topics: dict[str, list[Any]],
          storage: StoragePlugin = StoragePlugin.SQLITE3) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer2(folder, version=9, storage_plugin=storage) as writer:
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=store)
            for index, message in enumerate(messages):
                writer.write(connection, 1_000_000_000 + index * 50_000_000,
                             store.serialize_cdr(message, kind))
    return folder


TYPES2 = get_typestore(Stores.ROS2_JAZZY).types


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_ros_2_bag_gives_its_images_in_every_encoding(
        tmp_path: Path, storage: StoragePlugin) -> None:
    messages = [_image(TYPES2, encoding, 7_000_000_000 + index, padding=index)
                for index, encoding in enumerate(ENCODED)]
    frames = read_frames(_bag2(tmp_path / 'bag', {'/camera/image_raw': messages}, storage))
    assert len(frames) == 5 and frames.rate == pytest.approx(20)
    for index, (frame, encoding) in enumerate(zip(frames, ENCODED, strict=True)):
        expected = PICTURE[:, :, :1].repeat(3, 2) if encoding == 'mono8' else PICTURE
        assert np.array_equal(frame.image, expected), encoding
        assert frame.stamp_ns == 7_000_000_000 + index


def test_a_ros_1_bag_is_read(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = 'sensor_msgs/msg/Image'
    with Writer1(tmp_path / 'a.bag') as writer:
        connection = writer.add_connection('/image', kind, typestore=store)
        for index in range(3):
            message = _image(store.types, 'bgr8', 5 + index, ros1=True)
            writer.write(connection, index, store.serialize_ros1(message, kind))
    frames = list(read_frames(tmp_path / 'a.bag'))
    assert [frame.stamp_ns for frame in frames] == [5, 6, 7]
    assert all(np.array_equal(frame.image, PICTURE) for frame in frames)


def test_compressed_images_are_decoded(tmp_path: Path) -> None:
    message = _compressed(TYPES2, _encoded('.png', BGR))
    frame, = read_frames(_bag2(tmp_path / 'bag', {'/camera/compressed': [message]}))
    assert np.array_equal(frame.image, PICTURE) and frame.stamp_ns == 5


def test_an_image_without_a_stamp_has_the_time_of_its_recording(tmp_path: Path) -> None:
    frame, = read_frames(_bag2(tmp_path / 'bag', {'/a': [_image(TYPES2, 'rgb8', 0)]}))
    assert frame.stamp_ns == 1_000_000_000


def _text() -> Any:
    return TYPES2['std_msgs/msg/String'](data='hello')


def test_the_first_image_topic_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    bag = _bag2(tmp_path / 'bag', {
        '/chatter': [_text()], '/left': [_image(TYPES2, 'rgb8', 1)],
        '/right': [_image(TYPES2, 'mono8', 2)]})
    assert [frame.stamp_ns for frame in read_frames(bag)] == [1]
    assert [frame.stamp_ns for frame in read_frames(bag, '/right')] == [2]
    with pytest.raises(MediaError, match=r"images on '/chatter'; its topics are: /chatter .std_"):
        read_frames(bag, '/chatter')


def test_topics_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    topics = {'/depth': [_wrong_encoding()], '/damaged': [_compressed(TYPES2, b'nonsense')],
              '/front': [_image(TYPES2, 'rgb8', 7)]}
    frames = read_frames(_bag2(tmp_path / 'bag', topics))
    assert [frame.stamp_ns for frame in frames] == [7]
    del topics['/front']
    with pytest.raises(MediaError, match='(?s)/depth message 0: unknown.*/damaged message 0: not'):
        read_frames(_bag2(tmp_path / 'other', topics))


def test_a_bag_without_images_lists_its_topics(tmp_path: Path) -> None:
    bag = _bag2(tmp_path / 'bag', {'/chatter': [_text()]})
    with pytest.raises(MediaError, match='any images; its topics are: /chatter'):
        read_frames(bag)


def _wrong_encoding() -> Any:
    message = _image(TYPES2, 'rgb8', 1)
    message.encoding = '16UC1'
    return message


def _too_short() -> Any:
    message = _image(TYPES2, 'rgb8', 1)
    message.data = message.data[:100]
    return message


@pytest.mark.parametrize(('make', 'complaint'), [
    (_wrong_encoding, "unknown encoding '16UC1'; known are rgb8"),
    (_too_short, '100 bytes of data'),
    (lambda: _compressed(TYPES2, b'nonsense'), 'not an image'),
])
@pytest.mark.parametrize('topic', ['', '/a'])
def test_a_bad_message_is_named(
        tmp_path: Path, make: Callable[[], Any], complaint: str, topic: str) -> None:
    bag = _bag2(tmp_path / 'bag', {'/a': [make()]})
    with pytest.raises(MediaError, match=f'bag /a message 0: {complaint}'):
        list(read_frames(bag, topic))


@pytest.mark.parametrize('name', ['a.bag', 'a.mcap', 'a.db3', 'folder/metadata.yaml'])
def test_what_is_no_bag_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text('just text')
    bag = file.parent if file.name == 'metadata.yaml' else file
    with pytest.raises(MediaError, match=f'cannot read the bag {bag}'):
        read_frames(bag)


def test_a_single_file_of_a_bag_is_read(tmp_path: Path) -> None:
    bag = _bag2(tmp_path / 'bag', {'/a': [_image(TYPES2, 'rgb8', 1)]}, StoragePlugin.MCAP)
    assert len(list(read_frames(next(bag.glob('*.mcap'))))) == 1


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_a_bag_cut_short_is_named(tmp_path: Path, storage: StoragePlugin) -> None:
    messages = [_image(TYPES2, 'rgb8', index) for index in range(9)]
    bag = _bag2(tmp_path / 'bag', {'/a': messages}, storage)
    file = next(file for file in bag.iterdir() if file.suffix in ('.mcap', '.db3'))
    data = file.read_bytes()
    file.write_bytes(data[:len(data) // 2])
    with pytest.raises(MediaError, match=f'cannot read the bag {bag}'):
        list(read_frames(bag))


def test_a_bag_overwritten_in_the_middle_is_damaged(tmp_path: Path) -> None:
    messages = [_image(TYPES2, 'rgb8', 1 + index) for index in range(40)]
    bag = _bag2(tmp_path / 'bag', {'/a': messages}, StoragePlugin.MCAP)
    file, = bag.glob('*.mcap')
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 20_000] = bytes(20_000)
    file.write_bytes(data)
    with pytest.raises(MediaError, match=f'{bag}.* is damaged'):
        list(read_frames(bag))


def test_messages_that_a_bag_has_lost_are_missed(tmp_path: Path) -> None:
    bag = _bag2(tmp_path / 'bag', {'/a': [_image(TYPES2, 'rgb8', 1 + n) for n in range(9)]})
    file, = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        database.execute('DELETE FROM messages WHERE id > 6')
    database.close()
    seen = []
    with pytest.raises(MediaError, match='it is damaged: 6 of 9 messages of /a can be read'):
        for frame in read_frames(bag):
            seen.append(frame.stamp_ns)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_damaged_message_names_the_bag(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/Image'
    with Writer2(tmp_path / 'bag', version=9) as writer:
        connection = writer.add_connection('/a', kind, typestore=store)
        message = bytes(store.serialize_cdr(_image(TYPES2, 'rgb8', 1), kind))
        writer.write(connection, 1, message[:60])
    with pytest.raises(MediaError, match=f'cannot read the bag {tmp_path / "bag"}'):
        list(read_frames(tmp_path / 'bag'))
