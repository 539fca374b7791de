"""Whether an event can be quoted now: the best single leg with the others taken, and all legs at their best bids.

Counts in 1/100 contract, prices in 1/10,000 dollar, margins in parts per million of cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kalbot.common.units import PPM, Count, Price
from markets.book import Side
from markets.terms.states import StateList, floor
from strategies.dutch.basket import LegMarket
from strategies.quoting import joining
from strategies.quoting.joining import Held, SetRule
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import Synthetic, synthetic, takings


@dataclass(frozen=True, slots=True)
class LegQuote:
    """A bid that may rest: at ``price``, with what the basket keeps when it fills there."""

    synthetic: Synthetic
    price: Price
    margin_ppm: int

    @property
    def inside(self) -> bool:
        """Whether it would be the best bid of the book."""
        return self.synthetic.touch is None or self.price > self.synthetic.touch


@dataclass(frozen=True, slots=True)
class Judgement:
    """``one``: the best leg to rest with the others taken; ``all_legs``: the margin in ppm of cost when every leg fills at its best
    bid of now and none is taken. Refused: the one reason."""

    side: Side
    one: LegQuote | Refused
    all_legs: int | Refused


def judge(
    legs: Sequence[LegMarket],
    states: StateList | None,
    side: Side,
    count: Count,
    margin_ppm: int,
    *,
    improve: bool = True,
) -> Judgement:
    """Judge one event for one side. ``improve``: a bid may rest a tick above the best one."""
    if states is None:
        refused = Refused(NoQuote.STATES)
        return Judgement(side, refused, refused)
    best = best_leg(legs, states, side, count, margin_ppm, improve=improve)
    return Judgement(side, best, _all_legs(legs, states, side, count, margin_ppm))


def best_leg(
    legs: Sequence[LegMarket],
    states: StateList | None,
    side: Side,
    count: Count,
    margin_ppm: int,
    *,
    improve: bool = True,
) -> LegQuote | Refused:
    """The leg that is best left to rest while the others are taken, or why none is."""
    quotes = leg_quotes(legs, states, side, count, margin_ppm, improve=improve)
    if isinstance(quotes, Refused):
        return quotes
    return max(quotes, key=lambda quote: (quote.inside, quote.margin_ppm))


def leg_quotes(
    legs: Sequence[LegMarket],
    states: StateList | None,
    side: Side,
    count: Count,
    margin_ppm: int,
    *,
    improve: bool = True,
    kept: Mapping[str, Price] | None = None,
    only: str = "",
) -> list[LegQuote] | Refused:
    """Every leg (``only``: that one, where named) that may rest while the others are taken, or why none may. ``kept``: prices that stay
    while they leave the margin."""
    taken = takings(legs, side, count)
    quotes: list[LegQuote] = []
    refused: list[Refused] = []
    for at, leg in enumerate(legs):
        if only not in ("", leg.ticker):
            continue
        found = synthetic(legs, states, side, at, count, margin_ppm, taken)
        if isinstance(found, Refused):
            refused.append(found)
            continue
        own = (kept or {}).get(leg.ticker)
        price = own if own is not None and own <= found.most else found.resting(leg, improve=improve)
        if isinstance(price, Refused):
            refused.append(price)
        else:
            quotes.append(LegQuote(found, price, found.margin_ppm(price, leg.fees)))
    return quotes or _binding(refused)


def _binding(refused: Sequence[Refused]) -> Refused:
    """The refusal that came nearest to a quote; those that no number measures come last."""
    return min(refused, key=lambda one: (one.distance == 0, one.distance, one.ticker))


def _all_legs(legs: Sequence[LegMarket], states: StateList, side: Side, count: Count, margin_ppm: int) -> int | Refused:
    pays = Price(floor([(leg.ticker, side, count) for leg in legs], states) // count)
    margin = Price(-(-pays * margin_ppm // (PPM + margin_ppm)))
    touch = {leg.ticker: leg.depth.best_bid(side) for leg in legs}
    found = joining.bids(touch, Held(), SetRule(pays, margin, count))
    if isinstance(found, Refused):
        return found
    cost = sum(price for price, _ in found.values())
    return (pays - cost) * PPM // cost
