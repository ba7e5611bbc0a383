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
"""How bags are known, and what their files have in common, whatever their format."""

from __future__ import annotations

import re
from abc import ABC
from abc import abstractmethod
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

import yaml

BAG_SUFFIXES = ('.bag', '.mcap', '.db3')
METADATA = 'metadata.yaml'
COMPRESSED = '.zstd'
"""Last suffix of a file that is compressed as a whole."""

_TRANSIENT_LOCAL = (1, 'transient_local')


def is_bag(source: Path) -> bool:
    """
    Tell whether a path is a ROS bag.

    A ROS 2 bag is a folder with metadata.yaml or with files of a bag; a single file is known by
    its name.
    """
    if source.is_dir():
        return (source / METADATA).is_file() or bool(storage_files(source))
    return storage_kind(source) in BAG_SUFFIXES


def storage_files(folder: Path) -> list[Path]:
    """Return the files of a ROS 2 bag in a folder, by number: 2 comes before 10."""
    return sorted((file for file in folder.iterdir() if storage_kind(file) in ('.mcap', '.db3')),
                  key=lambda file: [int(part) if part.isdigit() else part
                                    for part in re.split(r'(\d+)', file.name)])


def storage_kind(file: Path) -> str:
    """Return the suffix that says what a file is, in small letters, compressed or not."""
    name = file.with_suffix('') if file.suffix.lower() == COMPRESSED else file
    return name.suffix.lower()


@dataclass(frozen=True)
class RecordedTopic:
    """
    A topic of a bag.

    :param type: such as 'sensor_msgs/msg/Image', for ROS 1 as well.
    :param count: messages that the bag says it has; those that can be read may be fewer.
    :param latched: it was published for those that come later, too (transient local).
    :param definition: of the type, as .msg or IDL with all that it needs; '' where the bag has
        none, such as SQLite bags before Iron.
    """

    name: str
    type: str
    count: int
    latched: bool = False
    definition: str = ''


class StoredMessage(NamedTuple):
    """
    A message as it lies in a file.

    :param recorded_ns: when it was recorded, nanoseconds.
    :param data: CDR with the four bytes before it.
    """

    topic: str
    type: str
    recorded_ns: int
    data: bytes


@dataclass
class BagStorage(ABC):
    """
    One file of a bag, opened.

    :param topics: those that hold messages of ROS.
    :param begin_ns: when the first message was recorded; `end_ns` is the last one's; both 0
        where there is none.
    """

    topics: list[RecordedTopic] = field(default_factory=list)
    begin_ns: int = 0
    end_ns: int = 0
    _notes: dict[str, None] = field(default_factory=dict)

    @abstractmethod
    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """Yield what can be read of these topics in the order of recording."""

    @property
    def damage(self) -> list[str]:
        """What could not be read so far, each text once."""
        return list(self._notes)

    def _note(self, text: str) -> None:
        """Remember damage; what was noted before is not noted again."""
        self._notes[text] = None


def full_type(name: str) -> str:
    """Return the name of a type as it is since Dashing; Crystal left 'msg' out."""
    package, _, kind = name.partition('/')
    return name if '/' in kind else f'{package}/msg/{kind}'


def is_latched(profiles: str) -> bool:
    """
    Tell whether publishers of a topic offered durability transient local.

    :param profiles: the QoS profiles as YAML, as every storage has them; may be ''.
    """
    try:
        offered = yaml.safe_load(profiles)
    except yaml.YAMLError:
        return False
    return isinstance(offered, list) and any(
        isinstance(profile, dict) and profile.get('durability') in _TRANSIENT_LOCAL
        for profile in offered)
