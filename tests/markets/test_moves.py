"""Which events that moved leave with their prices, and which are left to the notifier."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kalbot.common import express, messages
from markets.streaming.output import moves
from markets.streaming.output.moves import Moves
from markets.streaming.output.notifier import Notifier

EVALUATE = messages.EVALUATE_EVENT


class _Stream:
    """Books that move when a test says so, and a notifier whose thread does not run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(moves, "is_worth_evaluating", lambda markets, multiplier: bool(markets))
        books: Any = SimpleNamespace(events={"PAYS": [1], "FAR": (), "FAMILY": ()}, moved=set())
        watchlist: Any = SimpleNamespace(fee_multipliers={}, in_families={"FAMILY"}, quoted={"FAR"})
        self.books = books
        self.notifier = Notifier(send=lambda *message: None)
        self.moves = Moves(books, watchlist, self.notifier)

    def write(self, *events: str) -> list[str]:
        self.books.moved |= set(events)
        leaving = self.moves.leaving()
        self.moves.sent()
        return sorted(leaving)

    @property
    def waiting(self) -> list[tuple[str, str]]:
        return sorted((name, args[0]) for name, args in self.notifier._pending)


def test_an_event_leaves_with_its_prices_and_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream(monkeypatch)
    assert stream.write("PAYS", "FAR", "FAMILY") == ["FAMILY", "PAYS"]
    stream.moves.written(2)
    assert stream.waiting == [(messages.REPRICE, "FAR")]
    assert (stream.notifier.sent, stream.notifier.suppressed) == (2, 0)
    assert stream.write("PAYS") == []
    assert stream.waiting == [(messages.REPRICE, "FAR")], "its prices are not written yet"
    stream.moves.written(0)
    assert stream.waiting == [(EVALUATE, "PAYS"), (messages.REPRICE, "FAR")]
    assert stream.write("PAYS") == [], "it waits already"
    monkeypatch.setattr(moves, "EVALUATE_SECONDS", 0.0)
    stream.notifier._pending.clear()
    assert stream.write("PAYS") == ["PAYS"]


def test_where_no_worker_waits_the_notifier_sends_and_where_many_events_wait_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = _Stream(monkeypatch)
    assert stream.write("PAYS") == ["PAYS"]
    stream.moves.written(express.NOBODY)
    assert (stream.waiting, stream.notifier.sent) == ([(EVALUATE, "PAYS")], 0)
    stream.notifier._pending.clear()
    assert stream.write("PAYS", "FAMILY") == ["FAMILY", "PAYS"]
    stream.moves.written(1)
    assert (stream.waiting, stream.notifier.suppressed) == ([], 1)


def test_what_was_not_written_leaves_with_the_next_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream(monkeypatch)
    assert stream.write("PAYS") == ["PAYS"]
    assert stream.write("FAMILY") == ["FAMILY", "PAYS"], "the answer to the first never came"
