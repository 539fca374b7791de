"""Quoted baskets in a cycle: where taking every leg does not pay, whether legs may rest instead, or the one reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Price
from markets.book import Depth, Side
from markets.fees import FeeError
from markets.terms.states import floor
from strategies.catalogue.universe import EventView
from strategies.cycle import family_quotes, quote_records
from strategies.cycle.evaluation import legs_of, limits_of
from strategies.cycle.quote_verdicts import KIND_OF, band_of, limits_for, loses, offered, refused
from strategies.dutch.basket import Kind
from strategies.models import Profile
from strategies.quoting import offer
from strategies.quoting.offer import Way
from strategies.quoting.refusal import Refused
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Verdict, missed

QUOTED_INSTEAD: Final = frozenset(
    {
        Reason.PRICE,
        Reason.MARGIN,
        Reason.NO_ASK,
        Reason.NO_PRICE,
        Reason.DEPTH,
        Reason.MIN_PROFIT,
        Reason.MIN_MARGIN,
        Reason.FEE_BOUND,
    }
)
"""Refusals of a taken basket that are about its price or depth: a basket that rests may do better. Any other holds for both."""
OF_BETS: Final = frozenset(
    {
        Reason.COVERAGE,
        Reason.EXPECTED_MARGIN,
        Reason.MIN_EXPECTED_MARGIN,
        Reason.MIN_ANNUALISED,
        Reason.MAX_LEGS,
        Reason.MAX_COST,
        Reason.MAX_COST_PER_LEG,
        Reason.MAX_COUNT,
        Reason.SETTLEMENT_STATE,
        Reason.VOID,
    }
)
"""Refusals of a bet on several outcomes that say nothing about baskets of every outcome."""


def instead(
    profile: Profile, event: EventView, books: Mapping[str, Depth], taken: Verdict, capital_left: int
) -> Verdict:
    """``taken``, or what the profile may rest in its place: a candidate with a ``quote``, or the reason why nothing may rest."""
    if profile.quoting == Profile.Quoting.NONE or not _may_rest_instead(taken):
        return taken
    if event.members and not profile.quote_families:
        return taken
    until = None if event.ends_ms is None else event.ends_ms - profile.quote_stop_seconds * 1000
    if until is None or clock.now_ms() >= until:
        limit = f"more than {profile.quote_stop_seconds / 3600:g} h before the event ends"
        return missed(Status.REJECTED, Miss(Reason.QUOTE_ENDS_SOON, _ends(event), limit), Prices.BOOKS, kind=taken.kind)
    if event.members:
        return family_quotes.judge(profile, event, books, capital_left, until) or taken
    best: Verdict | None = None
    for side in _sides(profile):
        found = _judge(profile, event, books, side, capital_left, until)
        if found.status is Status.CANDIDATE:
            return found
        if best is None or _nearer(found, best):
            best = found
    return best or taken


def _may_rest_instead(taken: Verdict) -> bool:
    is_of_a_bet = taken.kind == Kind.COVERAGE.value and taken.constraint in OF_BETS
    return taken.constraint in QUOTED_INSTEAD or is_of_a_bet


def explain(quote: Mapping[str, Any]) -> list[str]:
    """What a decision's ``quote`` says, in lines for a person."""
    if not quote:
        return []
    until = clock.from_ms(quote["until_ms"])
    rests = {
        Way.ONE_LEG: f"{quote['leg']} rests and the others are taken when it fills",
        Way.SEVERAL: "each leg whose price keeps the margin rests and the others are taken when one fills",
        Way.ALL_LEGS: "every leg rests",
    }[Way(quote["way"])]
    orphans = f"${quote['orphans'] / 1_000_000:,.2f}"
    lines = [f"Quoted: {rests}, until {until:%Y-%m-%d %H:%M} UTC. What fills alone costs at most {orphans}."]
    if "margin_ppm" in quote:
        expected = quote["expected"] / 1_000_000
        lines.append(
            f"At least {quote['margin_ppm'] / 10_000:g} % of its cost; expected to bring ${expected:,.2f} as quotes fill."
        )
    return lines


def _ends(event: EventView) -> str:
    return "unknown" if event.ends_ms is None else f"ends {clock.from_ms(event.ends_ms):%H:%M} UTC"


def _sides(profile: Profile) -> Iterator[Side]:
    """The sides that the profile quotes, NO first, as far as it buys their kind of basket."""
    for side in (Side.NO, Side.YES):
        if profile.quote_sides in (side.value, Profile.QuoteSides.BOTH) and KIND_OF[side].value in profile.kinds:
            yield side


def _nearer(one: Verdict, other: Verdict) -> bool:
    return one.distance_ppm is not None and (other.distance_ppm is None or one.distance_ppm < other.distance_ppm)


def _judge(
    profile: Profile, event: EventView, books: Mapping[str, Depth], side: Side, capital_left: int, until: int
) -> Verdict:
    limits = limits_of(profile, event, clock.now_ms(), capital_left)
    band = band_of([(outcome.ticker, side) for outcome in event.outcomes], books, until)
    measured = quote_records.of(profile.mode, event.series, side.value, band)
    margin_ppm = quote_records.margin_ppm(profile, measured, _pays(event, side))
    if margin_ppm is None:
        return missed(Status.REJECTED, loses(event.series, measured), Prices.BOOKS, kind=KIND_OF[side].value)
    allowed = limits_for(profile, limits, margin_ppm)
    kind = KIND_OF[side]
    try:
        legs = legs_of(event, books)
    except FeeError as error:
        return missed(Status.REJECTED, Miss(Reason.FEE_TYPE, str(error), "a fee that is known"), kind=kind.value)
    if limits.max_legs is not None and len(legs) > limits.max_legs:
        miss = Miss(Reason.MAX_LEGS, f"{len(legs)} legs", f"at most {limits.max_legs} orders")
        return missed(Status.REJECTED, miss, Prices.BOOKS, kind=kind.value)
    found = offer.best(legs, event.states, Way(profile.quoting), side, allowed)
    if isinstance(found, Refused):
        return refused(profile, found, kind.value)
    return offered(profile, event, books, found, measured, {"until_ms": until, "margin_ppm": margin_ppm, "band": band})


def _pays(event: EventView, side: Side) -> Price:
    """What a set pays at least, 1/10,000 dollar; a dollar where no certificate says so (then nothing is quoted either)."""
    holdings = [(outcome.ticker, side, Count(CONTRACT)) for outcome in event.outcomes]
    return Price(DOLLAR_PRICE if event.states is None else floor(holdings, event.states) // CONTRACT)
