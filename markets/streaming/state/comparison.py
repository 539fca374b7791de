"""A sampled comparison of our books with those of REST, all the time, on a thread of its own.

REST books may be a moment older or newer than ours. So a difference only counts when it lasts: ours is noted before and after the
request, and the REST book must differ from both. Even then a busy book may have been at a third state in between: a
divergence is checked once more, and only then is the book marked suspect, which repairs it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import Final

from markets import connect
from markets.book import Depth
from markets.kalshi.errors import KalshiError
from markets.kalshi.schemas import Book
from markets.streaming.connection import Connection

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0
SAMPLE: Final = 20


class Comparison:
    """Call it with the connection that lives, or with None. ``compared`` and ``diverged`` go into the metrics."""

    def __init__(self, every: float = EVERY_SECONDS, seed: int | None = None) -> None:
        self._every = every
        self._random = random.Random(seed)
        self._connection: Connection | None = None
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
                suspects = self.differing(connection, self._pick(connection), client.catalogue.orderbooks)
                if suspects and not self._stop.wait(1.0):
                    lasting = self.differing(connection, suspects, client.catalogue.orderbooks)
                    connection.metrics.diverged += len(lasting)
                    connection.divergent.extend(lasting)
                    if lasting:
                        log.warning("books marked suspect: they differ from REST: %s", ", ".join(lasting[:5]))
            except KalshiError as error:
                log.info("books not compared with REST: %s", error)
            except RuntimeError:
                continue  # the books changed during iteration: another sample will do

    def differing(
        self, connection: Connection, tickers: list[str], fetch: Callable[[list[str]], Mapping[str, Book]]
    ) -> list[str]:
        """Which of these books differ from what REST says. Raises KalshiError."""
        before = {ticker: _depth(connection, ticker) for ticker in tickers}
        found = []
        for ticker, theirs in (fetch(tickers) if tickers else {}).items():
            ours = (before[ticker], _depth(connection, ticker))
            if None in ours:
                continue
            connection.metrics.compared += 1
            if Depth(theirs.yes, theirs.no) not in ours:
                found.append(ticker)
        return found

    def _pick(self, connection: Connection) -> list[str]:
        known = list(connection.books.markets)
        return self._random.sample(known, min(SAMPLE, len(known)))


def _depth(connection: Connection, ticker: str) -> Depth | None:
    state = connection.books.markets.get(ticker)
    return state.book.depth() if state is not None and state.has_book and not state.suspect else None
