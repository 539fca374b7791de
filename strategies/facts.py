"""What a cycle knows about its candidates besides prices, remembered for a few seconds in each process.

Remembered facts only ever pick whom to look at: before a decision is written, ``fresh`` reads the event again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from strategies import universe
from strategies.universe import EventView

KEEP_SECONDS: Final = 20.0

_known: dict[str, tuple[float, EventView | None]] = {}


def current(tickers: Iterable[str]) -> dict[str, EventView]:
    """Deep views of the open events among ``tickers``, at most ``KEEP_SECONDS`` old."""
    wanted, at = set(tickers), time.monotonic()
    for ticker in [t for t, (read, _) in _known.items() if at - read > KEEP_SECONDS]:
        del _known[ticker]
    missing = sorted(wanted - _known.keys())
    if missing:
        loaded = universe.load(missing, deep=True)
        _known.update((ticker, (at, loaded.get(ticker))) for ticker in missing)
    return {ticker: view for ticker in wanted if (view := _known[ticker][1]) is not None}


def fresh(ticker: str) -> EventView | None:
    """The event as the database has it now, or None if it is not open. Replaces what was remembered."""
    view = universe.load([ticker], deep=True).get(ticker)
    _known[ticker] = (time.monotonic(), view)
    return view


def forget() -> None:
    """Empty the memory (between tests, or after a person changed something that must count at once)."""
    _known.clear()
