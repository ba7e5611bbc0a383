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
"""
Bags of ROS 1 and of any ROS 2, read without ROS: SQLite and MCAP, single, split, compressed.

A damaged bag is read as far as it can be; what could not be read is said afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backports import zstd
from rosbags.typesys import Stores
from rosbags.typesys import get_types_from_idl
from rosbags.typesys import get_types_from_msg
from rosbags.typesys import get_typestore
from rosbags.typesys.store import Typestore

from frm_perception.media.bag_files import BagFiles
from frm_perception.media.bag_storage import RecordedTopic
from frm_perception.media.bag_storage import StoredMessage
from frm_perception.media.files import MediaError

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

GROUND_TRUTH = '/ground_truth/'
LABEL = f'{GROUND_TRUTH}label'
LEGEND = f'{GROUND_TRUTH}legend'
"""Ends of the topics that true labels are on, below the name of their camera."""

_OURS = '/segmentation/'
"""Part of the topics that a segmenter publishes."""
_TRANSPORT = '/compressed'
_ZSTD = b'\x28\xb5\x2f\xfd'
_IDL_SEPARATOR = '=' * 80 + '\n'


@dataclass(frozen=True)
class RecordedCamera:
    """
    An image topic that a camera published, and what belongs to it.

    :param topic: of the images.
    :param images: the same, '/front/image_raw', of '/front/image_raw/compressed', too: a camera
        that was recorded both raw and compressed is there twice.
    :param name: the camera's, '/front'; of '/cam0' all of it, of '/image_raw' nothing.
    :param compressed: its messages are `sensor_msgs/CompressedImage`, not Image.
    :param info: topic of its camera_info, or ''.
    :param labels: topic of its true labels, or ''.
    :param legend: topic that says what these mean, or ''.
    :param count: messages that the bag says it has.
    """

    topic: str
    images: str
    name: str
    compressed: bool
    info: str
    labels: str
    legend: str
    count: int


@dataclass(frozen=True)
class RecordedMessage:
    """
    A message of a bag.

    :param index: its number among those that its topic has in the storage, from 0.
    :param stamp_ns: of its header, nanoseconds; `recorded_ns` where it has none, or 0.
    :param recorded_ns: when it was recorded, nanoseconds.
    :param data: as CDR, with the four bytes before it: what a publisher takes as it is.
    :param fields: an object with the fields of the message as attributes. Numbers in sequences,
        such as pixels, are NumPy views of `data`. None where nobody knows the type.
    """

    topic: str
    type: str
    index: int
    stamp_ns: int
    recorded_ns: int
    data: bytes
    fields: Any


class Recording:
    """
    A bag.

    Its files are looked through at once, and read in :meth:`messages`.

    :param path: a folder of ROS 2, or a file (.db3, .mcap, .bag; the first two also with .zstd).
    :param topics: all that there are, in the order of the bag.
    :param cameras: image topics, but for true labels and for what a segmenter published.
    :param label_topics: topics with true labels.
    :param output_topics: topics that a segmenter published when the bag was recorded.
    :param begin_ns: when the first message was recorded; `end_ns` is the last one's.
    :raises MediaError: no bag, or nothing in it can be opened.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise MediaError(f'{path} does not exist')
        self.path = path
        self._files = BagFiles(path)
        self._damage = dict(self._files.damage)
        self._unread: dict[str, int] = {}
        self._undecoded: dict[str, tuple[int, str]] = {}
        storages = self._files.storages
        found: dict[str, RecordedTopic] = {}
        counts: Counter[str] = Counter()
        for topic in (topic for storage in storages for topic in storage.topics):
            counts[topic.name] += topic.count
            if topic.name not in found or not found[topic.name].definition:
                found[topic.name] = topic
        self.topics = tuple(
            RecordedTopic(topic.name, topic.type,
                          max(counts[topic.name], self._files.stated[topic.name]),
                          topic.latched, topic.definition) for topic in found.values())
        names = {topic.name for topic in self.topics}
        for name, count in self._files.stated.items():
            if count and name not in names:
                self._damage[f'0 of {count} messages of {name} can be read'] = None
        images = [topic for topic in self.topics if topic.type in IMAGE_TYPES]
        self.label_topics = tuple(
            topic.name for topic in images if topic.name.removesuffix(_TRANSPORT).endswith(LABEL))
        self.output_topics = tuple(topic.name for topic in self.topics if _OURS in topic.name)
        self.cameras = tuple(
            _camera(topic, names) for topic in images
            if GROUND_TRUTH not in topic.name and topic.name not in self.output_topics)
        used = [storage for storage in storages if storage.end_ns]
        self.begin_ns = min((storage.begin_ns for storage in used), default=0)
        self.end_ns = max((storage.end_ns for storage in used), default=0)
        self._types = self._make_types()

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first to the last message."""
        return self.end_ns - self.begin_ns

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far; of messages, after :meth:`messages` has ended."""
        texts = dict(self._damage)
        for storage in self._files.storages:
            texts.update(dict.fromkeys(storage.damage))
        counts = {topic.name: topic.count for topic in self.topics}
        for topic, (count, example) in self._undecoded.items():
            texts[f'{count} messages of {topic} cannot be deserialised, such as {example}'] = None
        for topic, unread in self._unread.items():
            if unread:
                texts[f'{counts[topic] - unread} of {counts[topic]} messages of {topic} can be '
                      f'read'] = None
        return tuple(texts)

    @property
    def unread(self) -> dict[str, int]:
        """How many messages of the topics that were read are missing, or no messages."""
        return dict(self._unread)

    def topic(self, name: str) -> RecordedTopic:
        """
        Return a topic.

        :raises MediaError: there is none of that name; the message lists those that are there.
        """
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise MediaError(f'{self.path} does not have {name!r}; its topics are: '
                         f'{self.list_topics()}')

    def list_topics(self) -> str:
        """Return the names of all topics with their types, as text."""
        return ', '.join(f'{topic.name} ({topic.type})' for topic in self.topics) or 'none'

    def is_type_of(self, name: str, distribution: str) -> bool:
        """
        Tell whether the bag defines a type with the fields that it has in a distribution of ROS 2.

        :param distribution: such as 'jazzy'; one that is not known counts as the newest.
        """
        store = get_typestore(getattr(Stores, f'ROS2_{distribution.upper()}', Stores.LATEST))
        if name not in store.fielddefs or name not in self._types.fielddefs:
            return False
        return bool(store.hash_rihs01(name) == self._types.hash_rihs01(name))

    def messages(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """
        Yield the messages of some topics in the order of recording.

        Those that cannot be read are left out, and counted in :attr:`unread` and
        :attr:`damage` when the last one has been given.

        :raises MediaError: a topic that is not there.
        """
        counts = {name: self.topic(name).count for name in topics}
        for name in counts:
            self._undecoded.pop(name, None)
        indexes: Counter[str] = Counter()
        given: Counter[str] = Counter()
        for storage in self._files.storages:
            for stored in storage.messages(topics):
                index = indexes[stored.topic]
                indexes[stored.topic] += 1
                message = self._message(stored, index)
                if message is not None:
                    given[stored.topic] += 1
                    yield message
        self._unread.update({name: max(count - given[name], 0) for name, count in counts.items()})

    def _message(self, stored: StoredMessage, index: int) -> RecordedMessage | None:
        """Return a message, None if it is damaged."""
        data, fields = stored.data, None
        try:
            if data.startswith(_ZSTD):  # CDR begins with 0
                data = zstd.decompress(data)
            if stored.type in self._types.fielddefs:
                fields = self._types.deserialize_cdr(memoryview(data), stored.type)
        except Exception as error:  # damage shows as errors of many kinds
            count, example = self._undecoded.get(stored.topic, (0, ''))
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            self._undecoded[stored.topic] = count + 1, example or f'message {index} ({reason})'
            return None
        stamp = getattr(getattr(fields, 'header', None), 'stamp', None)
        stamp_ns = 0 if stamp is None else stamp.sec * 10**9 + stamp.nanosec
        return RecordedMessage(stored.topic, stored.type, index, stamp_ns or stored.recorded_ns,
                               stored.recorded_ns, data, fields)

    def _make_types(self) -> Typestore:
        """Return the types that the bag defines and, where it defines none, those of Humble."""
        # Images and all that belongs to them are the same in every ROS 2.
        usual = get_typestore(Stores.ROS2_HUMBLE)
        types: dict[str, Any] = {}
        for topic in self.topics:
            # Those of recorded service calls are not understood; rosbags raises errors of its
            # parser and others.
            with suppress(Exception):
                defined = _defined(topic)
                get_typestore(Stores.EMPTY).register(defined)
                types.update(defined)
        if not types:
            return usual
        if not all(topic.type in types for topic in self.topics):
            types = {**usual.fielddefs, **types}
        store = get_typestore(Stores.EMPTY)
        store.register(types)
        return store


def _defined(topic: RecordedTopic) -> dict[str, Any]:
    """Return what the definition of a topic's type defines."""
    text = topic.definition
    if text.startswith(_IDL_SEPARATOR):
        parts = [part.partition('\n')[2] for part in text.split(_IDL_SEPARATOR)[1:]]
        return {name: kind for part in parts for name, kind in get_types_from_idl(part).items()}
    if text.lstrip().startswith(('module', '#include', '//')):
        return dict(get_types_from_idl(text))
    return dict(get_types_from_msg(text, topic.type)) if text else {}


def _camera(topic: RecordedTopic, names: Collection[str]) -> RecordedCamera:
    images = topic.name.removesuffix(_TRANSPORT)
    parent, _, last = images.rpartition('/')
    name = parent if last.startswith('image') else images

    def there(*candidates: str) -> str:
        return next((candidate for candidate in candidates if candidate in names), '')

    labels = f'{name}{LABEL}'
    return RecordedCamera(
        topic.name, images, name, topic.type == COMPRESSED_IMAGE,
        there(f'{name}/camera_info', f'{parent}/camera_info'), there(labels, labels + _TRANSPORT),
        there(f'{name}{LEGEND}'), topic.count)
