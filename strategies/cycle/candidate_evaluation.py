"""One look of a cycle at one candidate on live prices, and what is written about it.

A look ends in a basket that could be bought now, or in the one constraint that stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from kalbot.common import bulk
from markets.book import Depth
from markets.prices import EventPrices
from strategies.catalogue.universe import EventView
from strategies.cycle.candidates import Candidate
from strategies.cycle.evaluation import basket_summary, evaluate, limits_of, miss_of
from strategies.dutch.basket import Basket, Found, Refused
from strategies.models import Profile, Verdict
from strategies.screening.filters import Miss

DECIDED: Final = "decided"
REWRITE: Final = timedelta(seconds=10)
"""A look that differs only in its numbers is written at most this often."""

PRICE_REFUSALS: Final = frozenset({"price", "no_ask", "no_price", "coverage", "crossed_book", "not_certified", "void"})
"""Constraints that hang on nothing but the event and its books: the same books give the same answer again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. ``basket`` is set when everything passes; ``miss`` otherwise. ``evaluated``: the books were judged;
    ``recalled``: by an earlier cycle, whose answer still holds."""

    miss: Miss | None = None
    basket: Basket | None = None
    kind: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    evaluated: bool = False
    recalled: bool = False

    def is_near(self, profile: Profile) -> bool:
        """Whether it missed by no more than the profile calls near."""
        distance = None if self.miss is None or not self.evaluated else self.miss.distance_ppm
        return distance is not None and distance <= profile.near_miss_ppm

    @property
    def constraint(self) -> str:
        """The binding constraint, or "decided"."""
        return DECIDED if self.miss is None else self.miss.code


def unusable(event: EventView, prices: EventPrices | None, max_age_ms: int, now_ms: int) -> Miss | None:
    """Why these prices must not be traded on, or None. A side without a level is no reason here: the search knows it."""
    if prices is None:
        return Miss("no_book", "not watched", "a live book on every leg")
    for outcome in event.outcomes:
        reason = prices.usable([outcome.ticker], max_age_ms, now_ms)
        if reason == "stale":
            return Miss("stale", f"{prices.age_ms(now_ms)} ms old", f"at most {max_age_ms} ms")
        if reason is not None and reason != "no_side":
            return Miss(reason, outcome.ticker, "a live, gap-free book on every leg")
    extra = prices.markets.keys() - {outcome.ticker for outcome in event.outcomes}
    if extra:
        return Miss("outcomes_changed", sorted(extra)[0], "the outcomes of the last scan")
    return None


def look_at(profile: Profile, event: EventView, books: Mapping[str, Depth], now_ms: int, room: int) -> Look:
    """Judge ``event`` on its live books. ``room``: what is left of the profile's capital, micro-dollars."""
    found = evaluate(event, books, limits_of(profile, event, now_ms, room))
    if isinstance(found, Found):
        basket = found.basket
        return Look(None, basket, basket.kind.value, basket_summary(basket), evaluated=True)
    return Look(miss_of(found), None, _kind(found), _summary(found), evaluated=True)


def depths_of(prices: EventPrices) -> dict[str, Depth]:
    """market ticker -> book, for the markets that have one."""
    return {ticker: market.depth for ticker, market in prices.markets.items() if market.depth is not None}


def _kind(refused: Refused) -> str:
    return refused.kind.value if refused.kind is not None else ""


def _summary(refused: Refused) -> dict[str, Any]:
    return {} if refused.nearest is None else basket_summary(refused.nearest)


_LIVE: Final = ("live_at", "live_constraint", "live_value", "live_limit", "live_distance_ppm", "live_flip")


def record(seen: Iterable[tuple[Candidate, Look]], at: datetime) -> int:
    """Write the looks that say something new into their verdicts' ``live_*`` columns. Returns how many rows."""
    rows = []
    for candidate, look in seen:
        miss = look.miss or Miss(DECIDED, "", "")
        same = candidate.live_constraint == miss.code[:40]
        recent = candidate.live_at is not None and at - candidate.live_at < REWRITE
        if same and (recent or candidate.live_value == miss.value[:60]):
            continue
        values = (at, miss.code[:40], miss.value[:60], miss.limit[:60], miss.distance_ppm, miss.flip[:300])
        rows.append((candidate.verdict_id, values))
    bulk.update_rows(Verdict, _LIVE, rows)
    return len(rows)
