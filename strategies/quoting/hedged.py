"""Legs quoted with the others taken when one fills: the one leg of a decision, or several at once.

Each leg that rests has its own synthetic price, at which the basket keeps its margin although every other leg is taken. So whichever
fills first is hedged by taking what the others lack; that a second one has filled meanwhile only makes it cheaper. As many legs rest
as may all fill before anything is taken without leaving more than the budget in orphans.

``legs``: the books without our own orders. Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kalbot.common.units import Count, Money, Price
from markets.book import Side
from markets.terms.states import StateList
from strategies.dutch.basket import LegMarket
from strategies.quoting import resting
from strategies.quoting.joining import Held
from strategies.quoting.judge import leg_quotes
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.resting import Bids
from strategies.quoting.synthetic import takings


@dataclass(frozen=True, slots=True)
class Hedged:
    """``bids``: what rests; ``limits``: ticker -> the most at which each leg is bought, resting or taken; ``orphans``: the most that
    they can have cost while exactly this rests."""

    bids: Bids
    limits: dict[str, Price]
    orphans: Money


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted: ``count`` of every leg of ``side``, ``margin_ppm`` of cost kept, ``budget`` for orphans. ``only``: the one leg that
    may rest; any may where it is empty, up to ``most`` legs. ``held``: what filled already and waits for enough to be worth a hedge."""

    side: Side
    count: Count
    margin_ppm: int
    budget: Money
    only: str = ""
    held: Held = field(default_factory=Held)
    most: int = 1_000


def bids(
    legs: Sequence[LegMarket], states: StateList | None, aim: Aim, kept: Mapping[str, Price] | None = None
) -> Hedged | Refused:
    """What may rest, or the refusal that came nearest: first what rests already (``kept``: at which prices), then what would lead its
    book, then by margin."""
    quotes = leg_quotes(legs, states, aim.side, aim.count, aim.margin_ppm, kept=kept, only=aim.only)
    if isinstance(quotes, Refused):
        return quotes
    quotes.sort(key=lambda one: (one.synthetic.ticker not in (kept or {}), not one.inside, -one.margin_ppm))
    chosen: Bids = {}
    orphans, least = Money(0), None
    for quote in quotes:
        ticker = quote.synthetic.ticker
        wants = aim.count - aim.held.counts.get(ticker, 0)
        if wants <= 0 or len(chosen) >= aim.most:
            continue
        more = chosen | {ticker: (quote.price, Count(wants))}
        alone = resting.most_orphans(legs, more, aim.held)
        if alone <= aim.budget:
            chosen, orphans = more, alone
        elif not chosen:
            least = alone if least is None else min(least, alone)
    if not chosen:
        over = (least or 0) - aim.budget
        return Refused(NoQuote.ORPHANS, quotes[0].synthetic.ticker, max(0, -(-over // aim.count)))
    return Hedged(chosen, _limits(legs, aim, chosen), orphans)


def _limits(legs: Sequence[LegMarket], aim: Aim, chosen: Bids) -> dict[str, Price]:
    found = {ticker: price for ticker, (price, _) in chosen.items()}
    for leg, taken in zip(legs, takings(legs, aim.side, aim.count), strict=True):
        if not isinstance(taken, Refused) and leg.ticker != aim.only:
            found[leg.ticker] = max(taken.limit_price, found.get(leg.ticker, Price(0)))
    return found
