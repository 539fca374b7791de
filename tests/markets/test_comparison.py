"""REST answers from a cache are many seconds old: they must not make a healthy book suspect, and a wrong one is found all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kalbot.common.units import Count, Price
from markets.kalshi.schemas import Book
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.frames import BookDelta, BookSnapshot
from markets.streaming.output.metrics import Metrics
from markets.streaming.state.books import Books
from markets.streaming.state.comparison import CACHED_SECONDS, Comparison

Levels = tuple[tuple[Price, Count], ...]


def _levels(*pairs: tuple[int, int]) -> Levels:
    return tuple((Price(price), Count(count)) for price, count in pairs)


@dataclass
class Stream:
    """What a comparison reads of a connection."""

    books: Books = field(default_factory=Books)
    metrics: Metrics = field(default_factory=Metrics)
    seq: int = 1

    def __post_init__(self) -> None:
        self.books.watch("KXT-1", {"KXT-1-0": "active"})
        snapshot = BookSnapshot(1, 1, "KXT-1-0", _levels((3_000, 500)), _levels((6_500, 500)), 1, None)
        self.books.snapshot(snapshot, 1)

    def change(self, delta: int) -> None:
        self.seq += 1
        frame = BookDelta(1, self.seq, "KXT-1-0", Side.YES, Price(3_000), Count(delta), self.seq, 1, None)
        self.books.delta(frame, 1)


def _rest(count: int) -> Mapping[str, Book]:
    return {"KXT-1-0": Book(yes=_levels((3_000, count)), no=_levels((6_500, 500)))}


def test_an_answer_from_a_cache_does_not_make_a_moving_book_suspect() -> None:
    stream, comparison = Stream(), Comparison()
    answers: list[Mapping[str, Book]] = []
    for second in range(0, 120, 5):
        stream.change(100)
        old = 500 + 100 * max(0, second // 5 - 2)  # what was true ten seconds ago
        answers.append(_rest(old))
        assert comparison.check(stream, lambda tickers: answers[-1], float(second)) == []


def test_a_book_that_stopped_moving_is_not_suspect_while_a_cache_may_be_older() -> None:
    stream, comparison = Stream(), Comparison()
    stream.change(100)
    for second in (0.0, 5.0, 10.0, 15.0):
        assert comparison.check(stream, lambda tickers: _rest(500), second) == []
    assert comparison.check(stream, lambda tickers: _rest(600), 21.0) == []
    assert comparison.check(stream, lambda tickers: _rest(500), 26.0) == [], "the count begins again"


def test_a_book_that_differs_for_longer_than_any_cache_lives_is_found() -> None:
    stream, comparison = Stream(), Comparison()
    assert comparison.check(stream, lambda tickers: _rest(700), 0.0) == []
    assert comparison.check(stream, lambda tickers: _rest(700), CACHED_SECONDS - 0.1) == []
    assert comparison.check(stream, lambda tickers: _rest(700), CACHED_SECONDS) == ["KXT-1-0"]
    assert comparison.check(Stream(), lambda tickers: _rest(700), 99.0) == [], "another connection, another book"
