"""Quoted baskets in a cycle: where taking every leg does not pay, whether legs may rest instead, or the one reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Money, Price
from markets import incentives, traded
from markets.book import Depth, Side
from markets.fees import FeeError
from markets.terms.grades import Grade
from markets.terms.states import floor
from strategies.catalogue.universe import EventView
from strategies.cycle import quote_records
from strategies.cycle.evaluation import basket_grade, basket_summary, legs_of, limits_of
from strategies.dutch.basket import Basket, Kind
from strategies.dutch.payoff import conditional_of, floor_of, payoff
from strategies.models import Profile
from strategies.quoting import expectation, offer
from strategies.quoting.expectation import Bid, Measured
from strategies.quoting.offer import Offer, QuoteLimits, Way
from strategies.quoting.refusal import NoQuote, Refused
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Verdict, is_near, missed, near_or_rejected

PPM_OF_PRICE: Final = 100
"""Millionths of a dollar in 1/10,000 dollar."""
KIND_OF: Final = {Side.NO: Kind.ALL_NO, Side.YES: Kind.ALL_YES}
REASON_OF: Final = {
    NoQuote.STATES: Reason.CERTIFICATE,
    NoQuote.NO_HEDGE: Reason.QUOTE_NO_HEDGE,
    NoQuote.HEDGE_DEPTH: Reason.QUOTE_DEPTH,
    NoQuote.MARGIN: Reason.QUOTE_MARGIN,
    NoQuote.GRID: Reason.QUOTE_GRID,
    NoQuote.BEHIND: Reason.QUOTE_BEHIND,
    NoQuote.NO_TOUCH: Reason.QUOTE_NO_TOUCH,
    NoQuote.PAIR: Reason.QUOTE_PAIR,
    NoQuote.ORPHANS: Reason.QUOTE_ORPHANS,
    NoQuote.COST: Reason.QUOTE_COST,
}
"""The verdict's reason of each refusal."""
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
    if profile.quoting == Profile.Quoting.NONE or event.members or not _may_rest_instead(taken):
        return taken  # across events nothing rests: what a quote relies on is one event's exclusivity
    until = None if event.ends_ms is None else event.ends_ms - profile.quote_stop_seconds * 1000
    if until is None or clock.now_ms() >= until:
        limit = f"more than {profile.quote_stop_seconds / 3600:g} h before the event ends"
        return missed(Status.REJECTED, Miss(Reason.QUOTE_ENDS_SOON, _ends(event), limit), Prices.BOOKS, kind=taken.kind)
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
    band = _band(event, books, side, until)
    measured = quote_records.of(profile.mode, event.series, side.value, band)
    margin_ppm = quote_records.margin_ppm(profile, measured, _pays(event, side))
    if margin_ppm is None:
        return missed(Status.REJECTED, _loses(event, measured), Prices.BOOKS, kind=KIND_OF[side].value)
    allowed = QuoteLimits(
        Count(profile.quote_count),
        Count(max(1, profile.count_step)),
        margin_ppm,
        limits.max_cost or Money(0),
        limits.max_cost_per_leg or Money(0),
        Money(profile.orphan_budget),
    )
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
        miss = _miss(found)
        status = near_or_rejected(is_near(miss.distance_ppm, profile))
        return missed(status, miss, Prices.BOOKS, kind=kind.value)
    seconds = (until - clock.now_ms()) / 1000
    expected = _expected(found, measured, _share(found, books, seconds))
    paid = sum(one.bound(found.count, until) for one in incentives.of(found.rests)) if profile.count_incentives else 0
    found_in: dict[str, int | str] = {"margin_ppm": margin_ppm, "expected": expected + paid, "band": band}
    return _graded(event, found, Grade(profile.least_grade), until, found_in)


