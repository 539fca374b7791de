"""Keeps the book subscription of one connection equal to what is wanted, and requests repairs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Set
from typing import Final

from markets.kalshi.ws.error_codes import Reaction
from markets.kalshi.ws.frames import ErrorFrame
from markets.kalshi.ws.session import Session

log = logging.getLogger(__name__)

BOOKS: Final = "orderbook_delta"
REPAIR_AGAIN_MS: Final = 3_000
"""A snapshot that was requested and did not come is requested again after this time."""
SLOW_DOWN_MS: Final = 1_000


class BookSubscription:
    """The markets whose books one connection carries. Extended and shrunk in place; a lost subscription is made again."""

    def __init__(self, session: Session) -> None:
        self.markets: set[str] = set()
        self.over_limit: set[str] = set()
        """Markets beyond what the exchange allows for one subscription. They have no book until another process takes them
        (setting ``STREAM_PARTITIONS``) or others are removed."""
        self.repairs = 0
        self._session = session
        self._requested_ms: dict[str, int] = {}
        self._refused: set[str] = set()
        self._not_before = 0

    def adjust(self, wanted: Set[str], now_ms: int) -> None:
        """Send the commands that turn ``markets`` into ``wanted``. Raises Disconnected."""
        target = set(wanted) - self._refused
        if now_ms < self._not_before or target == self.markets:
            return
        more, fewer = sorted(target - self.markets - self.over_limit), sorted(self.markets - target)
        sid = self._session.sid_of(BOOKS)
        if more:
            if sid is None:
                self._session.subscribe([BOOKS], more, use_yes_price=False, skip_ticker_ack=True)
            else:
                self._session.add_markets(sid, more)
            for ticker in more:
                self._requested_ms[ticker] = now_ms
        if fewer and sid is not None:
            self._session.delete_markets(sid, fewer)
            for ticker in fewer:
                self._requested_ms.pop(ticker, None)
            self.over_limit.clear()
        if sid is not None or not fewer:
            self.markets = (self.markets | set(more)) & target

    def repair(self, tickers: Collection[str], now_ms: int) -> None:
        """Request snapshots of suspect books, each at most every ``REPAIR_AGAIN_MS``. Raises Disconnected."""
        sid = self._session.sid_of(BOOKS)
        if sid is None or now_ms < self._not_before:
            return
        due = sorted(
            ticker
            for ticker in tickers
            if ticker in self.markets and now_ms - self._requested_ms.get(ticker, 0) > REPAIR_AGAIN_MS
        )
        if due:
            self._session.get_snapshot(sid, due)
            self.repairs += len(due)
            for ticker in due:
                self._requested_ms[ticker] = now_ms

    def arrived(self, ticker: str) -> None:
        """A snapshot came: the next repair may be requested at once."""
        self._requested_ms.pop(ticker, None)

    def renew(self) -> None:
        """Give the subscription up and make a new one with the next ``adjust``. Raises Disconnected."""
        sid = self._session.sid_of(BOOKS)
        if sid is not None:
            self._session.unsubscribe([sid])
            self.lost()

    def lost(self) -> None:
        """The subscription is gone; the next ``adjust`` subscribes to every market again."""
        self.markets = set()
        self._requested_ms.clear()

    def drop(self, ticker: str) -> None:
        """Never ask for this market's book again on this connection. Raises Disconnected."""
        self._refused.add(ticker)
        sid = self._session.sid_of(BOOKS)
        if ticker in self.markets and sid is not None:
            self._session.delete_markets(sid, [ticker])
        self.markets.discard(ticker)

    def on_error(self, error: ErrorFrame, now_ms: int) -> None:
        """React to an error about the books. Every market of a lost subscription is subscribed to again."""
        if error.reaction is Reaction.SLOW_DOWN:
            self._not_before = now_ms + SLOW_DOWN_MS
        if error.reaction in (Reaction.RESUBSCRIBE, Reaction.SLOW_DOWN):
            self.lost()
        elif error.reaction is Reaction.SPLIT:
            self._set_aside(error)
        elif error.reaction is Reaction.FIX and error.market_tickers:
            log.warning(
                "exchange rejected the subscription to books of %s: %s",
                ", ".join(error.market_tickers[:5]),
                error.message,
            )
            self._refused.update(error.market_tickers)
            self.markets -= self._refused

    def _set_aside(self, error: ErrorFrame) -> None:
        command = self._session.pending.get(error.id or 0)
        refused = set(command.params.get("market_tickers", ())) if command is not None else set()
        self.over_limit |= refused
        self.markets -= refused
        log.error("subscription limit reached: no books of %s markets; raise STREAM_PARTITIONS", len(refused))
