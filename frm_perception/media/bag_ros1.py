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
"""Bags of ROS 1, whose messages are given as ROS 2 would have serialised them."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rosbags.interfaces import ConnectionExtRosbag1
from rosbags.interfaces import ConnectionExtRosbag2
from rosbags.rosbag1 import Reader
from rosbags.typesys import Stores
from rosbags.typesys import get_types_from_msg
from rosbags.typesys import get_typestore

from frm_perception.media.bag_storage import BagStorage
from frm_perception.media.bag_storage import RecordedTopic
from frm_perception.media.bag_storage import StoredMessage
from frm_perception.media.files import MediaError

_ROS_2: Mapping[str, Any] = get_typestore(Stores.ROS2_HUMBLE).fielddefs
_OF_ROS_2 = {name: _ROS_2[name] for name in (
    'std_msgs/msg/Header', 'builtin_interfaces/msg/Time', 'builtin_interfaces/msg/Duration')}
"""What rosbags turns into the form of ROS 2 by itself."""


class Ros1Storage(BagStorage):
    """
    A ROS 1 bag.

    :raises MediaError: it is none, or it has no index (`rosbag reindex` makes one).
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._store = get_typestore(Stores.EMPTY)
        try:
            with Reader(file) as reader:
                for item in reader.connections:
                    self._register(item.msgdef.data, item.msgtype)
                    self.topics.append(RecordedTopic(
                        item.topic, item.msgtype, item.msgcount, _is_latched(item.ext),
                        self._store.generate_msgdef(item.msgtype, ros_version=2)[0]))
                if reader.message_count:
                    self.begin_ns, self.end_ns = reader.start_time, reader.end_time - 1
        except Exception as error:  # damage shows as errors of struct, of bz2, of assertions ...
            raise MediaError(f'{file} is not a whole bag of ROS 1 ({error})') from error

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """See the base class."""
        found = 0
        with Reader(self._file) as reader:
            wanted = [item for item in reader.connections if item.topic in topics]
            try:
                for item, recorded_ns, data in reader.messages(wanted) if wanted else ():
                    found += 1
                    yield StoredMessage(item.topic, item.msgtype, recorded_ns,
                                        bytes(self._store.ros1_to_cdr(data, item.msgtype)))
            except Exception as error:
                self._note(f'{self._file.name}: nothing after message {found} of the topics read '
                          f'can be read ({type(error).__name__}: {error})')

    def _register(self, definition: str, kind: str) -> None:
        """Add a type and what it consists of, by the names of ROS 2 where that has the same."""
        types: dict[str, Any] = dict(_OF_ROS_2)
        for name, found in get_types_from_msg(definition, kind).items():
            known = _ROS_2.get(name)
            same = known is not None and _kinds(known) == _kinds(found)
            types[name] = known if same or name in _OF_ROS_2 else found
        self._store.register({name: found for name, found in types.items()
                              if name not in self._store.fielddefs})


def _is_latched(ext: ConnectionExtRosbag1 | ConnectionExtRosbag2) -> bool:
    return isinstance(ext, ConnectionExtRosbag1) and bool(ext.latching)


def _kinds(definition: Any) -> list[Any]:
    """Return what the fields of a type are, in their order."""
    return [kind for _, kind in definition[1]]
