"""The basket to quote in an event, in the largest size that the profile's limits and the books allow, or the one reason for none.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar, margins in parts per million of cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kalbot.common.units import PPM, Count, Money, Price
from markets.book import Side
from markets.terms.states import StateList, floor
from strategies.dutch.basket import Leg, LegMarket
from strategies.quoting import hedged, resting
from strategies.quoting.hedged import Aim
from strategies.quoting.joining import Held
from strategies.quoting.judge import best_leg
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.resting import Wanted
from strategies.quoting.synthetic import bid_cost


class Way(StrEnum):
    """How a quoted basket is bought: one leg or several rest and the others are taken when one fills, or every leg rests."""

    ONE_LEG = "one_leg"
    SEVERAL = "several"
    ALL_LEGS = "all_legs"

    @property
    def takes(self) -> bool:
        """Whether what fills is hedged at once by taking the others."""
        return self is not Way.ALL_LEGS


@dataclass(frozen=True, slots=True)
class QuoteLimits:
    """What a profile allows: the size wanted and its step, the least margin, the most for a basket, for a leg and in orphans."""

    count: Count
    step: Count
    margin_ppm: int
    max_cost: Money
    max_leg_cost: Money
    orphan_budget: Money


@dataclass(frozen=True, slots=True)
class Offer:
    """A basket whose first orders may rest now. ``leg``: the ticker that rests, empty where several or all do. ``legs``: every leg of it
    with the price at which it rests or is taken, ``rests``: at which each that rests does. ``most_cost``: what it may cost in the end,
    however it is repriced; ``orphans``: the most that may fill alone of what rests first.
    """

    way: Way
    side: Side
    count: Count
    leg: str
    legs: tuple[Leg, ...]
    rests: Mapping[str, Price]
    pays: Money
    most_cost: Money
    orphans: Money

    @property
    def cost(self) -> Money:
        """At the prices of now, fees at their most."""
        return Money(sum(leg.cost for leg in self.legs))

    @property
    def margin_ppm(self) -> int:
        """What it keeps at the prices of now, in ppm of its cost."""
        return (self.pays - self.cost) * PPM // self.cost


def best(
    legs: Sequence[LegMarket], states: StateList | None, way: Way, side: Side, limits: QuoteLimits
) -> Offer | Refused:
    """The largest basket that may be quoted. Where no size may, the refusal of the smallest."""
    if states is None:
        return Refused(NoQuote.STATES)
    one = _wanted(legs, states, side, limits, limits.step)
    found: Offer | Refused = Refused(NoQuote.COST)
    for count in sizes(limits, one.pays - one.margin):
        found = (
            _hedged(legs, states, way, side, limits, count) if way.takes else _all(legs, states, side, limits, count)
        )
        if isinstance(found, Offer):
            return found
    return found


def sizes(limits: QuoteLimits, each: int) -> Iterator[Count]:
    """Sizes of baskets to try, halving: whole steps, and no more than may be spent at ``each`` a basket."""
    steps = min(limits.count, limits.max_cost // max(1, each)) // limits.step
    while steps > 0:
        yield Count(steps * limits.step)
        steps //= 2


def _wanted(legs: Sequence[LegMarket], states: StateList, side: Side, limits: QuoteLimits, count: Count) -> Wanted:
    pays = Price(floor([(leg.ticker, side, count) for leg in legs], states) // count)
    return Wanted(side, count, limits.step, pays, limits.margin_ppm, limits.orphan_budget)


def _hedged(
    legs: Sequence[LegMarket], states: StateList, way: Way, side: Side, limits: QuoteLimits, count: Count
) -> Offer | Refused:
    """By the leg whose quote is best, the others taken; where several rest the others of them only make it cheaper."""
    found = best_leg(legs, states, side, count, limits.margin_ppm)
    if isinstance(found, Refused):
        return found
    quoted = found.synthetic
    only = quoted.ticker if way is Way.ONE_LEG else ""
    rests = hedged.bids(legs, states, Aim(side, count, limits.margin_ppm, limits.orphan_budget, only))
    if isinstance(rests, Refused):
        return rests
    market = next(leg for leg in legs if leg.ticker == quoted.ticker)
    by_ticker = {leg.ticker: leg for leg in quoted.hedge} | {
        market.ticker: resting_leg(market, side, count, found.price)
    }
    all_legs = tuple(by_ticker[leg.ticker] for leg in legs)
    if any(leg.cost > limits.max_leg_cost for leg in all_legs):
        return Refused(NoQuote.COST)
    wanted = _wanted(legs, states, side, limits, count)
    bids = {ticker: price for ticker, (price, _) in rests.bids.items()}
    return Offer(way, side, count, only, all_legs, bids, quoted.floor, _most_cost(wanted), rests.orphans)


def _all(
    legs: Sequence[LegMarket], states: StateList, side: Side, limits: QuoteLimits, count: Count
) -> Offer | Refused:
    wanted = _wanted(legs, states, side, limits, count)
    found = resting.bids(legs, wanted, Held())
    if isinstance(found, Refused):
        return found
    all_legs = tuple(resting_leg(leg, side, count, found[leg.ticker][0]) for leg in legs)
    if any(leg.cost > limits.max_leg_cost for leg in all_legs):
        return Refused(NoQuote.COST)
    alone = resting.most_orphans(legs, found, Held())
    bids = {ticker: price for ticker, (price, _) in found.items()}
    return Offer(Way.ALL_LEGS, side, count, "", all_legs, bids, Money(wanted.pays * count), _most_cost(wanted), alone)


def _most_cost(wanted: Wanted) -> Money:
    return Money(wanted.sets * (wanted.pays - wanted.margin))


def resting_leg(leg: LegMarket, side: Side, count: Count, price: Price) -> Leg:
    """A leg that fills at its bid, at the most that the maker's fees can be."""
    cost = bid_cost(leg.fees, price, count)
    return Leg(leg.ticker, side, count, price, Money(price * count), Money(cost - price * count), leg.name)
