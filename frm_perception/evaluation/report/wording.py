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
"""How figures are written for people."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING = '-'
"""Stands where nothing was seen of what a figure measures, as in :func:`.record.percent`."""

_MARKDOWN = str.maketrans({character: f'\\{character}' for character in '\\`*_[]<>|#~'})


def milliseconds(value: float | None) -> str:
    """Return milliseconds with three digits or so, without the unit."""
    if value is None:
        return NOTHING
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}'


def clock(seconds: float) -> str:
    """Return a time of a drive as minutes:seconds with a tenth, or with hours."""
    tenths = round(10 * seconds)
    sign = '-' if tenths < 0 else ''
    minutes, rest = divmod(abs(tenths), 600)
    hours, minutes = divmod(minutes, 60)
    first = f'{hours}:{minutes:02}' if hours else f'{minutes}'
    return f'{sign}{first}:{rest // 10:02}.{rest % 10}'


def duration(seconds: float) -> str:
    """Return how long something takes, in the unit that suits it."""
    if seconds < 90:
        return f'{seconds:.1f} s'
    if seconds < 5400:
        return f'{seconds / 60:.1f} min'
    return f'{seconds / 3600:.1f} h'


def count(number: int, noun: str, plural: str = '') -> str:
    """Return a number with its noun: 1 frame, 12,000 frames."""
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'


def some_of(texts: Sequence[str], most: int = 5, separator: str = ', ') -> str:
    """Return texts with a separator between them, and how many were left out after so many."""
    rest = len(texts) - most
    return separator.join(texts[:most]) + (f' and {rest:,} more' if rest > 0 else '')


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return ' '.join(text.split()).translate(_MARKDOWN)
