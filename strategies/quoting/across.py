"""One leg of a family rests and the others, of either side and of other events, are taken when it fills: what may rest, and at which price.

``wants``: the legs of the basket with the books of others, each with the count that as many baskets need. Counts in 1/100 contract, prices
in 1/10,000 dollar, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common.units import CONTRACT, PPM, Count, Money, Price
from markets.book import Side
from markets.terms.states import StateList, floor
from strategies.dutch.basket import LegMarket
from strategies.quoting.hedged import Hedged
from strategies.quoting.joining import Held
from strategies.quoting.offer import Offer, QuoteLimits, Way, resting_leg, sizes
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import Synthetic, Want, bid_cost, of_wants


def price_of(
    wants: Sequence[Want], states: StateList | None, at: int, margin_ppm: int, kept: Price | None = None
) -> tuple[Synthetic, Price] | Refused:
    """The synthetic price of ``wants[at]`` and at which price it rests; at ``kept`` as long as that leaves the margin."""
    found = of_wants(wants, states, at, margin_ppm)
    if isinstance(found, Refused):
        return found
    if found.touch is None:
        return Refused(NoQuote.NO_TOUCH, found.ticker)  # where nobody bids, nobody says what the leg is worth
    price = kept if kept is not None and kept <= found.most else found.resting(wants[at].market, improve=True)
    return price if isinstance(price, Refused) else (found, price)


def bids(
    wants: Sequence[Want],
    states: StateList | None,
    only: str,
    margin_ppm: int,
    budget: Money,
    held: Held,
    kept: Price | None = None,
) -> Hedged | Refused:
    """What may rest of the one leg ``only``. ``held``: what filled and waits for enough to be worth a hedge; with what rests it costs no
    more than ``budget``, whatever fills."""
    at = next((n for n, want in enumerate(wants) if want.market.ticker == only), None)
    if at is None:
        return Refused(NoQuote.STATES, only)
    found = price_of(wants, states, at, margin_ppm, kept)
    if isinstance(found, Refused):
        return found
    synthetic, price = found
    count = wants[at].count - held.counts.get(only, 0)
    orphans = Money(held.cost + (bid_cost(wants[at].market.fees, price, count) if count > 0 else 0))
    if orphans > budget:
        return Refused(NoQuote.ORPHANS, only, -(-(orphans - budget) // wants[at].count))
    limits = {leg.ticker: leg.limit_price for leg in synthetic.hedge} | {only: price}
    return Hedged({only: (price, Count(count))} if count > 0 else {}, limits, orphans)


def offer(
    markets: Sequence[tuple[LegMarket, Side]], states: StateList | None, at: int, limits: QuoteLimits
) -> Offer | Refused:
    """The largest basket of as many of each leg of which ``markets[at]`` may rest now. Where no size may, the refusal of the smallest."""
    if states is None:
        return Refused(NoQuote.STATES)
    each = floor([(market.ticker, side, CONTRACT) for market, side in markets], states) // CONTRACT
    tried: Offer | Refused = Refused(NoQuote.COST)
    for count in sizes(limits, each * PPM // (PPM + limits.margin_ppm)):
        tried = _of(markets, states, at, limits, count)
        if isinstance(tried, Offer):
            return tried
    return tried


def _of(
    markets: Sequence[tuple[LegMarket, Side]], states: StateList, at: int, limits: QuoteLimits, count: Count
) -> Offer | Refused:
    wants = [Want(market, side, count) for market, side in markets]
    market, side = markets[at]
    found = price_of(wants, states, at, limits.margin_ppm)
    if isinstance(found, Refused):
        return found
    synthetic, price = found
    own = resting_leg(market, side, count, price)
    if own.cost > limits.orphan_budget:
        return Refused(NoQuote.ORPHANS, market.ticker, -(-(own.cost - limits.orphan_budget) // count))
    hedge = list(synthetic.hedge)
    legs = (*hedge[:at], own, *hedge[at:])
    if any(leg.cost > limits.max_leg_cost for leg in legs):
        return Refused(NoQuote.COST)
    pays, most = synthetic.floor, synthetic.floor * PPM // (PPM + limits.margin_ppm)
    return Offer(
        Way.ONE_LEG, side, count, market.ticker, legs, {market.ticker: price}, pays, Money(most), Money(own.cost)
    )