def _band(event: EventView, books: Mapping[str, Depth], side: Side, until: int) -> str:
    """The quote's band by the books of now; a leg without one of its prices counts as a dollar wide."""
    depths = [books.get(outcome.ticker) for outcome in event.outcomes]
    prices = [(None, None) if one is None else (one.best_bid(side), one.best_ask(side)) for one in depths]
    spreads = [DOLLAR_PRICE if bid is None or ask is None else ask - bid for bid, ask in prices]
    return expectation.band_of(spreads, (until - clock.now_ms()) / 1000)


def _pays(event: EventView, side: Side) -> Price:
    """What a set pays at least, 1/10,000 dollar; a dollar where no certificate says so (then nothing is quoted either)."""
    holdings = [(outcome.ticker, side, Count(CONTRACT)) for outcome in event.outcomes]
    return Price(DOLLAR_PRICE if event.states is None else floor(holdings, event.states) // CONTRACT)


def _expected(found: Offer, measured: Measured | None, share: float) -> int:
    """What the offer brings on average, as quotes of its series have, micro-dollars."""
    each = (found.pays - found.cost) * CONTRACT // found.count
    return expectation.expected(each, measured, settings.KALBOT_TOKEN_COST, share) * found.count // CONTRACT


def _share(found: Offer, books: Mapping[str, Depth], seconds: float) -> float:
    """How much of the offer the trades of the last minutes would fill until its time is over; 1 where nobody has counted them."""
    rates = traded.rates([(ticker, found.side) for ticker in found.rests])
    if rates is None:
        return 1.0
    bids = [
        Bid(found.count, dict(books[ticker].bids(found.side)).get(price, 0), rates[ticker, found.side])
        for ticker, price in found.rests.items()
    ]
    return expectation.share(bids, seconds, all_must_fill=not found.way.takes)


def _loses(event: EventView, measured: Measured | None) -> Miss:
    loss = 0 if measured is None else measured.loss
    value = f"{event.series}: a fill was worth ${loss / 1_000_000:.4f} a contract less after a minute"
    return Miss(Reason.QUOTE_LOSES, value, "a margin that carries what fills of the series lose")


def _miss(refused: Refused) -> Miss:
    distance = refused.distance * PPM_OF_PRICE if refused.distance else None
    value = refused.ticker or "all legs"
    by = f"${refused.distance / 10_000:.4f} a contract" if refused.distance else "a quote that may rest"
    return Miss(REASON_OF[refused.reason], value, by, distance, refused.sentence)


def _graded(event: EventView, found: Offer, least: Grade, until: int, found_in: Mapping[str, int | str]) -> Verdict:
    """The verdict of an offer: a candidate if its payoff is as sure as the profile asks for."""
    basket = basket_of(event, found)
    summary = basket_summary(basket)
    grade = basket_grade(event, basket)
    if not grade.meets(least):
        miss = Miss(Reason.GRADE, grade.label, least.label)
        return missed(Status.REJECTED, miss, Prices.BOOKS, kind=basket.kind.value, summary=summary, basket=basket)
    quote = {"way": found.way.value, "leg": found.leg, "until_ms": until, "orphans": int(found.orphans), **found_in}
    verdict = Verdict(Status.CANDIDATE, Prices.BOOKS, kind=basket.kind.value, summary=summary, basket=basket)
    return replace(verdict, quote=quote)


def basket_of(event: EventView, found: Offer) -> Basket:
    """The basket that is held when everything of ``found`` fills. Its fees are the most that they can be, so it has no fee bound."""
    if event.states is None:
        raise ValueError(f"{event.ticker} has no certificate, so nothing of it is quoted")
    vector = payoff([(leg.ticker, leg.side, leg.count) for leg in found.legs], event.states)
    return Basket(
        kind=KIND_OF[found.side],
        event_ticker=event.ticker,
        legs=found.legs,
        count=found.count,
        cost=found.cost,
        fees=Money(sum(leg.fees for leg in found.legs)),
        cost_at_limits=found.most_cost,
        payoff=vector,
        floor=floor_of(vector),
        conditional=conditional_of(vector, [outcome.ticker for outcome in event.outcomes]),
        expected=None,
        coverage=None,
        days_to_settlement=event.settles_in_days(clock.now_ms()),
    )
