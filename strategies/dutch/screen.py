"""Thousands of events at once: which of them could pay at all, judged at their best prices.

A basket whose best prices with model fees already cost what it pays cannot earn anything at any size: depth only gets
dearer and rounding only adds. So one table of all-in prices and two sums per event sort out nearly everything, and
``best_basket`` judges the survivors exactly. The table is rounded *down*, so the screen may keep an event that does not
pay but never drops one that does.

Prices in 1/10,000 dollar; all-in costs in 1/1,000,000 of that, per contract of the basket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Side
from markets.fees import FeeSchedule
from strategies.dutch.basket import PPM, Kind, LegMarket

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


def screen(universe: Universe, kinds: Iterable[Kind], margin_ppm: int = 0, near_ppm: int = 0) -> Screened:
    """Who could pay. ``margin_ppm``: least margin asked for. ``near_ppm``: also keep whoever is this near to it.

    Coverage baskets depend on probabilities and are not sorted out here: with that kind every exclusive event with a
    price on each outcome is kept unless no single leg is offered below its fair share (see ``_coverage``).
    """
    asked = frozenset(kinds)
    table = all_in_by_bid(universe.rates).ravel()
    row = universe.rate * (DOLLAR_PRICE + 1)
    yes_cost, no_cost = table[row + universe.no_bid], table[row + universe.yes_bid]
    first = universe.starts[:-1]
    legs = np.diff(universe.starts)
    yes_sum = np.add.reduceat(yes_cost, first)
    # For a margin m the profit must be m x cost: weigh the cost, keep the payout.
    weight = PPM + margin_ppm - near_ppm
    gain = np.maximum(DOLLAR_FINE - no_cost * weight // PPM, 0)
    gains = np.add.reduceat(gain, first)
    useful = np.add.reduceat((gain > 0).astype(np.int64), first)
    yes_over, no_over = yes_sum * weight // PPM - DOLLAR_FINE, DOLLAR_FINE - gains
    keep = np.zeros(len(first), dtype=np.bool_)
    if Kind.ALL_YES in asked:
        keep |= (yes_over < 0) & universe.certified
    if Kind.ALL_NO in asked:
        keep |= (no_over < 0) & (useful >= 2)
    if Kind.COVERAGE in asked:
        keep |= np.ones(len(first), dtype=np.bool_)
    return Screened(yes_over, no_over, keep & universe.exclusive & (legs >= 2))


def pack(events: Sequence[tuple[Sequence[LegMarket], bool, bool]]) -> Universe:
    """A universe from (legs, exclusive, certified) of each event; every event must have a leg."""
    rates: dict[int, int] = {}
    starts, yes, no, rate = [0], [], [], []
    for legs, _, _ in events:
        if not legs:
            raise ValueError("an event without a leg cannot be screened")
        for leg in legs:
            yes.append(leg.depth.best_bid(Side.YES) or 0)
            no.append(leg.depth.best_bid(Side.NO) or 0)
            rate.append(rates.setdefault(_rate(leg.fees), len(rates)))
        starts.append(len(yes))
    return Universe(
        np.array(starts, dtype=np.int64),
        np.array(yes, dtype=np.int64),
        np.array(no, dtype=np.int64),
        np.array(rate, dtype=np.int64),
        tuple(rates),
        np.array([exclusive for _, exclusive, _ in events], dtype=np.bool_),
        np.array([certified for _, _, certified in events], dtype=np.bool_),
    )


def _rate(fees: FeeSchedule) -> int:
    return fees.rate_e10()
