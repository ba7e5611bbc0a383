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
MCAP files, whole or damaged.

What the index at the end says is believed, but every chunk is read by itself, so that one that is
damaged costs no other. Without an index, as after a recorder was killed, the file is walked
from record to record as far as it makes sense.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from io import BytesIO
from mmap import ACCESS_READ
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from typing import NamedTuple

import lz4.frame
from backports import zstd
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel
from mcap.records import Chunk
from mcap.records import MessageIndex
from mcap.records import Schema
from mcap.stream_reader import get_chunk_data_stream
from mcap.summary import Summary

from frm_perception.media.bag_storage import BagStorage
from frm_perception.media.bag_storage import RecordedTopic
from frm_perception.media.bag_storage import StoredMessage
from frm_perception.media.bag_storage import full_type
from frm_perception.media.bag_storage import is_latched
from frm_perception.media.files import MediaError

_MAGIC = b'\x89MCAP0\r\n'
_RECORD = Struct('<BQ')
"""Before every record: what it is, and its length."""
_MESSAGE = Struct('<HIQQ')
"""Before the data of a message: channel, sequence, times of recording and of publishing."""
_CHUNK = re.compile(b'\x06(?P<length>.{5}\0{3}).{28}(?:\0{4}|\3\0{3}lz4|\4\0{3}zstd)'
                    b'(?P<compressed>.{8})', re.DOTALL)
"""How a chunk begins that has less than a terabyte."""
_PRIVATE = 0x80
"""Kinds of records from here on are for everybody's own use."""


class _Piece(NamedTuple):
    """
    A chunk, or a message outside of chunks.

    :param begin_ns: when its first message was recorded.
    :param offset: of the record in the file.
    :param channels: that it has messages of; None where that is not known.
    :param cut: the file ends within it.
    """

    begin_ns: int
    offset: int
    channels: frozenset[int] | None
    cut: bool = False


