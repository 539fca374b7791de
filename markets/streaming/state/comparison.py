"""A sampled comparison of our books with those of REST, all the time, on a thread of its own.

REST answers may come from a cache and be many seconds old, so a difference only counts when it outlasts every cache: our own book
has not changed for that long, and REST still says something else. Then it is marked suspect, which repairs it. A book that moves is
no evidence in either direction; its gaps show in the sequence.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from markets import connect
from markets.book import Depth
from markets.kalshi.errors import KalshiError
from markets.kalshi.schemas import Book
from markets.streaming.connection import Connection
from markets.streaming.output.metrics import Metrics
from markets.streaming.state.books import Books

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0
SAMPLE: Final = 20
CACHED_SECONDS: Final = 20.0
"""REST answers up to 15 s old have been seen."""
Version = tuple[Depth, int, int]
"""A book with the numbers of its last change."""


class Compared(Protocol):
    """What a comparison reads of a connection."""

    books: Books
    metrics: Metrics


class Comparison:
    """Call it with the connection that lives, or with None. ``compared`` and ``diverged`` go into the metrics."""

    def __init__(self, every: float = EVERY_SECONDS, seed: int | None = None) -> None:
        self._every = every
        self._random = random.Random(seed)
        self._connection: Connection | None = None
        self._compared: Compared | None = None
        self._differed: dict[str, tuple[Version, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="comparison", daemon=True)

    def __call__(self, connection: Connection | None) -> None:
        self._connection = connection

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        client = connect.client()
        while not self._stop.wait(self._every):
            connection = self._connection
            if connection is None:
                continue
            try:
                lasting = self.check(connection, client.catalogue.orderbooks)
                connection.metrics.diverged += len(lasting)
                connection.divergent.extend(lasting)
                if lasting:
                    log.warning("books marked suspect: they differ from REST: %s", ", ".join(lasting[:5]))
            except KalshiError as error:
                log.info("books not compared with REST: %s", error)
            except RuntimeError:
                continue  # the books changed during iteration: another sample will do

    def check(
        self, connection: Compared, fetch: Callable[[list[str]], Mapping[str, Book]], now: float | None = None
    ) -> list[str]:
        """Compare a sample and what differed before. Returns the books that have differed, unchanged, for longer than any cache lives.
        ``now``: monotonic seconds. Raises KalshiError."""
        if connection is not self._compared:
            self._compared, self._differed = connection, {}
        now = time.monotonic() if now is None else now
        tickers = list(dict.fromkeys([*self._differed, *self._pick(connection)]))
        lasting = []
        found = self.differing(connection, tickers, fetch)
        for ticker in tickers:
            version = found.get(ticker)
            known = self._differed.get(ticker)
            if version is None:
                self._differed.pop(ticker, None)
            elif known is None or known[0] != version:
                self._differed[ticker] = version, now
            elif now - known[1] >= CACHED_SECONDS:
                lasting.append(ticker)
                del self._differed[ticker]
        return lasting

    def differing(
        self, connection: Compared, tickers: list[str], fetch: Callable[[list[str]], Mapping[str, Book]]
    ) -> dict[str, Version]:
        """Which of these books differ from what REST says, and did not change during the request. Raises KalshiError."""
        before = {ticker: _version(connection, ticker) for ticker in tickers}
        found = {}
        for ticker, theirs in (fetch(tickers) if tickers else {}).items():
            ours = _version(connection, ticker)
            if ours is None or before[ticker] != ours:
                continue
            connection.metrics.compared += 1
            if Depth(theirs.yes, theirs.no) != ours[0]:
                found[ticker] = ours
        return found

    def _pick(self, connection: Compared) -> list[str]:
        known = list(connection.books.markets)
        return self._random.sample(known, min(SAMPLE, len(known)))


def _version(connection: Compared, ticker: str) -> Version | None:
    state = connection.books.markets.get(ticker)
    if state is None or not state.has_book or state.suspect:
        return None
    return state.book.depth(), state.seq, state.clock
