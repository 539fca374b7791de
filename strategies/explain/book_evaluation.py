"""Events judged on full books without buying anything: what ``evaluate`` prints and ``explain`` tells.

The same filters and the same search as in screening and cycle; the books take the place of the quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kalbot.common.units import Money, format_count, format_decimal, format_money, format_price
from markets.book import Depth
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import evaluate, limits_of, miss_of
from strategies.dutch.basket import Basket, Found, Limits, Refused
from strategies.models import Profile
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.verdict import CANDIDATE, NEAR_MISS, REJECTED, one_close_miss


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The verdict on one event. ``basket``: what would be bought, or what came nearest; ``miss``: the binding constraint."""

    event: EventView
    status: str
    miss: Miss | None = None
    basket: Basket | None = None
    outcome: Found | Refused | None = None
    failed: tuple[Miss, ...] = ()


def appraise(
    event: EventView,
    depths: Mapping[str, Depth],
    profile: Profile,
    now_ms: int,
    *,
    grid: Money | None = None,
    limits: Limits | None = None,
) -> Appraisal:
    """Judge ``event`` on ``depths`` at ``now_ms``. ``limits`` replaces the profile's, ``grid`` the member's fee grid."""
    rules = Rules.of(profile)
    failed = tuple(misses(event, rules, now_ms))
    if failed and not one_close_miss(failed, rules):
        return Appraisal(event, REJECTED, failed[0], failed=failed)
    outcome = evaluate(event, depths, limits or limits_of(profile, event, now_ms), grid)
    if isinstance(outcome, Found):
        if failed:
            return Appraisal(event, NEAR_MISS, failed[0], outcome.basket, outcome, failed)
        return Appraisal(event, CANDIDATE, None, outcome.basket, outcome)
    miss = miss_of(outcome)
    near = _near(miss, profile)
    if failed:
        return Appraisal(event, NEAR_MISS if near else REJECTED, failed[0], outcome.nearest, outcome, failed)
    return Appraisal(event, NEAR_MISS if near else REJECTED, miss, outcome.nearest, outcome)


def _near(miss: Miss, profile: Profile) -> bool:
    return miss.distance_ppm is not None and miss.distance_ppm <= profile.near_miss_ppm


def as_json(appraisal: Appraisal) -> dict[str, Any]:
    """Machine form: money, prices and counts as exact decimal strings of dollars and contracts, ratios as ppm."""
    basket, miss, event = appraisal.basket, appraisal.miss, appraisal.event
    return {
        "event": event.ticker,
        "verdict": appraisal.status,
        "constraint": miss.code if miss else "",
        "value": miss.value if miss else "",
        "limit": miss.limit if miss else "",
        "distance_ppm": miss.distance_ppm if miss else None,
        "flip": miss.flip if miss else "",
        "failed": [m.code for m in appraisal.failed],
        "exclusive": event.exclusive,
        "certified": event.certified,
        "outcomes": len(event.outcomes),
        "basket": None if basket is None else basket_json(basket),
    }


def basket_json(basket: Basket) -> dict[str, Any]:
    """One basket; see ``as_json``."""
    return {
        "kind": basket.kind.value,
        "guaranteed": basket.guaranteed,
        "count": format_count(basket.count),
        "legs": [
            {
                "ticker": leg.ticker,
                "side": leg.side.value,
                "count": format_count(leg.count),
                "limit_price": format_price(leg.limit_price),
                "price_paid": format_money(leg.price_paid),
                "fees": format_money(leg.fees),
            }
            for leg in basket.legs
        ],
        "cost": format_money(basket.cost),
        "fees": format_money(basket.fees),
        "cost_at_limits": format_money(basket.cost_at_limits),
        "floor": format_money(basket.floor),
        "conditional": format_money(basket.conditional),
        "profit": format_money(basket.profit),
        "expected": None if basket.expected is None else format_money(round(basket.expected)),
        "coverage_ppm": None if basket.coverage is None else round(basket.coverage * 1_000_000),
        "margin_ppm": basket.margin_ppm,
    }


def percent(ppm: int | None, places: int = 2) -> str:
    """Millionths as a percentage for the screen, empty for None."""
    return "" if ppm is None else f"{format_decimal(ppm, 4, keep=places)} %"
