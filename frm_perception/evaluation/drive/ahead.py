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
"""Work that goes on in a thread while what it has made so far is used."""

from __future__ import annotations

import threading
from collections.abc import Generator
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from queue import Empty
from queue import Queue
from typing import TypeVar

import cv2

Item = TypeVar('Item')

_SECONDS_TO_STOP = 0.05


class _End:
    """The last thing in a queue: the error that ended the work, or None."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """
    Yield what a generator yields; a thread runs it, and is ahead by some items.

    An error of the generator is raised here, after the items before it. Where this iterator is
    closed early, the generator is closed as well, in its thread, once it has made its next item.

    :param depth: so many items wait at most.
    """
    queue: Queue[Item | _End] = Queue(depth)
    stopped = threading.Event()

    def work() -> None:
        error = None
        try:
            with closing(items):
                for item in items:
                    queue.put(item)
                    if stopped.is_set():
                        return
        except BaseException as caught:
            error = caught
        queue.put(_End(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            _empty(queue)
            thread.join(_SECONDS_TO_STOP)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Keep OpenCV to the thread that calls it: others are at work on the other cores already."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _empty(queue: Queue[Item | _End]) -> None:
    """Make room, so that a thread that waits for it sees that it is to stop."""
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
