"""Probabilities from live prices, with the bookmaker's margin taken out. Floats: nothing here is money.

Of each outcome the middle between what buyers bid and sellers ask for YES. A missing bid is a bid of 0 (nobody pays anything:
that *is* a bound); a missing ask is bounded by what the other outcomes' bids leave of a dollar. Less than one contract is dust and
counts as nobody. Outcomes without bid and ask share what the middles of the others leave of a dollar; if the others explain less
than half of it, nothing is known.

The middles add up to more or less than one. Which way of scaling them is best was measured on settled events (log score;
``docs/mathematics.md``): where they add up to more than 1.1, as in wide events with a hundred empty tails at half a cent each, the
bids alone say more (0.47 against 0.86 scaled and 0.51 by a power, on 84 captures of Bitcoin and Ether ranges); else Shin's
method, which takes more of the margin from the tails (1.033 against 1.039 and 1.036 on 135 temperature events at noon). That is
``SCORED``, the default; the others are there to be compared with it. Where no certificate says that a listed outcome must win,
an unlisted remainder takes part: what the middles leave of a dollar, and at least ``unlisted_floor``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import sqrt
from typing import Final

from kalbot.common.units import CONTRACT, DOLLAR_PRICE
from markets.book import Depth, Level, Side

DUST: Final = CONTRACT
"""A price at which fewer contracts (1/100) are wanted says nothing."""

WIDE: Final = 1.1
"""Sum of the middles above which the asks of empty tails drown the bids."""

UNBID: Final = 0.0005
"""Weight of an outcome that nobody bids for, where bids alone count: somebody may still be right about it."""

SMALLEST: Final = 0.001

Quote = tuple[int | None, int | None]
"""Best bid and ask for YES, 1/10,000 dollar; None = nobody."""


class Devig(StrEnum):
    """How the margin is taken out."""

    SCORED = "scored"
    PROPORTIONAL = "proportional"
    POWER = "power"
    SHIN = "shin"


def firm_quote(depth: Depth) -> Quote:
    """The best bid and ask for YES that are good for more than dust."""
    bid, against = _firm(depth.bids(Side.YES)), _firm(depth.bids(Side.NO))
    return bid, None if against is None else DOLLAR_PRICE - against


def _firm(levels: tuple[Level, ...]) -> int | None:
    reached = 0
    for price, count in levels:
        reached += count
        if reached >= DUST:
            return price
    return None


def middles(quotes: Mapping[str, Quote]) -> dict[str, float] | None:
    """ticker -> middle of bid and ask for YES as a probability; None if the quotes say too little."""
    all_bids = sum(bid or 0 for bid, _ in quotes.values())
    found: dict[str, float] = {}
    for ticker, (bid, ask) in quotes.items():
        if bid is None and ask is None:
            continue
        low = bid or 0
        high = max(low, DOLLAR_PRICE - (all_bids - low)) if ask is None else ask
        found[ticker] = (low + high) / (2 * DOLLAR_PRICE)
    silent = [ticker for ticker in quotes if ticker not in found]
    explained = sum(found.values())
    if silent and explained < 0.5:
        return None
    return found | dict.fromkeys(silent, max(0.0, 1.0 - explained) / max(1, len(silent)))


def probabilities(
    books: Mapping[str, Depth],
    *,
    certified: bool,
    method: Devig = Devig.SCORED,
    unlisted_floor: float = 0.02,
    power: float = 1.0,
) -> dict[str, float] | None:
    """``from_quotes`` of order books."""
    quotes = {ticker: firm_quote(depth) for ticker, depth in books.items()}
    return from_quotes(quotes, certified=certified, method=method, unlisted_floor=unlisted_floor, power=power)


def from_quotes(
    quotes: Mapping[str, Quote],
    *,
    certified: bool,
    method: Devig = Devig.SCORED,
    unlisted_floor: float = 0.02,
    power: float = 1.0,
) -> dict[str, float] | None:
    """De-vigged probability of each outcome; they add up to 1 if certified, else to 1 minus the remainder. ``power``: see ``corrected``.

    None when the quotes say too little of it.
    """
    raw = middles(quotes)
    total = sum(raw.values()) if raw else 0.0
    if not raw or total <= 0.0:
        return None
    share = 1.0 if certified else 1.0 - max(unlisted_floor, min(1.0, 1.0 - total))
    scaled = _SCALES[method](raw, quotes)
    total = sum(scaled.values())
    found = {ticker: share * p / total for ticker, p in scaled.items()}
    return found if power == 1.0 else corrected(found, power)


def corrected(said: Mapping[str, float], power: float) -> dict[str, float]:
    """``said`` to ``power``, scaled to the same sum: above one from long shots to favourites. What is next to nothing counts as
    ``SMALLEST`` before."""
    raised = {ticker: max(p, SMALLEST) ** power for ticker, p in said.items()}
    scale = sum(said.values()) / sum(raised.values())
    return {ticker: p * scale for ticker, p in raised.items()}


def by_family(said: Mapping[str, float], family: Mapping[str, float]) -> dict[str, float]:
    """What the quotes of an event's whole family give its outcomes (``families.estimate.shares``), in the place of ``said`` by its own and
    scaled to the same sum: what is not listed keeps its share."""
    scale = sum(said.values()) / sum(family[ticker] for ticker in said)
    return {ticker: family[ticker] * scale for ticker in said}


Scale = Callable[[Mapping[str, float], Mapping[str, Quote]], Mapping[str, float]]


def _scored(raw: Mapping[str, float], quotes: Mapping[str, Quote]) -> Mapping[str, float]:
    """Bids alone where the middles add up to too much, Shin's method else."""
    if sum(raw.values()) <= WIDE or not any(bid for bid, _ in quotes.values()):
        return _shin(raw, quotes)
    return {ticker: (bid or 0) / DOLLAR_PRICE or UNBID for ticker, (bid, _) in quotes.items()}


