"""Floors over settlement states in closed form. Random lists are in ``tests/strategies/dutch/test_floors.py``."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from kalbot.common.units import CONTRACT, DOLLAR, Price
from markets.book import Side
from markets.terms.grades import Grade, grade_of, lower
from markets.terms.states import (
    Holding,
    State,
    StateError,
    StateKind,
    StateList,
    any_no,
    floor,
    floor_over,
    listed_states,
    none,
    payoffs,
    scalar,
    several,
    split,
    void,
    winner,
)

ONE = CONTRACT


def yes(*outcomes: str, count: int = ONE) -> list[Holding]:
    return [(t, Side.YES, count) for t in outcomes]


def no(*outcomes: str, count: int = ONE) -> list[Holding]:
    return [(t, Side.NO, count) for t in outcomes]


ABC = ("A", "B", "C")


@pytest.mark.parametrize(
    "state, yes_pays, no_pays",
    [
        (winner(), 1, 2),
        (none(), 0, 3),
        (several(2), 2, 1),
        (several(3), 2, 0),
        (split(2), 1, 2),
        (split(3, value=Price(5_000)), 1.5, 1.5),
        (any_no(), 0, 2),
        (scalar(3), 0, 0),
        (void(3), 0, 0),
    ],
)
def test_a_contract_of_every_outcome_pays_what_the_state_says(state: State, yes_pays: float, no_pays: float) -> None:
    states = StateList(ABC, (state,))
    assert floor(yes(*ABC), states) == yes_pays * DOLLAR
    assert floor(no(*ABC), states) == no_pays * DOLLAR


def test_a_third_of_a_dollar_is_rounded_against_us_on_either_side() -> None:
    states = StateList(ABC, (split(3),))
    assert floor(yes(*ABC), states) == 990_000
    assert floor(no(*ABC), states) == 3 * 660_000


def test_no_with_unequal_counts_pays_all_but_the_largest() -> None:
    legs: list[Holding] = [("A", Side.NO, 3_000), ("B", Side.NO, 3_000), ("C", Side.NO, 1_000)]
    assert floor(legs, listed_states(ABC, certified=False)) == 40 * DOLLAR


def test_both_sides_of_a_market_pay_a_dollar_in_a_void() -> None:
    states = StateList(ABC, (void(3),))
    assert floor([*yes("A"), *no("A", count=2 * ONE)], states) == DOLLAR


def test_three_hundred_outcomes_of_which_any_subset_may_lose_have_a_floor() -> None:
    outcomes = tuple(f"M{i}" for i in range(300))
    states = StateList(outcomes, (winner(), any_no(), several(300), void(300)))
    assert floor(yes(*outcomes), StateList(outcomes, (winner(),))) == DOLLAR
    assert floor(yes(*outcomes), states) == 0
    assert floor(no(*outcomes), StateList(outcomes, (winner(), any_no()))) == 299 * DOLLAR


def test_events_settle_independently_so_floors_add() -> None:
    first, second = listed_states(("A", "B"), certified=True), listed_states(("C", "D"), certified=True)
    assert floor_over([*yes("A", "B"), *no("C", "D")], [first, second]) == 2 * DOLLAR
    with pytest.raises(StateError):
        floor_over(yes("A"), [first, first])


def test_payoffs_spell_out_each_winner() -> None:
    found = payoffs(yes("A"), listed_states(ABC, certified=False, others=[void(3)]))
    assert [(s.kind, s.among, paid) for s, paid in found] == [
        (StateKind.WINNER, ("A",), DOLLAR),
        (StateKind.WINNER, ("B",), 0),
        (StateKind.WINNER, ("C",), 0),
        (StateKind.NONE, (), 0),
        (StateKind.VOID, (), 0),
    ]
    assert all(state.words({"A": "Alphas"}) for state, _ in found)


@pytest.mark.parametrize("legs", [yes("Z"), yes("A", count=-1)], ids=["unlisted", "negative"])
def test_legs_that_the_list_says_nothing_about_have_no_floor(legs: list[Holding]) -> None:
    with pytest.raises(StateError):
        floor(legs, listed_states(ABC, certified=True))


def test_a_stored_list_comes_back_the_same() -> None:
    states = StateList(ABC, (winner("A", "B"), none("No data."), several(3), split(3), any_no(), scalar(3), void(3)))
    assert StateList.from_json(json.loads(json.dumps(states.to_json()))) == states


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"states": []},
        {"outcomes": []},
        {"outcomes": ["A", "A"]},
        {"states": [{"kind": "winner"}]},
        {"states": [listed_states(ABC, certified=True).to_json()["states"][0] | {"kind": "coin toss"}]},
        {"states": [listed_states(ABC, certified=True).to_json()["states"][0] | {"low": "0.5"}]},
        {"states": [listed_states(ABC, certified=True).to_json()["states"][0] | {"most": 4}]},
        {"states": [listed_states(ABC, certified=True).to_json()["states"][0] | {"among": ["Z"]}]},
        {"states": None},
    ],
    ids=str,
)
def test_a_stored_list_that_is_not_whole_is_refused(change: dict[str, object]) -> None:
    stored = listed_states(ABC, certified=True).to_json()
    with pytest.raises(StateError):
        StateList.from_json(stored | change)


def test_a_grade_needs_more_than_cost_and_fee_bound() -> None:
    assert grade_of(100, 90, 9, Grade.GUARANTEED) is Grade.GUARANTEED
    assert grade_of(100, 90, 10, Grade.GUARANTEED) is Grade.CONDITIONAL
    assert grade_of(100, 90, 9, Grade.IF_DETERMINED) is Grade.IF_DETERMINED


def test_grades_are_ordered_and_have_one_label_each() -> None:
    assert [grade.label for grade in Grade] == ["guaranteed", "guaranteed if determined", "conditional"]
    for stronger, weaker in combinations(Grade, 2):
        assert stronger.meets(weaker)
        assert not weaker.meets(stronger)
        assert lower(stronger, weaker) is lower(weaker, stronger) is weaker
