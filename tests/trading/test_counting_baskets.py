"""Counting whole baskets and pricing what is left of them, against definitions that try every number."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from strategies.models import Decision, Profile
from trading.execution.sizing import baskets
from trading.models import Leg

SMALL = list(product(range(1, 6), range(1, 6), range(9)))
"""(a leg's target, the baskets that it is for, what it has)."""


def _leg(target: int, bought: int, sold: int = 0, settled: int = 0) -> Leg:
    return Leg(target_count=target, bought_count=bought, sold_count=sold, settled_count=settled)


def _suffices(filled: int, leg_target: int, target: int, count: int) -> bool:
    return Fraction(count * leg_target, target) <= filled


def test_whole_baskets_are_the_most_that_a_leg_suffices_for() -> None:
    for leg_target, target, filled in SMALL:
        wanted = max(n for n in range(target + 1) if _suffices(filled, leg_target, target, n))
        assert baskets.whole(filled, leg_target, target) == wanted, (filled, leg_target, target)


def test_what_baskets_need_of_a_leg_is_the_least_that_suffices() -> None:
    for leg_target, target, count in SMALL:
        wanted = min(n for n in range(99) if _suffices(n, leg_target, target, count))
        assert baskets.needed(count, leg_target, target) == wanted, (count, leg_target, target)


def test_excess_and_lack_of_a_leg_are_what_it_keeps_beside_what_the_baskets_need() -> None:
    for bought, sold, settled, count in product((0, 3, 7), (0, 2, 3), (0, 1, 4), (0, 1, 2, 4)):
        if sold + settled > bought:
            continue
        leg, need = _leg(6, bought, sold, settled), baskets.needed(count, 6, 4)
        assert baskets.kept(leg) == bought - sold, "what has settled belongs to its baskets"
        assert baskets.excess(leg, count, 4) == min(bought - sold - settled, max(0, bought - sold - need))
        assert baskets.missing(leg, count, 4) == max(0, need - (bought - sold))


def test_the_least_leg_decides_what_is_whole_and_the_fullest_what_could_be() -> None:
    legs = [_leg(6, 5), _leg(4, 3), _leg(4, 4, 2)]
    assert [baskets.whole(baskets.kept(leg), leg.target_count, 4) for leg in legs] == [3, 3, 2]
    assert baskets.matched(legs, 4) == 2
    assert baskets.most(legs, 4) == 4, "five of six need a fourth basket"
    assert baskets.most(legs[1:], 4) == 3
    assert baskets.most([_leg(4, 9)], 4) == baskets.matched([_leg(4, 9)], 4) == 4, "never more than was wanted"
    assert baskets.matched([], 4) == baskets.most([], 4) == 0


def test_a_basket_pays_its_share_of_the_floor_and_a_bet_what_a_covered_outcome_pays() -> None:
    decision = Decision(kind="all_yes", count=300, floor=1_000, conditional=5_000)
    assert [baskets.pays(decision, count) for count in (0, 1, 100, 299, 300)] == [0, 3, 333, 996, 1_000]
    decision.kind = "coverage"
    assert baskets.pays(decision, 150) == 2_500


WORTH = (
    # cost, least profit, margin, of a new basket, of one under way
    (900, 100, 0, True, True),
    (901, 100, 0, False, True),
    (1_000, 0, 0, False, False),
    (999, 0, 0, True, True),
    (1_000, -1, 0, True, True),
    (1_000, -1, 1, False, False),
    (1_001, -1, -1_000, True, True),
    (1_001, -1, -999, False, False),
    (1_002, -1, -2_000, False, True),
    (800, 1, 250_000, True, True),
    (800, 1, 250_001, False, False),
    (801, 1, 250_000, False, False),
)


def test_a_basket_is_worth_it_from_its_margin_on_and_a_new_one_from_the_least_profit_on() -> None:
    decision = Decision(kind="all_yes", count=100, floor=1_000)
    for cost, least_profit, margin_ppm, new, under_way in WORTH:
        profile = Profile(min_profit=least_profit, min_margin_ppm=margin_ppm)
        found = [baskets.still_worth(decision, profile, 100, cost, whole_plan=whole) for whole in (True, False)]
        assert found == [new, under_way], (cost, least_profit, margin_ppm)
