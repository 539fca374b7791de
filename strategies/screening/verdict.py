"""One verdict for one event and one profile: filters first, then the best prices. Pure: no rows, no clock of its own.

candidate   every filter passes and the quoted cost of an allowed kind is within ``watch_margin_ppm`` of leaving the
            profile's margin: its books are worth watching;
near miss   everything else passes and one thing misses by at most ``near_miss_ppm``: the price, or exactly one filter;
rejected    the rest, with the first filter that binds or, when all pass, the nearest kind's constraint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kalbot.common.units import PPM
from strategies.catalogue.universe import EventView
from strategies.models import Kind, Verdict
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.price_screen import DOLLAR, Quoted, quoted

CANDIDATE: Final = Verdict.Status.CANDIDATE.value
NEAR_MISS: Final = Verdict.Status.NEAR_MISS.value
REJECTED: Final = Verdict.Status.REJECTED.value

KINDS: Final = (Kind.ALL_YES.value, Kind.ALL_NO.value, Kind.COVERAGE.value)
MARGIN: Final = "margin"
EXPECTED_MARGIN: Final = "expected_margin"

NEVER_NEAR: Final = frozenset({"closes_soon"})
"""Filters that nothing can lift any more, however closely they were missed: time only runs out."""

QuoteCache = dict[tuple[Any, ...], Quoted | Miss]
"""What the best prices suggest per event and question, shared by the profiles of one screening."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict. ``distance_ppm`` is of the payout for prices, of the limit for filters; for a candidate it may be
    negative (the quotes pay already) and orders the watch list. ``failed``: codes of every filter that was missed."""

    status: str
    constraint: str = ""
    value: str = ""
    limit: str = ""
    distance_ppm: int | None = None
    flip: str = ""
    kind: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def judge(event: EventView, rules: Rules, now_ms: int, cache: QuoteCache | None = None) -> Judgement:
    """The one verdict of ``event`` under ``rules`` at ``now_ms``."""
    missed = misses(event, rules, now_ms)
    failed = tuple(miss.code for miss in missed)
    if missed and not one_close_miss(missed, rules):
        return _verdict(REJECTED, missed[0], failed=failed)
    price, basket = _nearest_price(event, rules, {} if cache is None else cache)
    summary = {} if basket is None else in_summary(basket)
    kind = "" if basket is None else basket.kind
    distance = price.distance_ppm
    close = distance is not None and distance <= max(rules.profile.near_miss_ppm, rules.profile.watch_margin_ppm)
    if missed:
        return _verdict(NEAR_MISS if close else REJECTED, missed[0], kind, summary if close else {}, failed)
    if basket is not None and distance is not None and distance <= rules.profile.watch_margin_ppm:
        return Judgement(CANDIDATE, "", price.value, price.limit, distance, "", kind, summary)
    if _is_near(distance, rules):
        return _verdict(NEAR_MISS, price, kind, summary)
    return _verdict(REJECTED, price, kind)


def one_close_miss(missed: Sequence[Miss], rules: Rules) -> bool:
    """Whether exactly one filter was missed, closely, and is one that may still be passed."""
    return len(missed) == 1 and missed[0].code not in NEVER_NEAR and _is_near(missed[0].distance_ppm, rules)


def _is_near(distance_ppm: int | None, rules: Rules) -> bool:
    return distance_ppm is not None and distance_ppm <= rules.profile.near_miss_ppm


def _verdict(
    status: str, miss: Miss, kind: str = "", summary: dict[str, Any] | None = None, failed: tuple[str, ...] = ()
) -> Judgement:
    return Judgement(
        status, miss.code, miss.value, miss.limit, miss.distance_ppm, miss.flip, kind, summary or {}, failed
    )


def _nearest_price(event: EventView, rules: Rules, cache: QuoteCache) -> tuple[Miss, Quoted | None]:
    """The allowed kind that comes nearest to paying, as the price it misses by; with the basket, if one can be quoted."""
    best: tuple[Miss, Quoted | None] | None = None
    for kind in KINDS:
        if kind not in rules.kinds:
            continue
        found = _quoted(event, kind, rules, cache)
        basket = None if isinstance(found, Miss) else found
        miss = found if isinstance(found, Miss) else price_of(found, rules)
        if best is None or _order(miss, basket) < _order(*best):
            best = miss, basket
    return best or (Miss("kinds", "none", "a kind of basket that the profile may buy"), None)


def _order(miss: Miss, basket: Quoted | None) -> tuple[bool, bool, int]:
    return basket is None, miss.distance_ppm is None, miss.distance_ppm or 0


def _quoted(event: EventView, kind: str, rules: Rules, cache: QuoteCache) -> Quoted | Miss:
    threshold = rules.profile.coverage_threshold_ppm if kind == Kind.COVERAGE else 0
    key = (event.ticker, kind, rules.profile.min_depth, threshold)
    if key not in cache:
        cache[key] = quoted(event, kind, rules.profile)
    return cache[key]


def price_of(basket: Quoted, rules: Rules) -> Miss:
    """By how much the quoted cost misses what the profile asks of the price (distance <= 0: it does not)."""
    distance = basket.missing_ppm(rules.profile.min_margin_ppm)
    amount = distance * basket.pays // PPM
    value = f"${basket.cost / DOLLAR:.4f} for {len(basket.legs)} {basket.legs[0].side.upper()} legs"
    limit = f"pays ${basket.pays / DOLLAR:.4f}"
    flip = f"the {basket.legs[0].side.upper()} asks of its legs must fall by ${amount / DOLLAR:.4f} in all"
    by_price = Miss(MARGIN, value, limit, distance, flip)
    if basket.kind != Kind.COVERAGE:
        return by_price
    asked = rules.profile.min_expected_margin_ppm
    missing = asked - basket.expected_margin_ppm
    if missing <= max(distance, 0):
        return by_price
    return Miss(
        EXPECTED_MARGIN,
        f"{basket.expected_margin_ppm / 10_000:.2f} % expected",
        f"at least {asked / 10_000:.2f} %",
        missing,
        f"its cost must fall by {missing / 10_000:.2f} %, or the market must think its outcomes likelier",
    )


def in_summary(basket: Quoted) -> dict[str, Any]:
    """The arithmetic of one contract of the basket by the best prices, as stored beside the verdict."""
    return {
        "source": "quotes",
        "kind": basket.kind,
        "count": 100,
        "cost": basket.cost,
        "pays": basket.pays,
        "coverage": basket.coverage,
        "legs": [
            {"ticker": leg.ticker, "side": leg.side, "count": 100, "price": leg.price, "cost": leg.cost}
            for leg in basket.legs
        ],
    }
