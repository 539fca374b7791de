"""Thousands of events at once: which of them could pay at all, judged at their best prices.

A basket whose best prices with model fees already cost what it pays cannot earn anything at any size: depth only costs
more and rounding only adds. So one table of all-in prices and two sums per event sort out nearly everything, and
``best_basket`` judges the survivors exactly. The table is rounded *down*, so the screen may keep an event that does not
pay but never drops one that does.

Prices in 1/10,000 dollar; all-in costs in 1/1,000,000 of that, per contract of the basket.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import DOLLAR_PRICE, PPM
from markets.book import Depth
from strategies.dutch.basket import Kind, LegMarket, Limits
from strategies.dutch.event import least_margin_ppm

FINE: Final = 1_000_000
DOLLAR_FINE: Final = DOLLAR_PRICE * FINE
NO_PRICE: Final = 10**13
"""All-in cost of a side without an ask: more than any basket pays, and never a gain."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Universe:
    """Best bids of every leg of every event, legs of one event side by side.

    ``starts``: index of each event's first leg, plus the number of legs at the end; every event has at least one leg.
    ``yes_bid``, ``no_bid``: best bids, 0 = nobody bids. ``rate``: index into ``rates`` (``FeeSchedule.rate_e10``).
    ``exclusive``, ``certified``: one flag per event.
    """

    starts: Ints
    yes_bid: Ints
    no_bid: Ints
    rate: Ints
    rates: tuple[int, ...]
    exclusive: Bools
    certified: Bools


@dataclass(frozen=True, slots=True)
class Screened:
    """Per event: cost of YES on all less what it pays, the same for the best NO set, and who survives.

    Both distances are lower bounds in 1/1,000,000 of a price unit; negative means: could pay. ``yes_over`` is huge where a
    leg has no ask.
    """

    yes_over: Ints
    no_over: Ints
    keep: Bools

    def survivors(self) -> list[int]:
        """Indices of the events to judge exactly."""
        return [int(i) for i in np.flatnonzero(self.keep)]


@lru_cache(maxsize=64)
def all_in_by_bid(rates: tuple[int, ...]) -> Ints:
    """Table [rate, bid of the other side] -> all-in cost, rounded down; bid 0 has no price."""
    price = DOLLAR_PRICE - np.arange(DOLLAR_PRICE + 1, dtype=object)
    rows = [(price * 10**14 + rate * price * (DOLLAR_PRICE - price)) // 10**8 for rate in rates]
    table = np.array(rows, dtype=np.int64).reshape(len(rates), DOLLAR_PRICE + 1)
    table[:, 0] = NO_PRICE
    return table


def screen(universe: Universe, rules: Limits, *, near: bool = False) -> Screened:
    """Who could pay under ``rules``. ``near``: also keep whoever misses by no more than ``rules.near_ppm``.

    Every event that ``best_basket`` finds a basket in is kept. For coverage that is every event with a YES ask: what its
    outcomes are worth takes more than best prices.
    """
    table = all_in_by_bid(universe.rates).ravel()
    row = universe.rate * (DOLLAR_PRICE + 1)
    yes_cost, no_cost = table[row + universe.no_bid], table[row + universe.yes_bid]
    first = universe.starts[:-1]
    # For a margin m the profit must be m x cost, so the cost weighs 1 + m (in thousandths, rounded down).
    weight = (PPM + least_margin_ppm(rules)) // 1_000
    slack = rules.near_ppm * (DOLLAR_FINE // PPM) if near else 0
    yes_over = np.add.reduceat(yes_cost, first) * weight // 1_000 - DOLLAR_FINE
    gain = np.maximum(DOLLAR_FINE - no_cost * weight // 1_000, 0)
    if rules.max_legs is not None and int(np.diff(universe.starts).max(initial=0)) > rules.max_legs:
        gain = _largest(gain, universe.starts, rules.max_legs)
    no_over = DOLLAR_FINE - np.add.reduceat(gain, first)
    keep = np.zeros(len(first), dtype=np.bool_)
    if Kind.ALL_YES in rules.kinds:
        keep |= (yes_over < slack) & universe.certified
    if Kind.ALL_NO in rules.kinds:
        keep |= no_over < slack
    if Kind.COVERAGE in rules.kinds:
        keep |= np.logical_or.reduceat(universe.no_bid > 0, first)
    return Screened(yes_over, no_over, keep & universe.exclusive & (np.diff(universe.starts) >= 2))


def _largest(gain: Ints, starts: Ints, most: int) -> Ints:
    """``gain`` with all but the ``most`` largest of each event set to nothing."""
    event = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((-gain, event))
    rank = np.empty(len(gain), dtype=np.int64)
    rank[order] = np.arange(len(gain)) - starts[event[order]]
    return np.where(rank < most, gain, 0)


class Facts(NamedTuple):
    """One event: how many legs, their fee rates (``taker_e10``; one = of all), and its flags."""

    legs: int
    rates: tuple[int, ...]
    exclusive: bool
    certified: bool


@dataclass(frozen=True, slots=True)
class Fixed:
    """What of a universe does not move with prices: see ``Universe``. ``rate``: of each leg. Made once for a list of events."""

    starts: Ints
    rate: Ints
    rates: tuple[int, ...]
    exclusive: Bools
    certified: Bools

    @classmethod
    def of(cls, events: Sequence[Facts]) -> Fixed:
        """Of these events, in their order. ValueError for one without a leg."""
        if not all(event.legs for event in events):
            raise ValueError("an event without a leg cannot be screened")
        rates = sorted({rate for event in events for rate in event.rates})
        index = {rate: i for i, rate in enumerate(rates)}
        each = [[index[rate] for rate in event.rates] * (event.legs // len(event.rates)) for event in events]
        return cls(
            np.cumsum([0, *(event.legs for event in events)], dtype=np.int64),
            np.fromiter(chain.from_iterable(each), dtype=np.int64),
            tuple(rates),
            np.array([event.exclusive for event in events], dtype=np.bool_),
            np.array([event.certified for event in events], dtype=np.bool_),
        )

    def at(self, tops: Iterable[bytes]) -> Universe:
        """The universe at these best bids: of each event its legs' best YES and NO bid, 64 bits each, 0 = nobody bids."""
        return self.priced(np.frombuffer(b"".join(tops), dtype=np.int64).reshape(-1, 2))

    def priced(self, bids: Ints) -> Universe:
        """As ``at``, for best bids as one row (YES, NO) a leg."""
        return Universe(
            self.starts,
            np.ascontiguousarray(bids[:, 0]),
            np.ascontiguousarray(bids[:, 1]),
            self.rate,
            self.rates,
            self.exclusive,
            self.certified,
        )


def facts_of(legs: Sequence[LegMarket], exclusive: bool, certified: bool) -> Facts:
    """The facts of an event with these legs."""
    return Facts(len(legs), tuple(leg.fees.taker_e10 for leg in legs), exclusive, certified)


def tops_of(depths: Iterable[Depth]) -> bytes:
    """The packed best bids of legs with these books, for events whose prices did not come packed."""
    numbers: list[int] = []
    for depth in depths:
        yes, no = depth.yes_bids, depth.no_bids
        numbers += (yes[0][0] if yes else 0, no[0][0] if no else 0)
    return array("q", numbers).tobytes()


def pack(events: Sequence[tuple[Sequence[LegMarket], bool, bool]]) -> Universe:
    """A universe from (legs, exclusive, certified) of each event, all packed again."""
    return Fixed.of([facts_of(*event) for event in events]).at(
        tops_of(leg.depth for leg in legs) for legs, _, _ in events
    )
