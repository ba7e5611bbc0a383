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
"""Tests that what serves is followed by what was wished for last, and that nothing is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.ros.succession import Succession

PATIENCE_S = 20.0


class Engine:
    """What a name was built to; notes in a list of engines when it is closed."""

    def __init__(self, name: str, alive: list[Engine]) -> None:
        self.name = name
        self._alive = alive
        alive.append(self)

    @property
    def closed(self) -> bool:
        return self not in self._alive

    def close(self) -> None:
        self._alive.remove(self)


class Works:
    """
    A succession that begins with the engine 'first'.

    Others are built when it is allowed, and fail where their name begins with 'bad'.
    """

    def __init__(self) -> None:
        self.alive: list[Engine] = []
        self.most_alive = 1
        self.begun: list[str] = []
        self.built: list[str] = []
        self.taken_over: list[str] = []
        self.allowed = threading.Event()
        self.succession = Succession(
            Engine('first', self.alive), 'first', self._build,
            lambda engine: self.taken_over.append(engine.name))

    def _build(self, name: str) -> Engine:
        self.begun.append(name)
        assert self.allowed.wait(PATIENCE_S)
        if name.startswith('bad'):
            raise ValueError(f'{name} cannot be')
        engine = Engine(name, self.alive)
        self.built.append(name)
        self.most_alive = max(self.most_alive, len(self.alive))
        return engine

    def begin(self, name: str) -> None:
        """Wish for an engine and wait until it is being built."""
        self.succession.ask(name)
        eventually(lambda: name in self.begun)

    def end(self) -> None:
        self.allowed.set()
        self.succession.close()
        eventually(lambda: not self.alive)


@pytest.fixture
def works() -> Iterator[Works]:
    made = Works()
    yield made
    made.end()


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_one_before_serves_until_its_successor_is_built_and_is_closed_then(
        works: Works) -> None:
    succession = works.succession
    first = succession.serving
    works.begin('second')
    with succession.in_work() as engine:
        assert engine is first and not first.closed
    assert (succession.fulfilled, succession.wanted) == ('first', 'second')
    works.allowed.set()
    eventually(lambda: first.closed)
    with succession.in_work() as engine:
        assert engine.name == 'second'
    assert (succession.fulfilled, succession.wanted) == ('second', None)
    assert works.taken_over == ['second']


def test_a_frame_in_work_keeps_its_engine_to_the_end(works: Works) -> None:
    first = works.succession.serving
    works.allowed.set()
    with works.succession.in_work():
        works.succession.ask('second')
        eventually(lambda: len(works.alive) == 2)
        assert works.succession.serving is first and not first.closed
    assert works.succession.serving.name == 'second'
    eventually(lambda: first.closed)


def test_a_camera_that_leaves_no_pause_does_not_keep_a_successor_waiting(works: Works) -> None:
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with works.succession.in_work() as engine:
                assert not engine.closed

    worker = threading.Thread(target=work)
    worker.start()
    works.allowed.set()
    works.succession.ask('second')
    try:
        eventually(lambda: works.succession.fulfilled == 'second')
    finally:
        ended.set()
        worker.join()


def test_of_several_wishes_the_newest_counts_and_never_more_than_two_engines_are_there(
        works: Works) -> None:
    works.begin('second')
    works.succession.ask('third')
    works.succession.ask('fourth')
    works.allowed.set()
    eventually(lambda: works.succession.fulfilled == 'fourth' and len(works.alive) == 1)
    assert works.begun == ['second', 'fourth']
    assert works.taken_over == ['fourth']
    assert works.most_alive == 2


def test_to_wish_for_what_serves_is_to_go_on_with_it(works: Works) -> None:
    works.begin('second')
    works.succession.ask('first')
    assert works.succession.wanted is None
    works.allowed.set()
    eventually(lambda: works.built == ['second'] and len(works.alive) == 1)
    assert (works.succession.fulfilled, works.taken_over) == ('first', [])


def test_a_wish_that_cannot_be_built_is_told_once_and_leaves_all_as_it_was(works: Works) -> None:
    works.begin('bad')
    works.allowed.set()
    eventually(lambda: works.succession.wanted is None)
    failure = works.succession.take_failure()
    assert failure is not None
    assert (failure.wish, str(failure.error)) == ('bad', 'bad cannot be')
    assert works.succession.take_failure() is None
    assert works.succession.fulfilled == 'first' and not works.succession.serving.closed
    works.succession.ask('second')
    eventually(lambda: works.succession.fulfilled == 'second')


def test_a_thread_that_cannot_start_is_a_failure_and_the_next_wish_is_built(
        works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, 'start', refuse)
        works.succession.ask('second')
    failure = works.succession.take_failure()
    assert failure is not None and 'new thread' in str(failure.error)
    works.allowed.set()
    works.succession.ask('second')
    eventually(lambda: works.succession.fulfilled == 'second')


def test_a_failure_of_what_is_not_wanted_any_more_is_not_told(works: Works) -> None:
    works.begin('bad')
    works.succession.ask('second')
    works.allowed.set()
    eventually(lambda: works.succession.fulfilled == 'second')
    assert works.succession.take_failure() is None


def test_to_close_waits_for_nothing_and_what_is_built_afterwards_is_freed() -> None:
    works = Works()
    works.begin('second')
    works.succession.close()
    assert works.alive == []
    works.allowed.set()
    eventually(lambda: works.built == ['second'] and works.alive == [])
    assert works.taken_over == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(['first', 'second', 'third', 'bad']),
                          st.integers(0, 3)), min_size=1))
def test_whatever_is_wished_for_amid_frames_the_last_that_can_be_serves(
        wishes: list[tuple[str, int]]) -> None:
    works = Works()
    works.allowed.set()
    for name, frames in wishes:
        works.succession.ask(name)
        for _ in range(frames):
            with works.succession.in_work() as engine:
                assert not engine.closed
                time.sleep(0)
                assert not engine.closed
    eventually(lambda: works.succession.wanted is None and len(works.alive) == 1)
    last = wishes[-1][0]
    assert last in (works.succession.fulfilled, 'bad')
    assert works.succession.serving.name == works.succession.fulfilled
    assert works.most_alive <= 2
    works.end()
