"""Floors and payoffs of random baskets over random state lists against every settlement written out: exact integers, by arrays.

A list's settlements are rows of a matrix, made from the words of ``markets.terms.states`` alone, over which many baskets are paid at once.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest

from kalbot.common.units import DOLLAR_PRICE, Price
from markets.book import Side
from markets.terms.states import (
    Holding,
    State,
    StateKind,
    StateList,
    any_no,
    floor,
    listed_states,
    none,
    scalar,
    several,
    split,
    void,
    winner,
)
from strategies.dutch.payoff import conditional_of, floor_of, payoff

Matrix = np.ndarray[tuple[int, int], np.dtype[np.int64]]
TICKERS = tuple("ABCDEF")


@cache
def rows(columns: int, least: int, most: int, values: tuple[int, ...], among: tuple[int, ...]) -> Matrix:
    """Every settlement of one state: ``least`` to ``most`` of the markets ``among`` at one of the ``values`` each, the others at
    nothing. A payoff is linear in each value, so the two ends of a range are enough."""
    written = [
        [dict(zip(chosen, worth, strict=True)).get(column, 0) for column in range(columns)]
        for size in range(least, most + 1)
        for chosen in combinations(among, size)
        for worth in product(values, repeat=size)
    ]
    return np.array(written, dtype=np.int64).reshape(-1, columns)


def settlements(state: State, outcomes: tuple[str, ...]) -> Matrix:
    among = tuple(outcomes.index(ticker) for ticker in state.among or outcomes)
    ends = tuple(sorted({int(state.low), int(state.high)}))
    return rows(len(outcomes), state.least, state.most, ends, among)


def random_state(dice: np.random.Generator, outcomes: tuple[str, ...]) -> State:
    """One of the named states, or one with numbers of its own."""
    count = len(outcomes)
    named = [
        none("no figure"),
        split(int(dice.integers(1, count + 1)), "a tie"),
        split(count, "all of them", Price(int(dice.choice((5_000, 10_000 // count))))),
        any_no(int(dice.integers(1, count + 1)), "per strike"),
        several(count, "each of the tied", least=min(2, count)),
        scalar(count, "by formula"),
        void(count, "fair price"),
    ]
    if dice.random() < 0.6:
        return named[dice.integers(len(named))]
    among = tuple(str(t) for t in dice.permutation(outcomes)[: dice.integers(1, count + 1)])
    most = int(dice.integers(len(among) + 1))
    high = int(dice.choice((10_000, 10_000, 5_000, 3_400, 100)))
    low = int(dice.choice((high, high, int(dice.integers(high + 1)))))
    kind = list(StateKind)[dice.integers(1, len(StateKind))]
    return State(kind, int(dice.integers(most + 1)), most, Price(low), Price(high), among)


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
