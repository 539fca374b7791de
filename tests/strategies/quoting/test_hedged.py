"""Legs that rest while the others are taken when one fills: whatever fills before that, budget and margin are kept."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from kalbot.common.units import CONTRACT, PPM, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule, most_fees
from markets.terms.states import listed_states
from strategies.dutch.basket import LegMarket
from strategies.quoting import hedged
from strategies.quoting.hedged import Aim
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.resting import Bids
from strategies.quoting.synthetic import bid_cost

COUNT = Count(3 * CONTRACT)


def _event(rng: Random) -> list[LegMarket]:
    """NO bids and asks around prices that add up to a little more than the event pays; now and then a side is missing."""
    outcomes = rng.randrange(2, 5)
    weights = [rng.random() + 0.1 for _ in range(outcomes)]
    legs = []
    for n, weight in enumerate(weights):
        no = round(100 - 100 * weight / sum(weights))
        bid, ask = no - rng.randrange(1, 5), no + rng.randrange(0, 3)
        bids = [(bid * 100, rng.randrange(50, 900))] if 0 < bid < 100 and rng.random() > 0.05 else []
        asks = [((100 - ask) * 100, rng.randrange(50, 900))] if bid < ask < 100 and rng.random() > 0.05 else []
        fees = FeeSchedule(rng.choice(("quadratic", "quadratic_with_maker_fees")))
        legs.append(LegMarket(f"L{n}", Depth.of(asks, bids), fees))
    return legs


@pytest.mark.parametrize("only", ["", "L0"])
def test_whatever_fills_first_orphans_stay_inside_the_budget_and_the_hedged_basket_keeps_its_margin(only: str) -> None:
    rested = 0
    for seed in range(400):
        rng = Random(seed)
        legs = _event(rng)
        states = listed_states([leg.ticker for leg in legs], certified=True)
        aim = Aim(Side.NO, COUNT, rng.choice((0, 5_000, 20_000)), Money(rng.choice((2, 5, 50)) * 1_000_000), only)
        found = hedged.bids(legs, states, aim)
        if isinstance(found, Refused):
            continue
        rested += 1
        assert set(found.bids) <= ({only} if only else {leg.ticker for leg in legs})
        floor = (len(legs) - 1) * 10_000 * COUNT
        for filled in product(*[(0, 1, 150, int(COUNT)) if leg.ticker in found.bids else (0,) for leg in legs]):
            if not any(filled):
                continue
            costs = [
                bid_cost(leg.fees, found.bids[leg.ticker][0], count) if count else 0
                for leg, count in zip(legs, filled, strict=True)
            ]
            assert min(filled) or sum(costs) <= aim.budget
            if max(filled) < COUNT:
                continue  # the hedge of less is planned again for what filled
            for leg, count in zip(legs, filled, strict=True):
                limit, lacks = found.limits[leg.ticker], COUNT - count
                if lacks:
                    assert sum(size for price, size in leg.depth.asks(Side.NO) if price <= limit) >= lacks
                    costs.append(limit * lacks + most_fees(leg.fees, [(limit, lacks)]))
            # fees of a fill in two parts are rounded twice, by less than a hundredth of a cent each
            assert (floor - sum(costs)) * PPM >= aim.margin_ppm * sum(costs) - len(legs) * 200 * PPM
    assert rested > 20


def test_what_rests_already_is_chosen_before_what_would_be_better_and_keeps_its_price() -> None:
    prices = [(5_500, 6_400), (5_800, 6_600), (6_400, 7_200)]
    legs = [
        LegMarket(f"L{n}", Depth.of([(10_000 - ask, 1_000)], [(bid, 1_000)]), FeeSchedule())
        for n, (bid, ask) in enumerate(prices)
    ]
    states = listed_states([leg.ticker for leg in legs], certified=True)
    aim = Aim(Side.NO, COUNT, 0, Money(2_000_000))
    assert _bids(hedged.bids(legs, states, aim)) == {"L0": (5_600, COUNT)}
    assert _bids(hedged.bids(legs, states, aim, {"L2": Price(6_450)})) == {"L2": (6_450, COUNT)}
    refused = hedged.bids(legs, states, Aim(Side.NO, COUNT, 0, Money(1_000_000)))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.distance) == (NoQuote.ORPHANS, -(-680_000 // COUNT))


def _bids(found: hedged.Hedged | Refused) -> Bids:
    assert not isinstance(found, Refused)
    return found.bids
