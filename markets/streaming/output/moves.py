"""Events whose best prices moved: which of them are evaluated, and how often, and which quotes are repriced."""

from __future__ import annotations

from typing import Final

from kalbot.common import express, messages
from markets.streaming.output.notifier import Notifier
from markets.streaming.state.all_in import is_worth_evaluating
from markets.streaming.state.books import Books
from markets.streaming.watchlist_reader import WatchlistReader

EVALUATE_SECONDS: Final = 0.2
"""Least time between two evaluations of one event."""
FAMILY_SECONDS: Final = 0.5
"""The same of an event that alone does not pay, but is one of a family: whether that pays is seen on the books of all its events only."""


class Moves:
    """What moved and is not written yet. An event that is due leaves with its prices (``kalbot.common.express``); what it is too early
    for, and what no worker waits for, is left to the notifier, once the prices are written: else it would be evaluated on old ones."""

    def __init__(self, books: Books, watchlist: WatchlistReader, notifier: Notifier) -> None:
        self._books = books
        self._watchlist = watchlist
        self._notifier = notifier
        self._moved: set[str] = set()
        self._leaving: list[str] = []

    def leaving(self) -> list[str]:
        """Events that are to be evaluated on the prices that are written now."""
        self._moved |= self._books.moved
        self._leaving = [event for event in self._moved if self._is_due(event)]
        return self._leaving

    def sent(self) -> None:
        """What moved until now is on its way to Redis."""
        self._books.moved.clear()

    def written(self, put: int) -> None:
        """It is there. ``put``: how many of those that were leaving found a place, or ``express.NOBODY``."""
        left = set() if put == express.NOBODY else set(self._leaving)
        for event in left:
            self._notifier.left(messages.EVALUATE_EVENT, event)
        self._notifier.suppressed += len(left) - put if left else 0
        for event in self._moved:
            if event in self._watchlist.quoted:
                self._notifier.notify(messages.REPRICE, event, interval=EVALUATE_SECONDS)
            interval = self._interval(event)
            if interval is not None and event not in left:
                self._notifier.notify(messages.EVALUATE_EVENT, event, interval=interval)
        self._moved.clear()

    def _is_due(self, event: str) -> bool:
        interval = self._interval(event)
        return interval is not None and self._notifier.may_leave(messages.EVALUATE_EVENT, event, interval=interval)

    def _interval(self, event: str) -> float | None:
        """Seconds between two evaluations; None when its baskets are far from paying for themselves, and no family has it."""
        if is_worth_evaluating(self._books.events.get(event, ()), self._watchlist.fee_multipliers.get(event, 0)):
            return EVALUATE_SECONDS
        return FAMILY_SECONDS if event in self._watchlist.in_families else None
