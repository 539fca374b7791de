"""Floors and payoffs of random baskets over random state lists against every settlement written out: exact integers, by arrays.

Many baskets are paid at once over the rows of a matrix (``dutch_settlements``).
"""

from collections.abc import Iterator

import numpy as np
import pytest
from dutch_settlements import Matrix, random_state, settlements

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Side
from markets.terms.states import Holding, State, StateKind, StateList, floor, listed_states, winner
from strategies.dutch.payoff import conditional_of, floor_of, payoff

TICKERS = tuple("ABCDEF")


def random_list(dice: np.random.Generator) -> StateList:
    outcomes = TICKERS[: dice.integers(1, len(TICKERS) + 1)]
    others = [random_state(dice, outcomes) for _ in range(dice.integers(4))]
    if dice.random() < 0.2:
        return StateList(outcomes, (winner(*outcomes[: dice.integers(1, len(outcomes) + 1)]), *others))
    if others and dice.random() < 0.2:
        return StateList(outcomes, tuple(others))
    return listed_states(outcomes, certified=bool(dice.random() < 0.5), others=others)


def random_counts(dice: np.random.Generator, baskets: int, columns: int) -> tuple[Matrix, Matrix]:
    """(YES, NO) counts of each outcome, many of them nothing and some of them equal."""
    shape = (2, baskets, columns)
    counts = np.where(dice.random(shape) < 0.3, 100, dice.integers(1, 5_000, shape))
    counts[dice.random(shape) < 0.5] = 0
    counts[dice.integers(2), dice.random(baskets) < 0.4] = 0
    return counts[0], counts[1]


def held(outcomes: tuple[str, ...], yes: list[int], no: list[int], in_two: bool) -> list[Holding]:
    """The basket as the product takes it. ``in_two``: each leg is held in two parts."""
    legs: list[Holding] = [(t, Side.YES, count) for t, count in zip(outcomes, yes, strict=True) if count]
    legs += [(t, Side.NO, count) for t, count in zip(outcomes, no, strict=True) if count]
    return [(t, side, part) for t, side, n in legs for part in (n // 3, n - n // 3)] if in_two else legs


def expected(states: StateList, yes: Matrix, no: Matrix) -> Iterator[tuple[State, np.ndarray]]:
    """For each state, a winner outcome by outcome, the least that each basket is paid."""
    for state in states.states:
        worth = settlements(state, states.outcomes)
        paid = yes @ worth.T + no @ (DOLLAR_PRICE - worth).T
        if state.kind is StateKind.WINNER:
            yield from ((state, paid[:, i]) for i in range(len(worth)))
        else:
            yield state, paid.min(axis=1)


def check(seed: int, baskets: int) -> int:
    """Compares ``baskets`` random baskets over one random list; how many payouts were compared."""
    dice = np.random.default_rng(seed)
    states = random_list(dice)
    yes, no = random_counts(dice, baskets, len(states.outcomes))
    wanted = list(expected(states, yes, no))
    table = np.array([pays for _, pays in wanted]).T.tolist()
    winners = [i for i, (state, _) in enumerate(wanted) if state.kind is StateKind.WINNER]
    for at, (some_yes, some_no) in enumerate(zip(yes.tolist(), no.tolist(), strict=True)):
        legs = held(states.outcomes, some_yes, some_no, in_two=at % 5 == 0)
        vector, pays = payoff(legs, states), table[at]
        assert [int(money) for _, money in vector] == pays, f"seed {seed}, basket {at}: {legs} of {states}"
        assert floor(legs, states) == floor_of(vector) == min(pays), f"seed {seed}, basket {at}"
        covered = {t for t, count in zip(states.outcomes, some_yes, strict=True) if count}
        wins = [pays[i] for i in winners if vector[i][0].among[0] in covered]
        assert conditional_of(vector, covered) == min(wins, default=0), f"seed {seed}, basket {at}"
    return baskets * sum(len(settlements(state, states.outcomes)) for state in states.states)


def test_floors_are_the_least_over_all_settlements_written_out() -> None:
    assert sum(check(seed, 10) for seed in range(500)) > 50_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_floors_of_a_million_baskets_are_the_least_over_all_settlements() -> None:
    assert sum(check(seed, 50) for seed in range(500, 20_500)) > 10_000_000