def _proportional(raw: Mapping[str, float], quotes: Mapping[str, Quote]) -> Mapping[str, float]:
    return raw


def _power(raw: Mapping[str, float], quotes: Mapping[str, Quote]) -> Mapping[str, float]:
    """p**k with k >= 1 such that the sum is one; unchanged where the sum is not above one."""
    if sum(raw.values()) <= 1.0:
        return raw
    k = _root(lambda k: sum(p**k for p in raw.values()) - 1.0, 1.0, 64.0)
    return {ticker: p**k for ticker, p in raw.items()}


def _shin(raw: Mapping[str, float], quotes: Mapping[str, Quote]) -> Mapping[str, float]:
    """Shin (1993): the margin guards against a share z of bettors who know the outcome; z is such that the sum is one.
    Unchanged where the sum is not above one."""
    total = sum(raw.values())
    if total <= 1.0:
        return raw

    middles = list(raw.values())

    def fair(z: float) -> list[float]:
        square, rest, twice = z * z, 4.0 * (1.0 - z), 2.0 * (1.0 - z)
        return [(sqrt(square + rest * p * p / total) - z) / twice for p in middles]

    z = _root(lambda z: sum(fair(z)) - 1.0, 0.0, 1.0 - 1e-9)
    return dict(zip(raw, fair(z), strict=True))


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero: false position, the end that stays weighted down (Illinois), to a float's precision."""
    at_low, at_high = falling(low), falling(high)
    if at_low <= 0.0 or at_high >= 0.0:
        return low if at_low <= 0.0 else high
    kept = 0
    for _ in range(100):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        if not low < middle < high:
            break
        value = falling(middle)
        if value > 0.0:
            low, at_low = middle, value
            at_high = at_high / 2 if kept > 0 else at_high
            kept = 1
        elif value < 0.0:
            high, at_high = middle, value
            at_low = at_low / 2 if kept < 0 else at_low
            kept = -1
        else:
            return middle
        if high - low <= 1e-15 or abs(value) <= 1e-16:
            break
    return high if -at_high < at_low else low


_SCALES: Final[Mapping[Devig, Scale]] = {
    Devig.SCORED: _scored,
    Devig.PROPORTIONAL: _proportional,
    Devig.POWER: _power,
    Devig.SHIN: _shin,
}
