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
"""Small bags for tests: a camera of numbered images, and what belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import CompressionFormat
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGES = '/front/image_raw'
IMAGE = 'sensor_msgs/msg/Image'
BEGIN_NS, PERIOD_NS = 5_000_000_000, 100_000_000
SIZE = (48, 64)


def message(kind: str, **fields: Any) -> Any:
    """Return a message of Jazzy."""
    return STORE.types[kind](**fields)


def header(stamp_ns: int) -> Any:
    """Return a header with that stamp."""
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    stamp = message('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
    return message('std_msgs/msg/Header', stamp=stamp, frame_id='front_optical_frame')


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return an image that says which one it is, and cannot be compressed much."""
    noise = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
    noise[0, 0] = number
    return noise


def image_message(stamp_ns: int, pixels: NDArray[np.uint8], encoding: str = 'rgb8') -> Any:
    """Return pixels as `sensor_msgs/Image`."""
    height, width = pixels.shape[:2]
    return message(IMAGE, header=header(stamp_ns), height=height, width=width, encoding=encoding,
                   is_bigendian=0, step=pixels.size // height, data=pixels.ravel())


def serialized(item: Any) -> bytes:
    """Return a message as CDR."""
    return bytes(STORE.serialize_cdr(item, item.__msgtype__))


def numbered(count: int, first: int = 0) -> list[tuple[str, int, Any]]:
    """Return images as (topic, time of recording, message); their stamps are 1 ms earlier."""
    return [(IMAGES, BEGIN_NS + PERIOD_NS * number,
             image_message(BEGIN_NS + PERIOD_NS * number - 10**6, picture(number)))
            for number in range(first, first + count)]


def write_bag(bag: Path, messages: list[tuple[str, int, Any]], storage: str = 'mcap',
              compression: CompressionMode = CompressionMode.NONE) -> Path:
    """Write (topic, time of recording, message) into a bag; bytes are images as they are."""
    writer = Writer(bag, version=9, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(compression, CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    with writer:
        for topic, recorded_ns, item in messages:
            kind = IMAGE if isinstance(item, bytes) else item.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            data = item if isinstance(item, bytes) else serialized(item)
            writer.write(connections[topic], recorded_ns, data)
    return bag


def storage_file(bag: Path) -> Path:
    """Return the one file that holds the messages of a bag."""
    file, = (file for file in bag.iterdir() if file.name != 'metadata.yaml')
    return file
