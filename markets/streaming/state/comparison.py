"""A sampled comparison of our books with those of REST, all the time, on a thread of its own.

REST books may be a moment older or newer than ours. So a difference only counts when it lasts: ours is noted before and after the
question, and the REST book must differ from both. Even then a busy book may have been at a third state in between: a
divergence is asked about once more before it is believed, and then the book is doubted, which repairs it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from markets import connect
from markets.book import Depth
from markets.kalshi.errors import KalshiError
from markets.streaming.connection import Connection

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0
SAMPLE: Final = 20


class Comparison:
    """Call it with the connection that lives, or with None. ``compared`` and ``diverged`` go into the figures."""

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
                    connection.figures.diverged += len(lasting)
                    connection.doubtful.extend(lasting)
                    if lasting:
                        log.warning("books differ from REST: %s", ", ".join(lasting[:5]))
            except KalshiError as error:
                log.info("no comparison with REST: %s", error)
            except RuntimeError:
                continue  # the books changed under our hands: another sample will do

    def differing(self, connection: Connection, tickers: list[str], ask: Callable[[list[str]], object]) -> list[str]:
        """Which of these books differ from what REST says. Raises KalshiError."""
        before = {ticker: _depth(connection, ticker) for ticker in tickers}
        answer = ask(tickers) if tickers else {}
        found = []
        for ticker, theirs in answer.items():  # type: ignore[attr-defined]
            ours = (before[ticker], _depth(connection, ticker))
            if None in ours:
                continue
            connection.figures.compared += 1
            if Depth(theirs.yes, theirs.no) not in ours:
                found.append(ticker)
        return found

    def _pick(self, connection: Connection) -> list[str]:
        known = list(connection.books.markets)
        return self._random.sample(known, min(SAMPLE, len(known)))


def _depth(connection: Connection, ticker: str) -> Depth | None:
    state = connection.books.markets.get(ticker)
    return state.book.depth() if state is not None and state.has_book and not state.suspect else None
