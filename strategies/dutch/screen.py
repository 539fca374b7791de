"""Thousands of events at once: which of them could pay at all, judged at their best prices.

A basket whose best prices with model fees already cost what it pays cannot earn anything at any size: depth only costs
more and rounding only adds. So one table of all-in prices and two sums per event sort out nearly everything, and
``best_basket`` judges the survivors exactly. The table is rounded *down*, so the screen may keep an event that does not
pay but never drops one that does.

Prices in 1/10,000 dollar; all-in costs in 1/1,000,000 of that, per contract of the basket.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import DOLLAR_PRICE, PPM
from strategies.dutch.basket import Kind, LegMarket, Limits
from strategies.dutch.event import least_margin_ppm

FINE: Final = 1_000_000
DOLLAR_FINE: Final = DOLLAR_PRICE * FINE
NO_PRICE: Final = 10**13
"""All-in cost of a side without an ask: more than any basket pays, and never a gain."""

LEG_BYTES: Final = 3 * 8

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


@dataclass(frozen=True, slots=True)
class Columns:
    """What the screen wants of one event, packed: three 64-bit integers a leg (best YES bid, best NO bid, ``taker_e10``). Made once
    when its books change, joined to a universe in every cycle."""

    packed: bytes
    rates: tuple[int, ...]
    exclusive: bool
    certified: bool


def columns_of(legs: Sequence[LegMarket], exclusive: bool, certified: bool) -> Columns:
    """The columns of one event. ValueError if it has no leg."""
    if not legs:
        raise ValueError("an event without a leg cannot be screened")
    numbers: list[int] = []
    for leg in legs:
        yes, no = leg.depth.yes_bids, leg.depth.no_bids
        numbers += (yes[0][0] if yes else 0, no[0][0] if no else 0, leg.fees.taker_e10)
    return Columns(array("q", numbers).tobytes(), tuple({leg.fees.taker_e10 for leg in legs}), exclusive, certified)


def join(columns: Sequence[Columns]) -> Universe:
    """The universe of these events, in their order."""
    table = np.frombuffer(b"".join([each.packed for each in columns]), dtype=np.int64).reshape(-1, 3)
    rates = sorted({rate for each in columns for rate in each.rates})
    starts = np.cumsum([0, *(len(each.packed) // LEG_BYTES for each in columns)], dtype=np.int64)
    return Universe(
        starts,
        np.ascontiguousarray(table[:, 0]),
        np.ascontiguousarray(table[:, 1]),
        np.searchsorted(np.array(rates, dtype=np.int64), table[:, 2]),
        tuple(rates),
        np.array([each.exclusive for each in columns], dtype=np.bool_),
        np.array([each.certified for each in columns], dtype=np.bool_),
    )


def pack(events: Sequence[tuple[Sequence[LegMarket], bool, bool]]) -> Universe:
    """A universe from (legs, exclusive, certified) of each event, all packed again."""
    return join([columns_of(*event) for event in events])
