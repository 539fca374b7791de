"""Keeps the book subscription of one connection equal to what is wanted, and asks for repairs."""

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
"""A snapshot that was asked for and did not come is asked for again after this time."""
SLOW_DOWN_MS: Final = 1_000


class BookSubscription:
    """The markets whose books one connection carries. Extended and shrunk in place; a lost subscription is made anew."""

    def __init__(self, session: Session) -> None:
        self.markets: set[str] = set()
        self.no_room: set[str] = set()
        """Markets beyond what the exchange allows for one subscription. They have no book until another process takes them
        (setting ``STREAM_SHARDS``) or others are given up."""
        self.repairs = 0
        self._session = session
        self._asked: dict[str, int] = {}
        self._refused: set[str] = set()
        self._not_before = 0

    def adjust(self, wanted: Set[str], now_ms: int) -> None:
        """Send the commands that turn ``markets`` into ``wanted``. Raises Disconnected."""
        if now_ms < self._not_before or wanted == self.markets:
            return
        target = set(wanted) - self._refused
        more, fewer = sorted(target - self.markets - self.no_room), sorted(self.markets - target)
        sid = self._session.sid_of(BOOKS)
        if more:
            if sid is None:
                self._session.subscribe([BOOKS], more, use_yes_price=False, skip_ticker_ack=True)
            else:
                self._session.add_markets(sid, more)
            for ticker in more:
                self._asked[ticker] = now_ms
        if fewer and sid is not None:
            self._session.delete_markets(sid, fewer)
            for ticker in fewer:
                self._asked.pop(ticker, None)
            self.no_room.clear()
        if sid is not None or not fewer:
            self.markets = (self.markets | set(more)) & target

    def repair(self, tickers: Collection[str], now_ms: int) -> None:
        """Ask for snapshots of doubted books, each at most once in a while. Raises Disconnected."""
        sid = self._session.sid_of(BOOKS)
        if sid is None or now_ms < self._not_before:
            return
        due = sorted(
            ticker
            for ticker in tickers
            if ticker in self.markets and now_ms - self._asked.get(ticker, 0) > REPAIR_AGAIN_MS
        )
        if due:
            self._session.get_snapshot(sid, due)
            self.repairs += len(due)
            for ticker in due:
                self._asked[ticker] = now_ms

    def arrived(self, ticker: str) -> None:
        """A snapshot came: the next repair may be asked for at once."""
        self._asked.pop(ticker, None)

    def on_error(self, error: ErrorFrame, now_ms: int) -> None:
        """React to a complaint about the books. Every market of a lost subscription is to be asked for anew."""
        if error.reaction is Reaction.SLOW_DOWN:
            self._not_before = now_ms + SLOW_DOWN_MS
        if error.reaction in (Reaction.RESUBSCRIBE, Reaction.SLOW_DOWN):
            self.markets = set()
            self._asked.clear()
        elif error.reaction is Reaction.SPLIT:
            self._without_room(error)
        elif error.reaction is Reaction.FIX and error.market_tickers:
            log.warning("the exchange refused books of %s: %s", ", ".join(error.market_tickers[:5]), error.message)
            self._refused.update(error.market_tickers)
            self.markets -= self._refused

    def _without_room(self, error: ErrorFrame) -> None:
        command = self._session.pending.get(error.id or 0)
        refused = set(command.params.get("market_tickers", ())) if command is not None else set()
        self.no_room |= refused
        self.markets -= refused
        log.error("no room for the books of %s more markets in one subscription: raise STREAM_SHARDS", len(refused))
