"""What a quote is to a verdict: its basket, its grade, what it is expected to bring, and each refusal in the verdict's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Money
from markets import incentives, traded
from markets.book import Depth, Side
from markets.terms.grades import Grade
from markets.terms.states import StateList
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import basket_grade, basket_summary
from strategies.dutch.basket import Basket, Kind, Limits
from strategies.dutch.payoff import conditional_of, floor_of, payoff
from strategies.models import Profile
from strategies.quoting import expectation
from strategies.quoting.expectation import Bid, Measured
from strategies.quoting.offer import Offer, QuoteLimits
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


def expected_of(found: Offer, measured: Measured | None, share: float) -> int:
    """What the offer brings on average, as quotes of its series have, micro-dollars."""
    each = (found.pays - found.cost) * CONTRACT // found.count
    return expectation.expected(each, measured, settings.KALBOT_TOKEN_COST, share) * found.count // CONTRACT


def share_of(found: Offer, books: Mapping[str, Depth], seconds: float) -> float:
    """How much of the offer the trades of the last minutes would fill until its time is over; 1 where nobody has counted them."""
    rates = traded.rates([(ticker, found.side) for ticker in found.rests])
    if rates is None:
        return 1.0
    bids = [
        Bid(found.count, dict(books[ticker].bids(found.side)).get(price, 0), rates[ticker, found.side])
        for ticker, price in found.rests.items()
    ]
    return expectation.share(bids, seconds, all_must_fill=not found.way.takes)


def loses(series: str, measured: Measured | None) -> Miss:
    """Why a series is not quoted: what its fills have lost."""
    loss = 0 if measured is None else measured.loss
    value = f"{series}: a fill was worth ${loss / 1_000_000:.4f} a contract less after a minute"
    return Miss(Reason.QUOTE_LOSES, value, "a margin that carries what fills of the series lose")


def missed_by(refused: Refused) -> Miss:
    """A refusal in the verdict's words."""
    distance = refused.distance * PPM_OF_PRICE if refused.distance else None
    value = refused.ticker or "all legs"
    by = f"${refused.distance / 10_000:.4f} a contract" if refused.distance else "a quote that may rest"
    return Miss(REASON_OF[refused.reason], value, by, distance, refused.sentence)


def refused(profile: Profile, found: Refused, kind: str) -> Verdict:
    """The verdict of an event of which nothing may rest now."""
    miss = missed_by(found)
    return missed(near_or_rejected(is_near(miss.distance_ppm, profile)), miss, Prices.BOOKS, kind=kind)


def offered(
    profile: Profile,
    event: EventView,
    books: Mapping[str, Depth],
    found: Offer,
    measured: Measured | None,
    said: Mapping[str, int | str],
) -> Verdict:
    """The verdict of an offer: a candidate if its payoff is as sure as the profile asks for. ``said``: of its ``Decision.quote``, until
    when it rests, its margin and its band."""
    until = int(said["until_ms"])
    expected = expected_of(found, measured, share_of(found, books, (until - clock.now_ms()) / 1000))
    paid = sum(one.bound(found.count, until) for one in incentives.of(found.rests)) if profile.count_incentives else 0
    basket = basket_of(event, found)
    summary, kind = basket_summary(basket), basket.kind.value
    grade, least = basket_grade(event, basket), Grade(profile.least_grade)
    if not grade.meets(least):
        miss = Miss(Reason.GRADE, grade.label, least.label)
        return missed(Status.REJECTED, miss, Prices.BOOKS, kind=kind, summary=summary, basket=basket)
    quote = {
        "way": found.way.value,
        "leg": found.leg,
        "orphans": int(found.orphans),
        "expected": expected + paid,
        **said,
    }
    verdict = Verdict(Status.CANDIDATE, Prices.BOOKS, kind=kind, summary=summary, basket=basket)
    return replace(verdict, quote=quote)


def limits_for(profile: Profile, limits: Limits, margin_ppm: int) -> QuoteLimits:
    """What the profile allows of a quote that leaves this margin."""
    return QuoteLimits(
        Count(profile.quote_count),
        Count(max(1, profile.count_step)),
        margin_ppm,
        limits.max_cost or Money(0),
        limits.max_cost_per_leg or Money(0),
        Money(profile.orphan_budget),
    )


def band_of(legs: Iterable[tuple[str, Side]], books: Mapping[str, Depth], until: int) -> str:
    """The band of a quote by the books of now; a leg (ticker, side) without one of its prices counts as a dollar wide."""
    spreads = []
    for ticker, side in legs:
        depth = books.get(ticker)
        bid, ask = (None, None) if depth is None else (depth.best_bid(side), depth.best_ask(side))
        spreads.append(DOLLAR_PRICE if bid is None or ask is None else ask - bid)
    return expectation.band_of(spreads, (until - clock.now_ms()) / 1000)


def basket_of(event: EventView, found: Offer) -> Basket:
    """The basket that is held when everything of ``found`` fills. Its fees are the most that they can be, so it has no fee bound."""
    states = states_of(event, [leg.ticker for leg in found.legs])
    if states is None:
        raise ValueError(f"{event.ticker} has no certificate, so nothing of it is quoted")
    vector = payoff([(leg.ticker, leg.side, leg.count) for leg in found.legs], states)
    return Basket(
        kind=Kind.FAMILY if event.members else KIND_OF[found.side],
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


def states_of(event: EventView, tickers: Iterable[str]) -> StateList | None:
    """The settlement states of an event; of a family the atoms that these of its markets distinguish. None without a certificate."""
    return event.states if event.atoms is None else StateList.of_atoms(event.atoms.about(set(tickers)))
