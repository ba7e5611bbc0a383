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
SQLite files of bags, whole or damaged.

Where every message is comes first; then each is read by itself, so that one that is damaged costs
no other.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.media.bag_storage import BagStorage
from frm_perception.media.bag_storage import RecordedTopic
from frm_perception.media.bag_storage import StoredMessage
from frm_perception.media.bag_storage import full_type
from frm_perception.media.bag_storage import is_latched
from frm_perception.media.files import MediaError

_MOST_SKIPPED = 2**32
"""Numbers of messages that are missing in succession; a larger step is damage itself."""

_ROW = np.dtype([('time', np.int64), ('id', np.int64), ('topic', np.int64)])


class SqliteStorage(BagStorage):
    """
    A SQLite file of a bag, of any version of its schema.

    :raises MediaError: it is none.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._names: dict[int, tuple[str, str]] = {}
        self._damaged: dict[int, str] = {}
        try:
            with closing(self._connect()) as database:
                topics = _table(database, 'topics')
                definitions = (_table(database, 'message_definitions')
                               if _columns(database, 'message_definitions') else [])
                self._rows = np.sort(np.fromiter(self._find_rows(database), _ROW))
        except sqlite3.Error as error:
            raise MediaError(f'{file} is not a bag in SQLite, or its beginning is damaged '
                             f'({error})') from error
        missing = _missing_bytes(file)
        if missing and not _log(file).exists():
            self._note(f'{file.name}: {missing} bytes are missing at its end')
        texts = {str(row.get('topic_type')): row.get('encoded_message_definition', '')
                 for row in definitions}
        for row in topics:
            self._add_topic(row, texts)
        if len(self._rows):
            self.begin_ns, self.end_ns = (int(self._rows['time'][at]) for at in (0, -1))

    def _add_topic(self, row: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        """
        Take in a topic, unless it is damaged or holds something else than messages of ROS.

        :param definitions: of types.
        """
        key, name, kind = row.get('id'), row.get('name'), row.get('type')
        if not (isinstance(key, int) and isinstance(name, str) and isinstance(kind, str)):
            self._note(f'{self._file.name}: topic {key} is damaged')
        elif row.get('serialization_format') == 'cdr':
            self._names[key] = name, full_type(kind)
            self.topics.append(RecordedTopic(
                name, full_type(kind), int(np.sum(self._rows['topic'] == key)),
                is_latched(str(row.get('offered_qos_profiles', ''))),
                str(definitions.get(kind, ''))))

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """See the base class."""
        wanted = {key: name for key, name in self._names.items() if name[0] in topics}
        with closing(self._connect()) as database:
            for time, key, topic in self._rows[np.isin(self._rows['topic'], list(wanted))]:
                try:
                    row = database.execute('SELECT data FROM messages WHERE id = ?',
                                           (int(key),)).fetchone()
                except sqlite3.Error as error:
                    self._damaged[int(key)] = str(error)
                    continue
                if row is None or not isinstance(row[0], bytes):
                    self._damaged[int(key)] = 'it has no data'
                    continue
                yield StoredMessage(*wanted[topic], int(time), row[0])

    @property
    def damage(self) -> list[str]:
        """See the base class."""
        texts = super().damage
        if self._damaged:
            key, error = next(iter(self._damaged.items()))
            texts.append(f'{self._file.name}: {len(self._damaged)} messages are damaged, such as '
                         f'message {key} ({error})')
        return texts

    def _connect(self) -> sqlite3.Connection:
        # With a log beside it, of a recorder that was killed, SQLite must look at that, too.
        options = 'mode=ro' if _log(self._file).exists() else 'mode=ro&immutable=1'
        # Who iterates in a thread may stop doing so in another.
        database = sqlite3.connect(f'{self._file.resolve().as_uri()}?{options}', uri=True,
                                   check_same_thread=False)
        # Otherwise SQLite refuses the whole of a file that is shorter than it should be.
        database.execute('PRAGMA writable_schema = ON')
        return database

    def _find_rows(self, database: sqlite3.Connection) -> Iterator[tuple[int, int, int]]:
        """Yield time, id and topic of every message that can be reached."""
        # Damaged rows may hold anything.
        select = ('SELECT timestamp, id, topic_id FROM messages WHERE id > ? '
                  "AND typeof(timestamp) = 'integer' AND typeof(topic_id) = 'integer' ORDER BY id")
        last = 0
        gaps: list[str] = []
        following: int | None = 0
        while following is not None:
            try:
                for row in database.execute(select, (last,)):
                    if last < row[1] <= last + _MOST_SKIPPED:
                        yield row
                        last = row[1]
                break
            except sqlite3.Error as error:
                gaps.append(f'behind number {last} ({error})')
            following = _next_id(database, last)
            last = last if following is None else following - 1
        if gaps:
            self._note(f'{self._file.name}: messages cannot be found in {len(gaps)} places, the '
                       f'first is {gaps[0]}')


def _log(file: Path) -> Path:
    return file.with_name(f'{file.name}-wal')


def _missing_bytes(file: Path) -> int:
    """
    Return by how much a file is shorter than it says, https://www.sqlite.org/fileformat.html.

    SQLite does not always complain: where the cut goes through a page, the rest of it may read as
    if no message had ever been there.
    """
    with file.open('rb') as opened:
        header = opened.read(100)
    page, = struct.unpack_from('>H', header, 16)
    changes, pages = struct.unpack_from('>2I', header, 24)
    valid_for, = struct.unpack_from('>I', header, 92)
    # The number of pages is not kept up by very old SQLite. 1 stands for pages of 65536 bytes.
    stated = pages * (65536 if page == 1 else page) if changes == valid_for else 0
    return max(stated - file.stat().st_size, 0)


def _next_id(database: sqlite3.Connection, last: int) -> int | None:
    """Return the first id that can be reached behind a damaged one; None if there is none."""
    skipped = 1
    while skipped < _MOST_SKIPPED:
        try:
            row = database.execute('SELECT id FROM messages WHERE id > ? ORDER BY id LIMIT 1',
                                   (last + skipped,)).fetchone()
            return row[0] if row and last < row[0] <= last + _MOST_SKIPPED else None
        except sqlite3.Error:
            skipped += 1 + skipped // 100
    return None


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns; none where there is no such table."""
    return [row[1] for row in database.execute(f'PRAGMA table_info({table})')]


def _table(database: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    columns = _columns(database, name)
    return [dict(zip(columns, row)) for row in database.execute(f'SELECT * FROM {name}')]
