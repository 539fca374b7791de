"""Floors and payoffs of random baskets over random state lists against every settlement written out one by one."""

import random
from itertools import combinations, product

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
)
from strategies.dutch.payoff import conditional_of, floor_of, payoff

TICKERS = ("A", "B", "C", "D", "E")


def random_states(rng: random.Random, outcomes: int) -> StateList:
    """A certificate's list for this many outcomes: one winner, and any of the other states."""
    possible = (
        none("no figure"),
        several(rng.randint(2, outcomes), "each of the tied"),
        split(2, "a tie"),
        split(outcomes, "all of them", Price(rng.choice((5_000, 10_000 // outcomes)))),
        any_no(1, "per strike"),
        scalar(outcomes, "by formula"),
        void(outcomes, "fair price"),
    )
    others = [state for state in possible if rng.random() < 0.25]
    return listed_states(TICKERS[:outcomes], certified=rng.random() < 0.5, others=others)


def settlements(state: State, outcomes: tuple[str, ...]) -> list[dict[str, int]]:
    """Every settlement of a state: which markets are chosen, and at which end of its range each settles. What a basket pays is
    linear in each value, so the least lies at an end."""
    return [
        dict.fromkeys(outcomes, 0) | dict(zip(chosen, values, strict=True))
        for k in range(state.least, state.most + 1)
        for chosen in combinations(state.among or outcomes, k)
        for values in product({int(state.low), int(state.high)}, repeat=k)
    ]


def paid(held: list[Holding], values: dict[str, int]) -> int:
    return sum(count * (values[t] if side is Side.YES else DOLLAR_PRICE - values[t]) for t, side, count in held)


def check(seed: int) -> int:
    """Settlements compared."""
    rng = random.Random(seed)
    outcomes = rng.randint(2, 5)
    states = random_states(rng, outcomes)
    held: list[Holding] = [
        (rng.choice(states.outcomes), rng.choice((Side.YES, Side.NO)), rng.choice((100, rng.randint(1, 5_000))))
        for _ in range(rng.randint(1, outcomes + 1))
    ]
    every = {state: [paid(held, values) for values in settlements(state, states.outcomes)] for state in states.states}
    least = min(min(payments) for payments in every.values())
    vector = payoff(held, states)
    assert floor(held, states) == floor_of(vector) == least, f"seed {seed}"
    for state, pays in vector:
        if state.kind is StateKind.WINNER:
            assert pays == paid(held, dict.fromkeys(states.outcomes, 0) | {state.among[0]: DOLLAR_PRICE}), (
                f"seed {seed}"
            )
        else:
            assert pays == min(every[state]), f"seed {seed}: {state}"
    covered = [t for t, side, _ in held if side is Side.YES]
    wins = [paid(held, dict.fromkeys(states.outcomes, 0) | {t: DOLLAR_PRICE}) for t in covered]
    assert conditional_of(vector, covered) == min(wins, default=0), f"seed {seed}"
    return sum(map(len, every.values()))


def test_floors_are_the_least_over_all_settlements_written_out() -> None:
    assert sum(check(seed) for seed in range(5_000)) > 50_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_floors_of_a_million_baskets_are_the_least_over_all_settlements() -> None:
    assert sum(check(seed) for seed in range(5_000, 1_005_000)) > 10_000_000
