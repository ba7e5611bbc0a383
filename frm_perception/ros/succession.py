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
"""What serves frames, and what is built aside to follow it between two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic
from typing import Protocol
from typing import TypeVar


class Closable(Protocol):
    """What holds something that has to be freed."""

    def close(self) -> None:
        """Free it."""


Served = TypeVar('Served', bound=Closable)
Wish = TypeVar('Wish')

_THREAD = 'succession'


def is_building() -> bool:
    """Tell whether something is being built in this process, wanted or not."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


@dataclass(frozen=True)
class Failure(Generic[Wish]):
    """A wish that could not be built, and why."""

    wish: Wish
    error: Exception


class Succession(Generic[Wish, Served]):
    """
    Keeps something in service while its successor is built, which then takes its place.

    One thread serves frames (:meth:`in_work`), another one wishes (:meth:`ask`), a third one
    builds; only the last ever waits for another. Of several wishes the newest counts: what is
    being built for an older one, which nothing can interrupt, is closed when it is ready, and
    only then is the next one begun. So there are never more than two at a time.

    :param first: serves at the beginning.
    :param wish: that it was built for.
    :param build: builds what is wished for, on a thread of its own.
    :param taken_over: told what serves from now on, between two frames, on a thread that it must
        not keep for long.
    """

    def __init__(self, first: Served, wish: Wish, build: Callable[[Wish], Served],
                 taken_over: Callable[[Served], None]) -> None:
        self._build = build
        self._taken_over = taken_over
        self._changed = threading.Condition()
        self._serving = first
        self._fulfilled = wish
        self._wanted: Wish | None = None
        self._since = 0.0
        self._successor: Served | None = None
        self._failure: Failure[Wish] | None = None
        self._in_work = False
        self._thread: threading.Thread | None = None

    @property
    def serving(self) -> Served:
        """What serves now."""
        return self._serving

    @property
    def fulfilled(self) -> Wish:
        """The wish that what serves was built for."""
        return self._fulfilled

    @property
    def wanted(self) -> Wish | None:
        """The wish that is being built, or waits to be; None where there is none."""
        return self._wanted

    @property
    def waiting_s(self) -> float:
        """Seconds since the latest wish."""
        return time.monotonic() - self._since

    def ask(self, wish: Wish) -> None:
        """
        Wish for something else, instead of what was wished for until now.

        To wish for what serves is to go on with it.
        """
        with self._changed:
            if wish == self._wanted:
                return
            self._failure = None
            self._forget_wish()
            if wish == self._fulfilled:
                return
            self._wanted, self._since = wish, time.monotonic()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no more threads
                    self._fail(wish, error)
                else:
                    self._thread = thread

    def take_failure(self) -> Failure[Wish] | None:
        """Return, once, how the latest wish failed, if it did."""
        with self._changed:
            failure, self._failure = self._failure, None
            return failure

    @contextmanager
    def in_work(self) -> Iterator[Served]:
        """Keep what serves in its place for a frame; for one thread."""
        with self._changed:
            self._in_work = True
        try:
            yield self._serving
        finally:
            with self._changed:
                self._in_work = False
                # Not left to the thread that builds, which would hardly get a turn between the
                # frames of a busy camera.
                self._take_over()

    @contextmanager
    def unchanging(self) -> Iterator[Served]:
        """Keep what serves in its place for a moment."""
        with self._changed:
            yield self._serving

    def close(self) -> None:
        """
        Close what serves, when no frame is in work, and forget all wishes.

        It does not wait for what is being built, which is closed when it is ready.
        """
        with self._changed:
            self._forget_wish()
        self._serving.close()

    def _forget_wish(self) -> None:
        self._wanted = self._successor = None
        self._changed.notify_all()

    def _take_over(self) -> None:
        """Let the successor serve, if there is one; for those who hold the lock."""
        if self._successor is None or self._wanted is None:
            return
        self._serving, self._fulfilled = self._successor, self._wanted
        self._forget_wish()
        self._taken_over(self._serving)

    def _run(self) -> None:
        """Build one wish after the other, until there is none."""
        while (wish := self._next()) is not None:
            try:
                successor = self._build(wish)
            except Exception as error:
                self._fail(wish, error)
            else:
                self._hand_over(wish, successor).close()

    def _next(self) -> Wish | None:
        with self._changed:
            if self._wanted is None:
                self._thread = None
            return self._wanted

    def _fail(self, wish: Wish, error: Exception) -> None:
        with self._changed:
            if self._wanted == wish:
                self._failure = Failure(wish, error)
                self._forget_wish()

    def _hand_over(self, wish: Wish, successor: Served) -> Served:
        """Wait for the frame in work; return what is not needed any more."""
        with self._changed:
            before = self._serving
            if self._wanted == wish:
                self._successor = successor
                self._changed.wait_for(lambda: not self._in_work or self._successor is None)
                self._take_over()
            return before if self._serving is successor else successor
