"""Heads of records: the stream's packed best prices are those of its books, and a head that says otherwise is not taken."""

from __future__ import annotations

import numpy as np
import pytest

from markets.prices import EVENT_KEY, RecordedMarkets
from markets.prices.heads import Heads
from markets.prices.layout import begin_of, digest
from markets.streaming.state.books import Books
from tests.markets.test_prices import NOW, book_frame

BEGIN = begin_of(digest("EVENT-A", "EVENT-B"), 2)


@pytest.fixture
def books() -> Books:
    kept = Books()
    kept.start_epoch("epoch-1")
    kept.watch("EVENT", {"EVENT-A": "active", "EVENT-B": "active"})
    kept.snapshot(book_frame("EVENT-A", [(3900, 500), (4000, 1000)], [(5500, 725)], 1, 7), NOW)
    kept.snapshot(book_frame("EVENT-B", [], [(4500, 200)], 2, 9), NOW)
    return kept


def record(books: Books) -> bytes:
    return books.take_changes()[0][EVENT_KEY + "EVENT"]


def test_the_packed_prices_are_the_best_of_the_books(books: Books) -> None:
    value = record(books)
    found = Heads.of([(BEGIN, 2), (BEGIN, 2)]).tops([value, value])
    assert found is not None
    assert found[0].tolist() == [[4000, 5500], [0, 4500]] * 2
    assert len(found[1]) == 0
    markets = RecordedMarkets(value)
    assert markets.is_of("epoch-1")
    assert not markets.is_of("epoch-2")
    assert set(markets) == {"EVENT-A", "EVENT-B"}


def test_other_markets_a_gap_or_a_pause_are_not_taken_from_the_head(books: Books) -> None:
    sound = record(books)
    books.set_status("EVENT-B", "inactive")
    paused = record(books)
    books.unwatch("EVENT")
    books.watch("EVENT", {"EVENT-A": "active", "EVENT-C": "active"})
    other = record(books)
    found = Heads.of([(BEGIN, 2)] * 3).tops([sound, paused, other])
    assert found is not None
    assert np.array_equal(found[1], [1, 2])


def test_a_record_without_a_head_or_with_fewer_markets_gives_no_prices(books: Books) -> None:
    value = record(books)
    assert Heads.of([(BEGIN, 2)]).tops([b""]) is None
    bare = RecordedMarkets(RecordedMarkets(value).body)  # as it was written before there were heads
    assert bare.is_of("epoch-1")
    assert dict(bare) == dict(RecordedMarkets(value))
