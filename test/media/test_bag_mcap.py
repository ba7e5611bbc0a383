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
"""MCAP files of other writers, and what becomes of their damage."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.writer import CompressionType
from mcap.writer import IndexType
from mcap.writer import Writer
from recorded_bags import BEGIN_NS
from recorded_bags import IMAGE
from recorded_bags import IMAGES
from recorded_bags import STORE
from recorded_bags import numbered
from recorded_bags import serialized

from frm_perception.media.bag_mcap import McapStorage
from frm_perception.media.bag_reader import Recording
from frm_perception.media.bag_storage import StoredMessage
from frm_perception.media.files import MediaError

SENT = [serialized(item) for _, _, item in numbered(30)]


def write(compression: CompressionType = CompressionType.NONE, chunked: bool = True,
          index: IndexType = IndexType.ALL, chunk_size: int = 40_000,
          encoding: str = 'cdr') -> bytes:
    """Return a file of the library of MCAP itself, whose chunks have checksums."""
    stream = BytesIO()
    writer = Writer(stream, compression=compression, use_chunking=chunked, index_types=index,
                    chunk_size=chunk_size, repeat_channels=index != IndexType.NONE,
                    repeat_schemas=index != IndexType.NONE,
                    use_statistics=index != IndexType.NONE)
    writer.start('ros2', 'test')
    definition = STORE.generate_msgdef(IMAGE, ros_version=2)[0]
    schema = writer.register_schema(IMAGE, 'ros2msg', definition.encode())
    channel = writer.register_channel(IMAGES, encoding, schema, {})
    for number, data in enumerate(SENT):
        writer.add_message(channel, BEGIN_NS + number, data, BEGIN_NS)
    writer.finish()
    return stream.getvalue()


def read(file: Path) -> tuple[McapStorage, list[StoredMessage]]:
    """Return a file and its images."""
    storage = McapStorage(file)
    return storage, list(storage.messages([IMAGES]))


@pytest.mark.parametrize('index', [IndexType.ALL, IndexType.NONE])
@pytest.mark.parametrize('chunked', [True, False])
@pytest.mark.parametrize('compression', list(CompressionType))
def test_every_way_to_write_is_read(
        tmp_path: Path, compression: CompressionType, chunked: bool, index: IndexType) -> None:
    (tmp_path / 'a.mcap').write_bytes(write(compression, chunked, index))
    storage, found = read(tmp_path / 'a.mcap')
    assert [message.data for message in found] == SENT
    assert [message.recorded_ns for message in found] == [BEGIN_NS + n for n in range(30)]
    assert (storage.begin_ns, storage.end_ns) == (BEGIN_NS, BEGIN_NS + 29)
    assert storage.topics[0].count == 30
    assert storage.damage == []


@pytest.mark.parametrize('compression', list(CompressionType))
def test_a_chunk_that_the_file_ends_in_is_read_as_far_as_it_goes(
        tmp_path: Path, compression: CompressionType) -> None:
    data = write(compression, chunk_size=10**7)  # all of it in one chunk
    (tmp_path / 'a.mcap').write_bytes(data[:len(data) * 3 // 4])
    storage, found = read(tmp_path / 'a.mcap')
    # Compressors work in blocks, of which the last is lost.
    assert 5 < len(found) < 23
    assert [message.data for message in found] == SENT[:len(found)]
    first, second = storage.damage
    assert first.startswith('a.mcap has no index') and 'make no sense' in second


@pytest.mark.parametrize('cut', [False, True])
@pytest.mark.parametrize('compression', list(CompressionType))
def test_a_chunk_that_does_not_match_its_checksum_costs_no_other(
        tmp_path: Path, compression: CompressionType, cut: bool) -> None:
    data = bytearray(write(compression))
    middle = len(data) // 2
    data[middle] ^= 1
    (tmp_path / 'a.mcap').write_bytes(data[:-20] if cut else data)
    storage, found = read(tmp_path / 'a.mcap')
    lost = [number for number, sent in enumerate(SENT)
            if sent not in [message.data for message in found]]
    assert 3 < len(lost) < 7 and lost == list(range(lost[0], lost[-1] + 1))
    assert storage.topics[0].count == 30  # known all the same
    assert storage.damage[-1].startswith('a.mcap: the chunk at byte ')
    recording = Recording(tmp_path / 'a.mcap')
    list(recording.messages([IMAGES]))
    assert recording.unread == {IMAGES: len(lost)}


@pytest.mark.parametrize('compression', list(CompressionType))
def test_without_an_index_reading_goes_on_at_the_next_chunk_that_is_whole(
        tmp_path: Path, compression: CompressionType) -> None:
    data = bytearray(write(compression)[:-20])
    for place in (0.3, 0.6):
        begin = int(place * len(data))
        data[begin:begin + 45_000] = bytes(45_000)
    (tmp_path / 'a.mcap').write_bytes(data)
    storage, found = read(tmp_path / 'a.mcap')
    there = [SENT.index(message.data) for message in found]
    assert {0, 29} < set(there) and 8 < len(there) < 25
    assert [message.recorded_ns - BEGIN_NS for message in found] == there == sorted(there)
    assert sum('make no sense as a whole' in text for text in storage.damage) == 2


@given(share=st.floats(0, 1), chunk_size=st.sampled_from([1, 40_000, 10**7]))
def test_of_a_file_that_was_cut_short_its_beginning_is_read(
        tmp_path_factory: pytest.TempPathFactory, share: float, chunk_size: int) -> None:
    file = tmp_path_factory.mktemp('cut') / 'a.mcap'
    data = write(chunk_size=chunk_size)
    file.write_bytes(data[:int(share * len(data))])
    try:
        storage, found = read(file)
    except MediaError:
        assert share * len(data) < 9
        return
    assert [message.data for message in found] == SENT[:len(found)]
    assert storage.damage or int(share * len(data)) == len(data)


@given(places=st.lists(st.floats(0, 1), min_size=1, max_size=20), value=st.integers(0, 255),
       chunked=st.booleans(), index=st.sampled_from([IndexType.ALL, IndexType.NONE]))
def test_no_wrong_bytes_do_more_than_cost_messages(
        tmp_path_factory: pytest.TempPathFactory, places: list[float], value: int, chunked: bool,
        index: IndexType) -> None:
    data = bytearray(write(chunked=chunked, index=index))
    for place in places:
        # Most of the bytes are pixels; those near the ends say what is where.
        data[int(place ** 4 * (len(data) - 1))] = value
        data[-1 - int(place ** 4 * (len(data) - 1))] = value
    file = tmp_path_factory.mktemp('wrong') / 'a.mcap'
    file.write_bytes(data)
    try:
        storage, found = read(file)
    except MediaError:
        return
    assert len(found) <= 30
    if chunked:
        # Their checksums would have told.
        assert {message.data for message in found} <= set(SENT)


def test_messages_that_are_not_of_ros_2_are_left_out(tmp_path: Path) -> None:
    (tmp_path / 'a.mcap').write_bytes(write(encoding='json'))
    storage, found = read(tmp_path / 'a.mcap')
    assert (storage.topics, found) == ([], [])


def test_what_is_no_mcap_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a.mcap').write_text('just text')
    with pytest.raises(MediaError, match='a.mcap is not an MCAP file'):
        McapStorage(tmp_path / 'a.mcap')
