"""Payoffs over every settlement state, by example."""

from collections.abc import Sequence

import pytest

from kalbot.common.units import parse_money
from markets.book import Side
from markets.terms.special_settlements import ORDINARY, SettlementTerms
from markets.terms.states import Holding, none, split
from strategies.dutch.payoff import (
    Payoff,
    conditional_of,
    expected_of,
    floor_of,
    loss_states,
    payoff,
    settlement_states,
)

THREE = ("A", "B", "C")


def vector(held: Sequence[Holding], certified: bool = True, terms: SettlementTerms = ORDINARY) -> Payoff:
    return payoff(held, settlement_states(THREE, certified=certified, terms=terms))


def test_yes_on_all_pays_a_dollar_if_one_must_win() -> None:
    assert floor_of(vector([(t, Side.YES, 100) for t in THREE])) == parse_money("1")


def test_yes_on_all_pays_nothing_if_nobody_wins() -> None:
    held = [(t, Side.YES, 100) for t in THREE]
    assert floor_of(vector(held, certified=False)) == 0
    assert floor_of(vector(held, terms=SettlementTerms(nobody=True))) == 0
    assert loss_states(vector(held, certified=False), 1) == ((none(), 0),)


@pytest.mark.parametrize("legs", [2, 3])
def test_no_on_k_outcomes_pays_k_less_one_whether_or_not_somebody_wins(legs: int) -> None:
    held = [(t, Side.NO, 100) for t in THREE[:legs]]
    for certified in (True, False):
        assert floor_of(vector(held, certified)) == parse_money(str(legs - 1))
        assert conditional_of(vector(held, certified), THREE[:legs]) == parse_money(str(legs - 1))


def test_a_split_tie_pays_half_on_each_side() -> None:
    two = settlement_states(("A", "B"), certified=True, terms=SettlementTerms(split=True))
    assert floor_of(payoff([("A", Side.YES, 100), ("B", Side.YES, 100)], two)) == parse_money("1")
    assert floor_of(payoff([("A", Side.NO, 100), ("B", Side.NO, 100)], two)) == parse_money("1")
    # Covering one side only, a tie pays half.
    tie = dict(payoff([("A", Side.YES, 100)], two))[split(2)]
    assert tie == parse_money("0.5")


def test_a_void_can_pay_nothing_unless_both_sides_of_a_market_are_held() -> None:
    void = SettlementTerms(void=True)
    assert floor_of(vector([(t, Side.YES, 100) for t in THREE], terms=void)) == 0
    assert floor_of(vector([(t, Side.NO, 100) for t in THREE], terms=void)) == 0
    assert floor_of(vector([("A", Side.YES, 70), ("A", Side.NO, 100)], terms=void)) == parse_money("0.7")


def test_expected_uses_the_remainder_for_nobody_wins() -> None:
    held = [(t, Side.YES, 100) for t in THREE]
    assert expected_of(vector(held, certified=False), {"A": 0.5, "B": 0.2, "C": 0.1}) == pytest.approx(800_000)
    no = [(t, Side.NO, 100) for t in THREE]
    assert expected_of(vector(no, certified=False), {"A": 0.5, "B": 0.2, "C": 0.1}) == pytest.approx(2_200_000)


def test_an_outcome_listed_twice_or_a_negative_holding_is_an_error() -> None:
    with pytest.raises(ValueError, match="each once"):
        settlement_states(("A", "A"), certified=True)
    with pytest.raises(ValueError, match="negative"):
        vector([("A", Side.YES, -1)])
