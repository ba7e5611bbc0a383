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
"""SQLite files of every ROS 2, and what becomes of their damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from recorded_bags import BEGIN_NS
from recorded_bags import IMAGES
from recorded_bags import PERIOD_NS
from recorded_bags import numbered
from recorded_bags import serialized
from recorded_bags import storage_file
from recorded_bags import write_bag

from frm_perception.media.bag_reader import Recording
from frm_perception.media.bag_sqlite import SqliteStorage
from frm_perception.media.files import MediaError


def change(file: Path, *statements: str) -> None:
    """Change a database."""
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of a bag of twelve images."""
    return storage_file(write_bag(tmp_path / 'bag', numbered(12), 'sqlite3'))


@pytest.mark.parametrize('columns', [
    "id, name, replace(type, '/msg', '') AS type, serialization_format",  # Crystal
    'id, name, type, serialization_format',  # Dashing
    'id, name, type, serialization_format, offered_qos_profiles',  # Foxy to Humble
])
def test_bags_of_old_distributions_are_read(file: Path, columns: str) -> None:
    change(file, 'DROP TABLE schema', 'DROP TABLE message_definitions', 'DROP TABLE metadata',
           f'CREATE TABLE old AS SELECT {columns} FROM topics', 'DROP TABLE topics',
           'ALTER TABLE old RENAME TO topics')
    recording = Recording(file)
    found = list(recording.messages([IMAGES]))
    assert [item.data for item in found] == [serialized(item) for _, _, item in numbered(12)]
    assert found[0].fields.encoding == 'rgb8' and recording.cameras[0].topic == IMAGES
    assert recording.topic(IMAGES).definition == ''
    assert recording.damage == ()


def test_messages_come_by_their_time_and_not_by_their_place(file: Path) -> None:
    change(file, f'UPDATE messages SET timestamp = {2 * BEGIN_NS} - timestamp')
    storage = SqliteStorage(file)
    found = list(storage.messages([IMAGES]))
    assert [item.data for item in found] == [
        serialized(item) for _, _, item in reversed(numbered(12))]
    assert storage.end_ns == BEGIN_NS


def test_what_a_killed_recorder_left_in_its_log_is_read(tmp_path: Path, file: Path) -> None:
    killed = tmp_path / 'killed.db3'
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA journal_mode = WAL')
        with database:
            database.execute('UPDATE messages SET timestamp = timestamp + 1')
        for suffix in ('', '-wal', '-shm'):
            killed.with_name(killed.name + suffix).write_bytes(
                file.with_name(file.name + suffix).read_bytes())
    assert SqliteStorage(killed).begin_ns == BEGIN_NS + 1


def test_rows_that_make_no_sense_cost_no_others(file: Path) -> None:
    change(file, "UPDATE messages SET timestamp = 'noon' WHERE id = 3",
           "UPDATE messages SET data = 'text' WHERE id = 5",
           'UPDATE messages SET topic_id = 77 WHERE id = 7')
    recording = Recording(file.parent)
    found = [item.recorded_ns for item in recording.messages([IMAGES])]
    assert len(found) == 9
    assert recording.damage == (
        'bag.db3: 1 messages are damaged, such as message 5 (it has no data)',
        '9 of 12 messages of /front/image_raw can be read')


def test_what_lies_between_damaged_places_is_read(tmp_path: Path) -> None:
    file = storage_file(write_bag(tmp_path / 'bag', numbered(200), 'sqlite3'))
    data = bytearray(file.read_bytes())
    for place in (3, 5, 7):
        begin = len(data) * place // 10
        data[begin:begin + 30_000] = bytes(30_000)
    file.write_bytes(data)
    recording = Recording(file.parent)
    found = [(item.recorded_ns - BEGIN_NS) // PERIOD_NS
             for item in recording.messages([IMAGES])]
    assert 160 < len(found) < 195
    assert recording.unread == {IMAGES: 200 - len(found)}
    assert {10, 80, 120, 190} <= set(found)


@pytest.mark.parametrize('text', ['nonsense (', 'int32 class', 'my_msgs/Unknown a', '0'])
def test_images_are_read_without_their_definition(file: Path, text: str) -> None:
    change(file, f"UPDATE message_definitions SET encoded_message_definition = '{text}', "
                 "topic_type = 'my_msgs/msg/Other'")
    recording = Recording(file)
    assert len(list(recording.messages([IMAGES]))) == 12 and recording.damage == ()


def test_a_damaged_topic_costs_no_other(file: Path) -> None:
    change(file, "INSERT INTO topics SELECT 9, X'ff', type, serialization_format, "
                 'offered_qos_profiles, type_description_hash FROM topics')
    recording = Recording(file)
    assert len(list(recording.messages([IMAGES]))) == 12
    assert recording.damage == ('bag.db3: topic 9 is damaged',)


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a.db3').write_text('just text')
    with pytest.raises(MediaError, match='a.db3 is not a bag in SQLite'):
        SqliteStorage(tmp_path / 'a.db3')
    (tmp_path / 'a.db3').unlink()
    change(tmp_path / 'a.db3', 'CREATE TABLE other (id INTEGER)')
    with pytest.raises(MediaError, match='a.db3 is not a bag in SQLite'):
        SqliteStorage(tmp_path / 'a.db3')
