"""All legs quoted: what may rest now, so that complete sets keep their margin and orphans stay inside their budget.

Each leg rests at the best bid of its side up to a level of so many sets ahead of what is complete; the level is the highest at which
no order of fills can leave more than the budget in orphans. It rises as sets complete, up to the sets wanted.

``legs``: the books without our own orders. Counts in 1/100 contract, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kalbot.common.units import PPM, Count, Money, Price
from markets.book import Side
from strategies.dutch.basket import LegMarket
from strategies.quoting import joining, orphans
from strategies.quoting.joining import Held, SetRule
from strategies.quoting.orphans import Exposure
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import bid_cost

Bids = dict[str, tuple[Price, Count]]
"""What may rest: ticker -> (price, count)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``sets`` wanted of every leg in multiples of ``step``; ``pays``: the floor of one contract of each, 1/10,000 dollar;
    ``margin_ppm`` of cost; ``budget`` for orphans, Money."""

    side: Side
    sets: Count
    step: Count
    pays: Price
    margin_ppm: int
    budget: Money

    @property
    def margin(self) -> Price:
        """What a set must keep, 1/10,000 dollar."""
        return Price(-(-self.pays * self.margin_ppm // (PPM + self.margin_ppm)))


def bids(
    legs: Sequence[LegMarket], wanted: Wanted, held: Held, kept: Mapping[str, Price] | None = None
) -> Bids | Refused:
    """What may rest now. ``kept``: prices of our own orders that stay where they are, if the margin allows that."""
    touch = {leg.ticker: leg.depth.best_bid(wanted.side) for leg in legs}
    if kept:
        found = _at(legs, wanted, held, {**touch, **kept})
        if not isinstance(found, Refused):
            return found
    return _at(legs, wanted, held, touch)


def _at(legs: Sequence[LegMarket], wanted: Wanted, held: Held, prices: Mapping[str, Price | None]) -> Bids | Refused:
    complete = min(held.counts.get(leg.ticker, 0) for leg in legs)
    if complete >= wanted.sets:
        return {}
    low, high = 0, -(-(wanted.sets - complete) // wanted.step)
    while low < high:
        middle = (low + high + 1) // 2
        if _orphans(legs, prices, held, _level(wanted, complete, middle)) <= wanted.budget:
            low = middle
        else:
            high = middle - 1
    if not low:
        over = _orphans(legs, prices, held, _level(wanted, complete, 1)) - wanted.budget
        return Refused(NoQuote.ORPHANS, "", -(-over // wanted.step))
    return _affordable(legs, wanted, held, prices, _level(wanted, complete, low))


def most_orphans(legs: Sequence[LegMarket], rests: Bids, held: Held) -> Money:
    """The most that orphans can have cost at any moment while exactly ``rests`` is in the book."""
    found = []
    for leg in legs:
        price, count = rests.get(leg.ticker, (Price(0), Count(0)))
        cost = bid_cost(leg.fees, price, count) if count else 0
        found.append(Exposure(held.counts.get(leg.ticker, 0), held.paid.get(leg.ticker, 0), count, cost))
    return orphans.worst(found)


def _level(wanted: Wanted, complete: int, steps: int) -> Count:
    return Count(min(wanted.sets, complete + steps * wanted.step))


def _orphans(legs: Sequence[LegMarket], prices: Mapping[str, Price | None], held: Held, level: int) -> Money:
    rests = {
        leg.ticker: (prices[leg.ticker] or Price(0), Count(max(0, level - held.counts.get(leg.ticker, 0))))
        for leg in legs
    }
    return most_orphans(legs, rests, held)


def _affordable(
    legs: Sequence[LegMarket], wanted: Wanted, held: Held, prices: Mapping[str, Price | None], level: Count
) -> Bids | Refused:
    """The bids of a level, if its complete sets keep the margin with the most that fees can be."""
    found = joining.bids(prices, held, SetRule(wanted.pays, wanted.margin, level))
    if isinstance(found, Refused):
        return found
    fees = {leg.ticker: leg.fees for leg in legs}
    cost = held.cost + sum(bid_cost(fees[ticker], price, count) for ticker, (price, count) in found.items())
    allowed = level * (wanted.pays - wanted.margin)
    if found and cost > allowed:
        return Refused(NoQuote.PAIR, "", -(-(cost - allowed) // level))
    return found
