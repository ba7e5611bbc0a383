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

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class BundleError(ValueError):
    """A model bundle (or the folder of bundles) is missing, damaged, or not what was asked."""


def read_section(file: Path) -> Section:
    """
    Read a YAML file that holds one mapping.

    :raises BundleError: the file is missing, unreadable, no YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding='utf-8'))
    except OSError as error:
        raise BundleError(f'cannot read {file}: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f'{file} is not valid YAML: {error}') from error
    return Section(file, '', content)


class Section:
    """
    One mapping of a manifest, read key by key.

    :param file: for messages.
    :param key: dotted path of this mapping within the file; '' at the top.
    :param content: what YAML gave.
    :raises BundleError: it is not a mapping with text keys.
    """

    def __init__(self, file: Path, key: str, content: object) -> None:
        self.file = file
        self._key = key
        if not isinstance(content, dict) or not all(isinstance(k, str) for k in content):
            where = f'{key!r} ' if key else ''
            raise BundleError(f'{file}: {where}must be a mapping with text keys')
        self._content: dict[str, Any] = content
        self._read: set[str] = set()

    def error(self, key: str, message: str) -> BundleError:
        """Return (not raise) an error that names the file and the key."""
        return BundleError(f'{self.file}: {self._path(key)!r} {message}')

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
        """Return the text under ``key``; one of ``allowed`` where any are given."""
        value = self._get(key)
        if not isinstance(value, str) or not value:
            raise self.error(key, f'must be text, not {value!r}')
        if allowed and value not in allowed:
            raise self.error(key, f'is {value!r}; this version knows {", ".join(allowed)}')
        return value

    def integer(self, key: str, least: int) -> int:
        """Return the whole number under ``key``, at least ``least``."""
        return self._whole(key, self._get(key), least)

    def integers(self, key: str, count: int | None, least: int) -> tuple[int, ...]:
        """Return the list of exactly ``count`` whole numbers under ``key``; None: of any."""
        value = self._get(key)
        if not isinstance(value, list) or count not in (None, len(value)):
            wanted = 'whole numbers' if count is None else f'{count} whole numbers'
            raise self.error(key, f'must be a list of {wanted}, not {value!r}')
        return tuple(self._whole(key, item, least) for item in value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of texts under ``key``."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f'must be a list of texts, not {value!r}')
        return tuple(value)

    def triples(self, key: str) -> tuple[tuple[int, int, int], ...]:
        """Return the list of triples of whole numbers under ``key``."""
        value = self._get(key)
        if not isinstance(value, list) or not all(
                isinstance(item, list) and len(item) == 3 for item in value):
            raise self.error(key, 'must be a list of [red, green, blue]')
        return tuple(
            (self._whole(key, r, 0), self._whole(key, g, 0), self._whole(key, b, 0))
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

    def _whole(self, key: str, value: object, least: int) -> int:
        # YAML's true and false are ints to Python.
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, f'must hold whole numbers of at least {least}, not {value!r}')
        return value
