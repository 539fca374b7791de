"""One cycle in flight: what was read once for all profiles, and when."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kalbot.common import clock
from kalbot.common.trace import Stage
from markets import exchange_hours
from markets.prices import Ahead, EventPrices, Prices
from strategies.catalogue.universe import EventView
from strategies.cycle import estimates, event_cache
from strategies.cycle.turns import Turns
from strategies.models import Cycle, Profile

FACTS_SECONDS: Final = 0.05
"""So long an event need not be read again for a decision of the cycle that has read it."""


@dataclass(slots=True)
class Run:
    """``ahead``: a reader that may know prices already; ``facts``: views that this cycle itself has read, until ``facts_until``; ``rows``:
    how many verdict rows each profile may write; ``has_learnt``: a profile's hurdle."""

    row: Cycle
    turns: Turns
    reader: Prices
    moments: Mapping[Stage, int]
    ahead: Ahead
    facts: Mapping[str, EventView] = field(default_factory=dict)
    facts_until: float = 0.0
    views: dict[str, EventView] = field(default_factory=dict)
    prices: dict[str, EventPrices] = field(default_factory=dict)
    read_at_ms: int = 0
    rows: int = 0
    hours: exchange_hours.Answer | None = None
    apart: bool = False
    has_learnt: bool = False
    refused: Counter[str] = field(default_factory=Counter)

    def know(self, views: Mapping[str, EventView]) -> None:
        """The database has just said so of these events; their prices are read with the locks."""
        event_cache.keep(views)
        self.facts, self.facts_until = views, clock.monotonic() + FACTS_SECONDS
        self.ahead = Ahead(self.reader, list(views))
        if self.ahead.keys:
            self.turns.prices()

    def read(self, tickers: Sequence[str], profiles: Sequence[Profile]) -> None:
        """Facts and prices of all events at once; every leg's book is of the same instant."""
        views = event_cache.current(tickers)
        began = time.monotonic()
        if not self.ahead.keys:
            self.turns.prices()
        self.views, self.prices = estimates.read(self.ahead, views, profiles)
        self.read_at_ms = clock.now_ms()
        self.row.read_ms = int((time.monotonic() - began) * 1000)

    def view(self, event: str) -> EventView | None:
        """The event as the database has it now; None if it is not open."""
        known = self.facts.get(event) if clock.monotonic() < self.facts_until else None
        return known if known is not None else event_cache.fresh(event)
