"""Two fee engines written apart (``markets/fees.py`` and ``simulator/matching/fees.py``) charge every fill the same, to the micro-dollar.

Orders are random: one to eight fills, both grids, every fee type and usual multiplier, taker and maker fills mixed within
one order, purchases and sales of either side, fractional counts, prices on every grid. The accumulator of an order is
carried by each engine for itself, so a difference in one fill would show in those after it.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from kalbot.common.units import DOLLAR_PRICE
from markets.fees import CENT_GRID, DIRECT_GRID, RATES, FeeSchedule, OrderFees
from simulator.matching.fees import GRID_CLEARED, GRID_DIRECT, FeeTerms, fill_fee
from simulator.matching.fees import RATES as THEIR_RATES

FILLS = 100_000
MULTIPLIERS = (0, 1, 2_500, 5_000, 7_777, 10_000, 12_500, 20_000)
"""In 1/10,000, the finest that the exchange's data has shown."""
GRIDS = ((DIRECT_GRID, GRID_DIRECT), (CENT_GRID, GRID_CLEARED))
STEPS = (1, 10, 50, 100)
_CORNERS = list(itertools.product((True, False), (True, False), ("yes", "no"), (True, False)))


def _price(rng: random.Random) -> int:
    """Any tradable price, those of coarse grids as often as those of fine ones."""
    step = rng.choice(STEPS)
    return rng.randrange(step, DOLLAR_PRICE, step)


def _count(rng: random.Random) -> int:
    """1/100 contract: crumbs, whole contracts and large sizes."""
    return rng.choice((rng.randint(1, 99), 100 * rng.randint(1, 50), rng.randint(1, 5_000_000)))


def test_both_know_the_same_fee_types_and_grids() -> None:
    assert RATES == THEIR_RATES
    assert all(int(ours) == theirs for ours, theirs in GRIDS)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_hundred_thousand_random_fills_cost_the_same_in_both_engines(seed: int) -> None:
    rng, seen, fills = random.Random(seed), Counter[tuple[object, ...]](), 0
    while fills < FILLS // 2:
        kind, multiplier, (our_grid, their_grid) = rng.choice(list(RATES)), rng.choice(MULTIPLIERS), rng.choice(GRIDS)
        at_step, side, buys = rng.random() < 0.5, rng.choice(("yes", "no")), rng.random() < 0.5
        ours = OrderFees(FeeSchedule(kind, multiplier * 100, our_grid, at_step))
        terms, carried, total = FeeTerms(kind, multiplier), 0, 0
        for _ in range(rng.randint(1, 8)):
            price, count, taker = _price(rng), _count(rng), rng.random() < 0.6
            yes_price = price if side == "yes" else DOLLAR_PRICE - price
            cash = -price * count if buys else price * count
            theirs = fill_fee(terms, yes_price, count, taker, cash, carried, their_grid, at_step)
            carried, total, fills = theirs.accumulator, total + theirs.net, fills + 1
            assert ours.add(price, count, buys=buys, is_taker=taker) == theirs.net, (terms, side, buys, price, count)
            assert ours.carried == carried
            seen[kind, their_grid, taker, buys, side, theirs.rebate > 0] += 1
        assert ours.total == total
    kinds = {(k, grid, t, b, s, r) for k in RATES for grid in (GRID_DIRECT, GRID_CLEARED) for t, b, s, r in _CORNERS}
    free = {kind for kind in kinds if kind[0] == "quadratic" and not kind[2] and kind[5]}
    assert set(seen) == kinds - free, "all kinds of fills were met; only where nothing is charged is nothing given back"
