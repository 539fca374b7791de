"""What the stream has done at once when best prices of an event move: its quotes repriced, and what may pay evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backtest.replay.books import ReplayBooks
from backtest.replay.catalogue import Catalogue
from backtest.replay.clock import SECOND
from kalbot.common import messages
from markets.streaming.output.moves import EVALUATE_SECONDS
from markets.streaming.state.all_in import is_worth_evaluating
from markets.streaming.state.market_state import MarketState
from strategies.models import Verdict

INTERVAL_NS: Final = round(EVALUATE_SECONDS * SECOND)
"""The same message about the same event leaves so seldom; one that comes too soon leaves when it is over."""


class Moves:
    """``schedule(at, task, event)`` says whether the task was not waiting already."""

    def __init__(self, books: ReplayBooks, catalogue: Catalogue, schedule: Callable[[int, str, str], bool]) -> None:
        self._books, self._catalogue, self._schedule = books, catalogue, schedule
        self._last: dict[tuple[str, str], int] = {}
        self.could_pay: set[str] = set()
        """Events whose best prices pay, or nearly: kept up to date with every move."""
        self._far: dict[str, tuple[tuple[MarketState, ...], int]] = {}
        """Events that were found not to pay as they then were: their markets and the fee that was gone by."""
        self.quoted: frozenset[str] = frozenset()
        """Events in which an order of ours rests."""
        self.candidates: set[str] | None = None
        """Events that a profile judges on their books; None: verdicts may have changed, which they do in screenings and cycles only."""

    def follow(self, at: int, evaluates: bool) -> None:
        """See to the events that moved until ``at``. ``evaluates``: what may pay is evaluated as well."""
        books, moved = self._books, self._books.moved
        for event in sorted(moved):
            if event in self.quoted:
                self._notify(at, messages.REPRICE, event)
            markets, multiplier = books.events.get(event, ()), self._catalogue.least_multiplier(event)
            if not is_worth_evaluating(markets, multiplier):
                self.could_pay.discard(event)
                self._far[event] = markets, multiplier
                continue
            self.could_pay.add(event)
            self._far.pop(event, None)
            if evaluates and self._is_candidate(event):
                self._notify(at, messages.EVALUATE_EVENT, event)
        moved.clear()

    def is_far(self, event: str) -> bool:
        """Whether ``follow`` would find nothing to do for ``event`` as long as its best prices have not moved."""
        known = self._far.get(event)
        return (
            known is not None
            and known[0] is self._books.events.get(event)
            and known[1] == self._catalogue.least_multiplier(event)
            and event not in self.quoted
        )

    def _notify(self, at: int, name: str, event: str) -> None:
        due = max(at, self._last.get((name, event), -INTERVAL_NS) + INTERVAL_NS)
        if self._schedule(due, name, event):
            self._last[name, event] = due

    def _is_candidate(self, event: str) -> bool:
        if self.candidates is None:
            rows = Verdict.objects.filter(status=Verdict.Status.CANDIDATE)
            self.candidates = set(rows.values_list("event_id", flat=True))
        return event in self.candidates
