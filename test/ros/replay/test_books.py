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
"""What became of played images, by answers and counts of a node that does whatever it likes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies

from frm_perception.ros.replay.books import ANSWERED
from frm_perception.ros.replay.books import LOST
from frm_perception.ros.replay.books import REASONS
from frm_perception.ros.replay.books import UNDECIDED
from frm_perception.ros.replay.books import UNHEARD
from frm_perception.ros.replay.books import Book
from frm_perception.ros.replay.books import Counts

BEFORE = Counts(received=100, answered=60, in_flight=0,
                unanswered={reason: 40 // len(REASONS) for reason in REASONS})
FATES = strategies.sampled_from([ANSWERED, LOST, *REASONS])


class Node:
    """Counts as the node does."""

    def __init__(self) -> None:
        self.counts = BEFORE

    def receive(self, fate: str) -> None:
        """Receive an image and decide about it, unless it is lost on its way."""
        if fate == LOST:
            return
        counts = self.counts
        unanswered = {reason: number + (reason == fate)
                      for reason, number in counts.unanswered.items()}
        self.counts = replace(counts, received=counts.received + 1, unanswered=unanswered,
                              answered=counts.answered + (fate == ANSWERED))


@given(strategies.lists(FATES, max_size=20), strategies.booleans())
def test_with_one_image_underway_every_fate_is_named(fates: list[str], reported: bool) -> None:
    book, node = Book(BEFORE), Node()
    for number, fate in enumerate(fates):
        book.publish(number)
        if reported:
            book.hear(node.counts)  # from before it arrived
        assert number not in book.fates
        node.receive(fate)
        if fate == ANSWERED:
            book.answer(number)
        book.hear(node.counts)
        if fate == LOST:
            book.hear(node.counts)
            assert book.give_up() == LOST
        assert book.fates[number] == fate
    assert_balanced(book, fates)


@given(strategies.lists(FATES, max_size=20), strategies.lists(strategies.booleans(), min_size=20))
def test_with_many_underway_the_totals_agree_and_no_fate_is_wrong(
        fates: list[str], reported: list[bool]) -> None:
    book, node = Book(BEFORE), Node()
    for number, fate in enumerate(fates):
        book.publish(number)
        node.receive(fate)
        if reported[number]:
            book.hear(node.counts)
    for number, fate in enumerate(fates):
        if fate == ANSWERED:
            book.answer(number)
    book.hear(node.counts)
    assert {number: fate for number, fate in book.fates.items()
            if fate != fates[number]} == {}
    assert_balanced(book, fates)


def assert_balanced(book: Book, fates: list[str]) -> None:
    """Hold that the totals are those of the fates, and that nothing is strange."""
    balance, counted = book.balance(), Counter(fates)
    assert balance.published == len(fates)
    assert balance.answered == counted[ANSWERED] and balance.lost == counted[LOST]
    assert balance.unanswered == {reason: counted[reason] for reason in REASONS if counted[reason]}
    assert balance.notes == ()


def test_images_of_one_fate_are_named_together() -> None:
    book, node = Book(BEFORE), Node()
    for number, fate in enumerate(['dropped', 'dropped', ANSWERED]):
        book.publish(number)
        node.receive(fate)
    book.hear(node.counts)
    assert book.fates == {}  # any two of the three
    book.answer(2)
    book.hear(node.counts)
    assert book.fates == {0: 'dropped', 1: 'dropped', 2: ANSWERED}


@given(strategies.lists(FATES, max_size=20))
def test_what_is_open_at_the_end_is_lost_if_as_many_were_missed(fates: list[str]) -> None:
    book, node = Book(BEFORE), Node()
    for number, fate in enumerate(fates):
        book.publish(number)
        node.receive(fate)
        if fate == ANSWERED:
            book.answer(number)
    book.hear(node.counts)
    book.close()
    assert {number: fate for number, fate in book.fates.items() if fate != fates[number]} == {}
    if not set(fates) & set(REASONS):
        assert len(book.fates) == len(fates)
    assert_balanced(book, fates)


def test_an_image_is_not_lost_while_the_node_has_not_spoken_of_its_time() -> None:
    book, node = Book(BEFORE), Node()
    book.publish(0)
    assert book.give_up() == UNDECIDED
    book.hear(node.counts)
    assert book.give_up() == UNDECIDED
    book.hear(node.counts)
    assert book.give_up() == LOST


def test_an_answer_that_never_arrives_is_told_from_an_image_that_waits() -> None:
    book, node = Book(BEFORE), Node()
    for number in range(2):
        book.publish(number)
        node.receive(ANSWERED)
        assert book.give_up() == UNDECIDED
        book.hear(node.counts)
        assert book.give_up() == UNHEARD
    book.answer(1)
    assert book.fates == {0: UNHEARD, 1: ANSWERED}
    assert '1 answers of the node' in book.balance().notes[0]


def test_an_answer_that_comes_after_all_counts() -> None:
    book, node = Book(BEFORE), Node()
    book.publish(0)
    book.hear(node.counts)
    book.hear(node.counts)
    assert book.give_up() == LOST
    node.receive(ANSWERED)
    book.answer(0)
    book.hear(node.counts)
    assert_balanced(book, [ANSWERED])


@pytest.mark.parametrize(('others', 'mine', 'note'), [
    ([ANSWERED, 'stale'], ANSWERED, 'something else publishes'),
    ([], LOST, 'had not counted'),
])
def test_what_does_not_add_up_is_said(others: list[str], mine: str, note: str) -> None:
    book, node = Book(BEFORE), Node()
    for fate in others:
        node.receive(fate)
    book.publish(0)
    node.receive(mine)
    book.answer(0)
    book.hear(node.counts)
    assert any(note in text for text in book.balance().notes)


def test_counts_that_began_anew_are_not_taken_for_fates() -> None:
    book = Book(BEFORE)
    book.publish(0)
    book.answer(0)
    book.hear(Counts(received=1, answered=1, in_flight=0, unanswered=dict.fromkeys(REASONS, 0)))
    balance = book.balance()
    assert (balance.published, balance.answered, balance.unanswered, balance.lost) == (1, 1, {}, 0)
    assert 'configured anew' in balance.notes[0]
