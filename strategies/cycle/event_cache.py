"""What a cycle knows about its candidates besides prices, remembered for about a minute in each process.

Remembered facts only ever pick what to evaluate: before a decision is written, ``fresh`` reads the event again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from kalbot.common import clock
from strategies.catalogue import kept_whole, universe, universe_rows
from strategies.catalogue.universe import EventView

KEEP_SECONDS: Final = 60.0
"""On average: each memory lapses between half and one and a half of it, so that they are not all read again at once."""

_known: dict[str, tuple[float, EventView | None]] = {}
"""event -> (when the memory lapses, view)."""


def current(tickers: Iterable[str]) -> dict[str, EventView]:
    """Deep views of the open events among ``tickers``, as remembered or else as the database has them."""
    wanted, at = set(tickers), clock.monotonic()
    for ticker in [t for t, (lapses, _) in list(_known.items()) if at >= lapses]:
        _known.pop(ticker, None)
    kept = {ticker: known for ticker in wanted if (known := _known.get(ticker)) is not None}
    missing = sorted(wanted - kept.keys())
    if missing:
        loaded = kept_whole.few(missing, partial(universe.load, deep=True), universe_rows.go_by_the_clock)
        read = {ticker: (_lapse(), loaded.get(ticker)) for ticker in missing}
        _known.update(read)
        kept |= read  # another thread may let a memory lapse meanwhile
    return {ticker: view for ticker, (_, view) in kept.items() if view is not None}


def keep(views: Mapping[str, EventView]) -> None:
    """Remember what was just read elsewhere."""
    for ticker, view in views.items():
        _known[ticker] = (_lapse(), view)


def fresh(ticker: str) -> EventView | None:
    """The event as the database has it now, or None if it is not open. Replaces what was remembered."""
    view = universe.load([ticker], deep=True).get(ticker)
    _known[ticker] = (_lapse(), view)
    return view


def _lapse() -> float:
    return clock.monotonic() + KEEP_SECONDS * (0.5 + random.random())


def forget() -> None:
    """Empty the memory (between tests, or after a person changed something that must count at once)."""
    _known.clear()
