"""One cycle in flight: what was read once for all profiles, and when."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kalbot.common import clock
from kalbot.common.trace import Stage
from markets import exchange_hours
from markets.prices import Ahead, EventPrices, Prices
from strategies.catalogue.universe import EventView
from strategies.cycle import candidates, estimates, event_cache
from strategies.cycle.candidates import Exposure
from strategies.cycle.turns import Turns
from strategies.models import Cycle, Profile

AS_GOOD_AS_NOW: Final = 0.02
"""Seconds for which what a cycle has read itself (facts, prices, what a profile has open) need not be read again for its decision.
Trading reads all of it again before it sends anything."""


@dataclass(slots=True)
class Run:
    """``ahead``: a reader that may know prices already; ``facts`` and ``exposed``: what this cycle itself has read, which is as good as now
    until ``good_until``; ``rows``: how many verdict rows each profile may write; ``has_learnt``: a profile's hurdle."""

    row: Cycle
    turns: Turns
    reader: Prices
    moments: Mapping[Stage, int]
    ahead: Ahead
    facts: Mapping[str, EventView] = field(default_factory=dict)
    exposed: Mapping[int, list[Any]] = field(default_factory=dict)
    good_until: float = 0.0
    views: dict[str, EventView] = field(default_factory=dict)
    prices: dict[str, EventPrices] = field(default_factory=dict)
    read_at_ms: int = 0
    rows: int = 0
    hours: exchange_hours.Answer | None = None
    apart: bool = False
    has_learnt: bool = False
    refused: Counter[str] = field(default_factory=Counter)

    def know(self, views: Mapping[str, EventView], exposed: Mapping[int, list[Any]]) -> None:
        """The database has just said so of these events and of what profiles have open; prices are read with the locks."""
        event_cache.keep(views)
        self.facts, self.exposed, self.good_until = views, exposed, clock.monotonic() + AS_GOOD_AS_NOW
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
        known = self.facts.get(event) if self._is_good() else None
        return known if known is not None else event_cache.fresh(event)

    def again(self, view: EventView, profile: Profile) -> tuple[EventView, EventPrices]:
        """The event, with the estimate of its family, and its prices as they are now."""
        if self.ahead.keys and self._is_good() and self.views.get(view.ticker) is view:
            return view, self.prices[view.ticker]
        return estimates.read_one(self.reader, view, profile)

    def exposure(self, profile: Profile) -> Exposure:
        """What a profile has open."""
        read = self.exposed.get(profile.pk) if self._is_good() else None
        return candidates.exposure(profile, clock.now(), apart=self.apart, read=read)

    def _is_good(self) -> bool:
        return clock.monotonic() < self.good_until
