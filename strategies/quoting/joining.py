"""All legs quoted and none taken: the bids that may rest at the best bids of the book.

Every leg rests at its touch as long as what was paid and what is still to be bought, at the touch of now, leave the margin of
the wanted sets. When the touches together cost more, nothing rests: the legs that filled are held, or sold, by the profile's rule.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kalbot.common.units import Count, Money, Price
from strategies.quoting.refusal import NoQuote, Refused


@dataclass(frozen=True, slots=True)
class SetRule:
    """What is wanted of one event. ``pays``: the floor of one contract of every leg, 1/10,000 dollar; ``margin``: what a set must
    keep of it; ``sets``: contracts wanted of every leg."""

    pays: Price
    margin: Price
    sets: Count


@dataclass(slots=True)
class Held:
    """What has filled so far, a leg: count and Money paid for it."""

    counts: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)

    def add(self, ticker: str, count: int, cost: int) -> None:
        """One more fill."""
        self.counts[ticker] = self.counts.get(ticker, 0) + count
        self.paid[ticker] = self.paid.get(ticker, 0) + cost

    @property
    def cost(self) -> Money:
        """Paid for everything."""
        return Money(sum(self.paid.values()))


def bids(touch: Mapping[str, Price | None], held: Held, rule: SetRule) -> dict[str, tuple[Price, Count]] | Refused:
    """What rests now: ticker -> (price, count still wanted). ``touch``: the best bid of each leg, None where it is not known.

    Every leg of the event must be named in ``touch``. A leg that has its count is not quoted; with all of them filled the
    answer is empty.
    """
    wanted = {ticker: rule.sets - held.counts.get(ticker, 0) for ticker in touch}
    quotes: dict[str, tuple[Price, Count]] = {}
    for ticker, price in touch.items():
        if wanted[ticker] <= 0:
            continue
        if price is None or price <= 0:
            return Refused(NoQuote.NO_TOUCH, ticker)
        quotes[ticker] = (price, Count(wanted[ticker]))
    cost = held.cost + sum(price * count for price, count in quotes.values())
    allowed = rule.sets * (rule.pays - rule.margin)
    if quotes and cost > allowed:
        return Refused(NoQuote.PAIR, "", -(-(cost - allowed) // rule.sets))
    return quotes