class McapStorage(BagStorage):
    """
    An MCAP file.

    :raises MediaError: it is none.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._size = file.stat().st_size
        self._pieces: list[_Piece] = []
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        with file.open('rb') as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise MediaError(f'{file} is not an MCAP file')
            summary = _read_summary(stream)
            if summary is None:
                self._note(f'{file.name} has no index: its recording was not ended, or it was cut '
                          f'off or damaged')
            if summary is None or not self._take(summary):
                self._walk(stream)
        self.topics = [
            RecordedTopic(channel.topic, full_type(self._schemas[channel.schema_id].name),
                          self._counts[key],
                          is_latched(channel.metadata.get('offered_qos_profiles', '')),
                          self._schemas[channel.schema_id].data.decode(errors='replace'))
            for key, channel in sorted(self._channels.items())
            if channel.message_encoding == 'cdr' and channel.schema_id in self._schemas]

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """See the base class."""
        names = {topic.name for topic in self.topics}.intersection(topics)
        wanted = {key: channel for key, channel in self._channels.items()
                  if channel.topic in names}
        waiting: list[tuple[int, int, int, StoredMessage]] = []
        with self._file.open('rb') as stream:
            for piece in sorted(self._pieces, key=lambda piece: piece[:2]):
                if piece.channels is not None and piece.channels.isdisjoint(wanted):
                    continue
                # Chunks may overlap: a message waits until no later one can come before it.
                while waiting and waiting[0][0] < piece.begin_ns:
                    yield heapq.heappop(waiting)[-1]
                for number, message in enumerate(self._read(stream, piece, wanted)):
                    heapq.heappush(waiting,
                                   (message.recorded_ns, piece.offset, number, message))
            while waiting:
                yield heapq.heappop(waiting)[-1]

    def _take(self, summary: Summary) -> bool:
        """Take over the index; return whether it says where all messages are."""
        statistics = summary.statistics
        self._schemas.update(summary.schemas)
        self._channels.update(summary.channels)
        if (statistics is None or statistics.channel_count > len(summary.channels)
                or (statistics.message_count and not summary.chunk_indexes)):
            return False
        self._pieces = [
            _Piece(index.message_start_time, index.chunk_start_offset,
                   frozenset(index.message_index_offsets) or None)
            for index in summary.chunk_indexes]
        self._counts.update(statistics.channel_message_counts)
        self.begin_ns, self.end_ns = statistics.message_start_time, statistics.message_end_time
        return True

    def _walk(self, stream: BinaryIO) -> None:
        """Find chunks, messages and what they are by going from record to record."""
        offset, lost = len(_MAGIC), False
        while offset + _RECORD.size <= self._size:
            stream.seek(offset)
            kind, length = _RECORD.unpack(stream.read(_RECORD.size))
            end = offset + _RECORD.size + length
            if kind in (Opcode.DATA_END, Opcode.FOOTER):
                return
            if end > self._size or not (Opcode.HEADER <= kind <= Opcode.DATA_END
                                        or kind >= _PRIVATE):
                end = self._find_chunk(stream, offset + 1)
                self._note(f'{self._file.name}: bytes {offset} to {end} make no sense as a whole')
                if end == self._size and kind == Opcode.CHUNK:
                    self._add(stream, _Piece(0, offset, None, cut=True))
            elif kind in (Opcode.CHUNK, Opcode.MESSAGE):
                lost = not self._add(stream, _Piece(0, offset, None))
            else:
                self._read_other(kind, stream.read(length), offset, lost)
            offset = end
        if offset < self._size:
            self._note(f'{self._file.name}: the file ends within the record at byte {offset}')

    def _find_chunk(self, stream: BinaryIO, begin: int) -> int:
        """Return where the next chunk begins, whose lengths agree; or where the file ends."""
        with mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            for match in _CHUNK.finditer(data, begin):
                length, compressed = (int.from_bytes(match[name], 'little')
                                      for name in ('length', 'compressed'))
                there = match.start() + _RECORD.size + length
                if there <= self._size and match.end() + compressed == there:
                    return match.start()
        return self._size

    def _read_other(self, kind: int, content: bytes, offset: int, lost: bool) -> None:
        """
        Take in a record that is neither a chunk nor a message.

        :param lost: the chunk before it is damaged; the records after a chunk also say how many
            messages it had.
        """
        try:
            if kind in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._learn(kind, content)
            elif kind == Opcode.MESSAGE_INDEX and lost:
                index = MessageIndex.read(ReadDataStream(BytesIO(content)))
                self._counts[index.channel_id] += len(index.records)
        except Exception as error:
            self._note_damage('record', offset, error)

    def _add(self, stream: BinaryIO, piece: _Piece) -> bool:
        """Look through a piece, add it and count its messages; False if it is damaged."""
        counts: Counter[int] = Counter()
        times: list[int] = []
        whole = True
        try:
            for kind, content in self._records(stream, piece):
                if kind == Opcode.MESSAGE:
                    channel, _, recorded_ns, _ = _MESSAGE.unpack_from(content)
                    counts[channel] += 1
                    times.append(recorded_ns)
                else:
                    self._learn(kind, content)
        except Exception as error:
            self._note_damage('chunk', piece.offset, error)
            whole = False
        if times:
            self._pieces.append(piece._replace(begin_ns=min(times)))
            self.begin_ns = min(self.begin_ns or min(times), *times)
            self.end_ns = max(self.end_ns, *times)
        if whole:
            self._counts += counts
        return whole

    def _learn(self, kind: int, content: bytes | memoryview) -> None:
        stream = ReadDataStream(BytesIO(content))
        if kind == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self._schemas[schema.id] = schema
        elif kind == Opcode.CHANNEL:
            channel = Channel.read(stream)
            self._channels[channel.id] = channel

    def _read(self, stream: BinaryIO, piece: _Piece, wanted: dict[int, Channel]
              ) -> list[StoredMessage]:
        found = []
        try:
            for kind, content in self._records(stream, piece):
                if kind != Opcode.MESSAGE:
                    continue
                key, _, recorded_ns, _ = _MESSAGE.unpack_from(content)
                if key in wanted:
                    channel = wanted[key]
                    name = full_type(self._schemas[channel.schema_id].name)
                    found.append(StoredMessage(channel.topic, name, recorded_ns,
                                               bytes(content[_MESSAGE.size:])))
        except Exception as error:
            self._note_damage('chunk', piece.offset, error)
        return found

    def _records(self, stream: BinaryIO, piece: _Piece) -> Iterator[tuple[int, memoryview]]:
        """
        Yield kind and content of the records of a piece.

        :raises Exception: of many kinds, where it is damaged.
        """
        stream.seek(piece.offset)
        kind, length = _RECORD.unpack(stream.read(_RECORD.size))
        there = self._size - stream.tell()
        if kind not in (Opcode.CHUNK, Opcode.MESSAGE) or (length > there and not piece.cut):
            raise ValueError('something else is written over it')
        content = stream.read(min(length, there))
        if kind == Opcode.MESSAGE:
            yield kind, memoryview(content)
            return
        data = memoryview(_decompressed(Chunk.read(ReadDataStream(BytesIO(content))), piece.cut))
        offset = 0
        while offset + _RECORD.size <= len(data):
            kind, length = _RECORD.unpack_from(data, offset)
            begin = offset + _RECORD.size
            offset = begin + length
            if offset <= len(data):
                yield kind, data[begin:offset]
            elif not piece.cut:
                raise ValueError('a record in it is cut off')

    def _note_damage(self, what: str, offset: int, error: Exception) -> None:
        self._note(f'{self._file.name}: the {what} at byte {offset} is damaged '
                   f'({type(error).__name__}: {error})')


def _read_summary(stream: BinaryIO) -> Summary | None:
    """Return the index at the end of a file, None where there is none that can be read."""
    try:
        stream.seek(0)
        return SeekingReader(stream).get_summary() or Summary()
    except Exception:  # damage shows as errors of many kinds
        return None


def _decompressed(chunk: Chunk, cut: bool) -> bytes:
    """
    Return the records of a chunk.

    :param cut: the end of it is missing; what there is counts, without its checksum.
    :raises Exception: of many kinds, where it is damaged.
    """
    if not cut:
        stream, length = get_chunk_data_stream(chunk, validate_crc=True)
        return stream.read(length)
    if chunk.compression == 'zstd':
        return zstd.ZstdDecompressor().decompress(chunk.data)
    if chunk.compression == 'lz4':
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(chunk.data))
    return chunk.data
