"""The synthetic price of a leg: the most that can be bid for it so that the basket keeps its margin.

When the resting bid fills, the other legs are taken at their asks, through the real depth and with exact fees. So for ``count``
of leg i at price b the basket costs ``hedge + maker fees(b) + b x count`` and pays the floor over every state of its certificate;
the highest b of the market's grid that earns something and leaves the margin is the synthetic price. The cost rises with b, so it is
found by halving.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar, margins in parts per million of cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kalbot.common.units import DOLLAR_PRICE, PPM, Count, Money, Price
from markets.book import Side
from markets.fees import FeeSchedule, most_fees
from markets.kalshi.grid import next_tick_down, next_tick_up, round_down, round_up
from markets.terms.states import Holding, StateList, floor
from strategies.dutch.basket import Leg, LegMarket
from strategies.dutch.curve import WorstCurve
from strategies.quoting.refusal import NoQuote, Refused


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What may be bid for one leg. ``most``: the highest price that keeps the margin; ``touch``: the best bid of its side now,
    ``ask`` its best ask (None: nobody there); ``hedge``: the legs that are taken when it fills, at the most that their fees can
    be; ``hedge_cost`` and ``floor`` of the whole count, Money."""

    ticker: str
    side: Side
    count: Count
    most: Price
    touch: Price | None
    ask: Price | None
    hedge: tuple[Leg, ...]
    hedge_cost: Money
    floor: Money

    def resting(self, leg: LegMarket, *, improve: bool) -> Price | Refused:
        """The price at which a post-only bid rests: at the touch, or a tick above it if ``improve``, never above ``most`` and
        always below the ask."""
        wanted = self.most
        if self.touch is not None:
            if self.most < self.touch:
                return Refused(NoQuote.BEHIND, self.ticker, self.touch - self.most)
            above = next_tick_up(self.touch, leg.price_bands) if improve else None
            wanted = min(self.most, above or self.touch)
        if self.ask is not None and wanted >= self.ask:
            below = next_tick_down(self.ask, leg.price_bands)
            if below is None:
                return Refused(NoQuote.GRID, self.ticker)
            wanted = below
        return Price(wanted)

    def margin_ppm(self, price: int, fees: FeeSchedule) -> int:
        """What the basket keeps in its floor when the leg fills at ``price``, in ppm of its cost, rounded down."""
        cost = self.hedge_cost + bid_cost(fees, price, self.count)
        return (self.floor - cost) * PPM // cost


def bid_cost(fees: FeeSchedule, price: int, count: int) -> int:
    """Price and the most that the maker's fees can be for ``count`` at ``price``, however it is split into fills."""
    return price * count + most_fees(fees, [(price, count)], is_taker=False)


@dataclass(frozen=True, slots=True)
class Want:
    """``count`` of one side of a market, resting or taken."""

    market: LegMarket
    side: Side
    count: Count


Takings = Sequence[Leg | Refused]
"""Each leg of an event taken now, in the order of its legs, or why it cannot be."""


def takings(legs: Sequence[LegMarket], side: Side, count: Count) -> list[Leg | Refused]:
    """``count`` of every leg at its asks: once for all synthetic prices of an event."""
    return [taken_now(Want(leg, side, count)) for leg in legs]


def synthetic(
    legs: Sequence[LegMarket],
    states: StateList | None,
    side: Side,
    at: int,
    count: Count,
    margin_ppm: int,
    taken: Takings | None = None,
) -> Synthetic | Refused:
    """The synthetic price of ``legs[at]`` when ``count`` of it fills and ``count`` of every other leg of ``side`` is taken.

    ``states``: of the event's certificate; without them nothing is known to be paid, so nothing is quoted. ``taken``: what
    ``takings`` says of these legs, side and count, where it is known already.
    """
    return of_wants([Want(leg, side, count) for leg in legs], states, at, margin_ppm, taken)


def of_wants(
    wants: Sequence[Want], states: StateList | None, at: int, margin_ppm: int, taken: Takings | None = None
) -> Synthetic | Refused:
    """The synthetic price of ``wants[at]`` when it fills and all other wants are taken: legs of both sides, each with its own count."""
    quoted = wants[at]
    if states is None:
        return Refused(NoQuote.STATES)
    hedge: list[Leg] = []
    for n, bought in enumerate([taken_now(want) for want in wants] if taken is None else taken):
        if n == at:
            continue
        if isinstance(bought, Refused):
            return bought
        hedge.append(bought)
    cost = Money(sum(leg.cost for leg in hedge))
    holdings: list[Holding] = [(want.market.ticker, want.side, want.count) for want in wants]
    pays = floor(holdings, states)
    most = _most(quoted.market, quoted.count, pays, cost, margin_ppm)
    if isinstance(most, Refused):
        return most
    depth, side = quoted.market.depth, quoted.side
    touch, ask = depth.best_bid(side), depth.best_ask(side)
    return Synthetic(quoted.market.ticker, side, quoted.count, most, touch, ask, tuple(hedge), cost, pays)


def taken_now(want: Want) -> Leg | Refused:
    """What is wanted, taken at its asks, at the most that it can cost."""
    market, side, count = want.market, want.side, want.count
    curve = WorstCurve(market, side)
    if not curve.bids:
        return Refused(NoQuote.NO_HEDGE, market.ticker)
    if curve.total < count:
        return Refused(NoQuote.HEDGE_DEPTH, market.ticker)
    paid, fees = curve.cost(count)
    return Leg(market.ticker, side, count, Price(curve.worst_price(count)), Money(paid), Money(fees), market.name)


def _most(leg: LegMarket, count: int, pays: int, hedge_cost: int, margin_ppm: int) -> Price | Refused:
    """The highest price of the grid at which ``pays`` exceeds the cost and leaves the margin."""

    def fits(price: int) -> bool:
        cost = hedge_cost + bid_cost(leg.fees, price, count)
        return pays > cost and (pays - cost) * PPM >= margin_ppm * cost

    least = round_up(1, leg.price_bands)
    if least is None:
        return Refused(NoQuote.GRID, leg.ticker)
    if not fits(least):
        over = hedge_cost + bid_cost(leg.fees, least, count) - pays * PPM // (PPM + margin_ppm)
        return Refused(NoQuote.MARGIN, leg.ticker, max(1, -(-over // count)))
    low, high = least, round_down(DOLLAR_PRICE, leg.price_bands) or least
    while low < high:
        middle = round_up((low + high + 1) // 2, leg.price_bands) or high
        if fits(middle):
            low = middle
        else:
            high = next_tick_down(middle, leg.price_bands) or low
    return low
