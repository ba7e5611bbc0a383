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
"""Work ahead in a thread."""

import threading
from collections.abc import Generator
from contextlib import closing

import cv2
import pytest

from frm_perception.evaluation.drive.ahead import ahead
from frm_perception.evaluation.drive.ahead import one_opencv_thread


def counting(end: int, made: list[int], closed: threading.Event) -> Generator[int, None, None]:
    """Yield 0 to end - 1; note each, and that the generator was closed."""
    try:
        for number in range(end):
            made.append(number)
            yield number
    finally:
        closed.set()


def test_every_item_comes_in_its_order() -> None:
    made: list[int] = []
    assert list(ahead(counting(100, made, threading.Event()), 3)) == list(range(100)) == made


def test_the_thread_is_ahead_by_no_more_than_it_may() -> None:
    made: list[int] = []
    for number in ahead(counting(50, made, threading.Event()), 2):
        assert len(made) <= number + 1 + 2 + 1  # this one, those that wait, one in the making


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise ValueError('the second one')

    items = ahead(failing(), 5)

    assert next(items) == 1
    with pytest.raises(ValueError, match='the second one'):
        next(items)


def test_who_stops_early_stops_all_threads_before() -> None:
    made: list[int] = []
    closed = threading.Event()
    before = threading.active_count()

    with closing(ahead(iter_through(ahead(counting(10**9, made, closed), 1)), 1)) as items:
        assert next(items) == 0

    assert closed.is_set()
    assert threading.active_count() == before


def test_opencv_has_one_thread_only_for_as_long_as_asked() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        with pytest.raises(ValueError), one_opencv_thread():
            assert cv2.getNumThreads() == 1
            raise ValueError
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def iter_through(items: Generator[int, None, None]) -> Generator[int, None, None]:
    """Yield the items of another thread, which ends with this generator."""
    with closing(items):
        yield from items
