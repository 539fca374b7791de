"""Settlements written out one by one, as rows of a matrix: from the words of ``markets.terms.states``, without its arithmetic."""

from functools import cache
from itertools import combinations, product

import numpy as np

from kalbot.common.units import Price
from markets.terms.states import State, StateKind, any_no, none, scalar, several, split, void

Matrix = np.ndarray[tuple[int, int], np.dtype[np.int64]]


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
