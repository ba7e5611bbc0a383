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
"""Read a YAML file whose keys and types are known: every complaint names the file and the key."""

from __future__ import annotations

import math
import os
import reprlib
import stat
from collections.abc import Hashable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

MAX_TEXT = 255
"""Most characters of a name; no file's may be longer."""

_MAX_BYTES = 1 << 20
_MAX_COMPLAINT = 500

_ECHO = reprlib.Repr()
_ECHO.maxstring = _ECHO.maxother = _ECHO.maxlong = 80


class BundleError(ValueError):
    """A model bundle (or the folder of bundles) is missing, damaged, or not what was asked."""


def shown(value: object) -> str:
    """Return a value that somebody else wrote, short and printable, for a message."""
    try:
        return _ECHO.repr(value)
    except ValueError:
        # Python does not convert whole numbers of more than 4300 digits to text.
        return 'a number of thousands of digits'


def brief(error: Exception) -> str:
    """Return the beginning of what an error says, which may repeat what somebody else wrote."""
    return str(error)[:_MAX_COMPLAINT]


def _is_printable(text: object) -> bool:
    # Line breaks and escape codes would write into logs and terminals as they please.
    return isinstance(text, str) and len(text) <= MAX_TEXT and text.isprintable()


def read_plain_file(file: Path, most: int) -> bytes:
    """
    Return the content of a plain file of at most ``most`` bytes.

    :raises BundleError: it is missing, unreadable, too large, or no plain file: to read a named
        pipe could take forever.
    """
    try:
        with open(file, 'rb', opener=_open_plain) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > most:
                raise BundleError(f'cannot read {file}: it has {size} bytes, and at most {most} '
                                  f'can be; put the right file there')
            return stream.read()
    except OSError as error:
        raise BundleError(f'cannot read {file}: {error.strerror}') from error
    except BundleError:
        raise
    except ValueError as error:
        # NUL, or half a character.
        raise BundleError(f'{shown(str(file))} can be the name of no file: {error}') from error


