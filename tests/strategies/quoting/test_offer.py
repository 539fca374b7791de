"""The quote of an event: the largest size that books and limits allow, or the one reason for none."""

from __future__ import annotations

import pytest

from kalbot.common.units import CONTRACT, DOLLAR, Count, Money
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.states import StateList, listed_states
from strategies.dutch.basket import LegMarket
from strategies.quoting.offer import Offer, QuoteLimits, Way, best
from strategies.quoting.refusal import NoQuote, Refused

LEGS = [
    # NO bids 0.55 / 0.58 / 0.64, NO asks 0.64 / 0.66 / 0.72: taking all costs 2.02 and pays 2
    LegMarket("A", Depth.of([(3_600, 5_000)], [(5_500, 5_000)]), FeeSchedule()),
    LegMarket("B", Depth.of([(3_400, 400)], [(5_800, 5_000)]), FeeSchedule()),
    LegMarket("C", Depth.of([(2_800, 5_000)], [(6_400, 5_000)]), FeeSchedule()),
]
STATES = listed_states(["A", "B", "C"], certified=True)


def _limits(**changes: int) -> QuoteLimits:
    given = {
        "count": 1_000,
        "step": CONTRACT,
        "margin_ppm": 5_000,
        "max_cost": 200 * DOLLAR,
        "max_leg_cost": 200 * DOLLAR,
        "orphan_budget": 20 * DOLLAR,
    } | changes
    return QuoteLimits(
        Count(given["count"]),
        Count(given["step"]),
        given["margin_ppm"],
        Money(given["max_cost"]),
        Money(given["max_leg_cost"]),
        Money(given["orphan_budget"]),
    )


def test_all_legs_rest_at_their_best_bids() -> None:
    found = best(LEGS, STATES, Way.ALL_LEGS, Side.NO, _limits())
    assert isinstance(found, Offer)
    assert [(leg.ticker, leg.limit_price, leg.count) for leg in found.legs] == [
        ("A", 5_500, 1_000),
        ("B", 5_800, 1_000),
        ("C", 6_400, 1_000),
    ]
    assert found.pays == 20 * DOLLAR
    assert found.cost < found.most_cost <= 20 * DOLLAR * 1_000 // 1_005
    assert found.orphans == int(12.2 * DOLLAR)


def test_one_leg_rests_no_larger_than_the_others_can_be_taken() -> None:
    found = best(LEGS, STATES, Way.ONE_LEG, Side.NO, _limits())
    assert isinstance(found, Offer)
    if found.leg != "B":
        assert found.count <= 400
    resting = next(leg for leg in found.legs if leg.ticker == found.leg)
    assert found.orphans == resting.cost
    assert found.margin_ppm >= 5_000


@pytest.mark.parametrize("way", list(Way))
def test_the_orphan_budget_and_the_capital_make_it_smaller_and_then_refuse(way: Way) -> None:
    small = best(LEGS, STATES, way, Side.NO, _limits(orphan_budget=2 * DOLLAR))
    assert isinstance(small, Offer)
    assert small.orphans <= 2 * DOLLAR
    cheap = best(LEGS, STATES, way, Side.NO, _limits(max_cost=5 * DOLLAR))
    assert isinstance(cheap, Offer)
    assert cheap.most_cost <= 5 * DOLLAR
    refused = best(LEGS, STATES, way, Side.NO, _limits(orphan_budget=DOLLAR // 2))
    assert isinstance(refused, Refused)
    assert refused.reason is NoQuote.ORPHANS
    for limit in ("max_cost", "max_leg_cost"):
        refused = best(LEGS, STATES, way, Side.NO, _limits(**{limit: DOLLAR // 2}))
        assert isinstance(refused, Refused)
        assert refused.reason is NoQuote.COST


@pytest.mark.parametrize(
    ("states", "margin", "reason"),
    [(None, 5_000, NoQuote.STATES), (STATES, 400_000, NoQuote.PAIR)],
)
def test_without_certificate_or_margin_nothing_rests(states: StateList | None, margin: int, reason: NoQuote) -> None:
    refused = best(LEGS, states, Way.ALL_LEGS, Side.NO, _limits(margin_ppm=margin))
    assert isinstance(refused, Refused)
    assert refused.reason is reason
