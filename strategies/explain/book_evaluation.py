"""Events judged on full books without buying anything: what ``manage.py evaluate`` prints.

The same filters and the same search as in screening and cycle; the books take the place of the quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kalbot.common.units import Money, format_count, format_decimal, format_money, format_price
from markets.book import Depth
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import basket_grade, evaluate, limits_of, verdict_of
from strategies.dutch.basket import Basket, Limits, Refused
from strategies.models import Profile
from strategies.screening.filters import Rules, misses
from strategies.screening.verdict import Prices, Status, Verdict, missed, one_near_filter


def judge_on_books(
    event: EventView,
    depths: Mapping[str, Depth],
    profile: Profile,
    now_ms: int,
    *,
    grid: Money | None = None,
    limits: Limits | None = None,
) -> Verdict:
    """Judge ``event`` on ``depths`` at ``now_ms``. ``limits`` replaces the profile's, ``grid`` the member's fee grid."""
    failed = misses(event, Rules.of(profile), now_ms)
    codes = tuple(miss.code for miss in failed)
    if failed and not one_near_filter(failed, profile):
        return missed(Status.REJECTED, failed[0], failed=codes)
    found = evaluate(event, depths, limits or limits_of(profile, event, now_ms), grid)
    verdict = verdict_of(found, profile)
    if isinstance(found, Refused):
        verdict = replace(verdict, basket=found.nearest)
    if not failed:
        return verdict
    status = Status.NEAR_MISS if verdict.status is Status.CANDIDATE else verdict.status
    by_filter = missed(status, failed[0], Prices.BOOKS, failed=codes)
    return replace(by_filter, kind=verdict.kind, summary=verdict.summary, basket=verdict.basket)


def as_json(event: EventView, verdict: Verdict) -> dict[str, Any]:
    """Machine form: money, prices and counts as exact decimal strings of dollars and contracts, ratios as ppm."""
    basket = verdict.basket
    return {
        "event": event.ticker,
        "verdict": verdict.status.value,
        "constraint": "" if verdict.constraint is None else verdict.constraint.value,
        "value": verdict.value,
        "limit": verdict.limit,
        "distance_ppm": verdict.distance_ppm,
        "flip": verdict.flip,
        "failed": [reason.value for reason in verdict.failed],
        "exclusive": event.exclusive,
        "certified": event.certified,
        "outcomes": len(event.outcomes),
        "basket": None if basket is None else basket_json(basket) | {"grade": basket_grade(event, basket).label},
    }


def basket_json(basket: Basket) -> dict[str, Any]:
    """One basket; see ``as_json``."""
    return {
        "kind": basket.kind.value,
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