def _open_plain(file: str, flags: int) -> int:
    # Without O_NONBLOCK, a named pipe opens only once somebody writes to it.
    descriptor = os.open(file, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise BundleError(f'cannot read {file}: it is not a plain file; put one there')


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types.
    """
    YAML that says what it says: no tags, no aliases and no key twice.

    Aliases of aliases make gigabytes of a few lines; of a key that is there twice, YAML forgets
    the first.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, 'anchor', None) is not None:
            raise yaml.MarkedYAMLError(
                problem='it has an anchor or an alias (& or *); write the value out',
                problem_mark=event.start_mark)
        if getattr(event, 'tag', None) is not None:
            raise yaml.MarkedYAMLError(problem='it has a tag (!); leave it out',
                                       problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise yaml.MarkedYAMLError(
                problem='it has a date or a number that cannot be; quote it if it is text',
                problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False
                          ) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f'it has the key {shown(key.value)} twice; remove one',
                        problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def read_section(file: Path) -> Section:
    """
    Read a YAML file that holds one mapping.

    :raises BundleError: the file is missing, unreadable, of more than 1 MiB, no YAML, or not a
        mapping; or it has tags, anchors, aliases, or a key twice.
    """
    text = read_plain_file(file, _MAX_BYTES)
    try:
        content = _Loader(text.decode('utf-8')).get_single_data()
    except RecursionError:
        raise BundleError(f'{file} is not valid YAML: it is nested too deeply') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f'{file} is not valid YAML: {brief(error)}') from error
    return Section(file, '', content)


class Section:
    """
    One mapping of a manifest, read key by key.

    :param file: for messages.
    :param key: dotted path of this mapping within the file; '' at the top.
    :param content: what YAML gave.
    :raises BundleError: it is not a mapping with printable text keys.
    """

    def __init__(self, file: Path, key: str, content: object) -> None:
        self.file = file
        self._key = key
        if not isinstance(content, dict) or not all(map(_is_printable, content)):
            where = f'{shown(key)} ' if key else ''
            raise BundleError(f'{file}: {where}must be a mapping with text keys, each at most '
                              f'{MAX_TEXT} characters that can be printed')
        self._content: dict[str, Any] = content
        self._read: set[str] = set()

    def error(self, key: str, message: str) -> BundleError:
        """Return (not raise) an error that names the file and the key."""
        return BundleError(f'{self.file}: {shown(self._path(key))} {message}')

    def keys(self) -> list[str]:
        """Return the keys that are there."""
        return list(self._content)

    def section(self, key: str) -> Section:
        """Return the mapping under ``key``."""
        return Section(self.file, self._path(key), self._get(key))

    def mapping(self, key: str) -> Mapping[str, object]:
        """Return the mapping under ``key`` whose content is free."""
        section = self.section(key)
        return section._content

    def text(self, key: str, *allowed: str) -> str:
        """Return the printable text under ``key``; one of ``allowed`` where any are given."""
        value = self._text(key, self._get(key))
        if allowed and value not in allowed:
            raise self.error(key, f'is {shown(value)}; this version knows {", ".join(allowed)}')
        return value

    def integer(self, key: str, least: int, most: int) -> int:
        """Return the whole number under ``key``, ``least`` to ``most``."""
        return self._whole(key, self._get(key), least, most)

    def integers(self, key: str, count: int | None, least: int, most: int) -> tuple[int, ...]:
        """Return the list of exactly ``count`` whole numbers under ``key``; None: of any."""
        value = self._get(key)
        if not isinstance(value, list) or count not in (None, len(value)):
            wanted = 'whole numbers' if count is None else f'{count} whole numbers'
            raise self.error(key, f'must be a list of {wanted}, not {shown(value)}')
        return tuple(self._whole(key, item, least, most) for item in value)

    def numbers(self, key: str, *counts: int) -> tuple[float, ...]:
        """Return the list of numbers under ``key``; as many as one of ``counts`` says."""
        value = self._get(key)
        if not isinstance(value, list) or len(value) not in counts or not all(
                isinstance(item, (int, float)) and math.isfinite(item) for item in value):
            wanted = ' or '.join(map(str, counts))
            raise self.error(key, f'must be a list of {wanted} numbers, not {shown(value)}')
        return tuple(float(item) for item in value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of printable texts under ``key``."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f'must be a list of texts, not {shown(value)}')
        return tuple(self._text(key, item) for item in value)

    def triples(self, key: str) -> tuple[tuple[int, int, int], ...]:
        """Return the list of triples of whole numbers 0..255 under ``key``."""
        value = self._get(key)
        if not isinstance(value, list) or not all(
                isinstance(item, list) and len(item) == 3 for item in value):
            raise self.error(key, 'must be a list of [red, green, blue]')
        return tuple(
            (self._whole(key, r, 0, 255), self._whole(key, g, 0, 255),
             self._whole(key, b, 0, 255))
            for r, g, b in value)

    def close(self) -> None:
        """
        Check that every key was read.

        :raises BundleError: a key that nobody reads: misspelt, or of another format version.
        """
        unknown = [key for key in self._content if key not in self._read]
        if unknown:
            raise self.error(
                unknown[0], f'is not a known key; known here: {", ".join(sorted(self._read))}')

    def _path(self, key: str) -> str:
        return f'{self._key}.{key}' if self._key else key

    def _get(self, key: str) -> Any:
        self._read.add(key)
        if key not in self._content:
            raise self.error(key, 'is missing')
        return self._content[key]

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self.error(key, f'must be text, not {shown(value)}')
        if not _is_printable(value):
            raise self.error(key, f'must be at most {MAX_TEXT} characters that can be printed, '
                                  f'not {shown(value)}')
        return value

    def _whole(self, key: str, value: object, least: int, most: int) -> int:
        # YAML's true and false are ints to Python.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(
                key, f'must hold whole numbers from {least} to {most}, not {shown(value)}')
        return value
