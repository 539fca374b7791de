"""Large events against an integer programme: the search comes within rounding and one contract of the optimum."""

import random

import dutch_books
import dutch_oracle
import pytest

from markets.fees import FeeSchedule
from strategies.dutch.basket import Found, Kind, Limits
from strategies.dutch.search import best_basket

FEES = FeeSchedule()


def gap(seed: int) -> tuple[int, float, float]:
    """(profit found, optimum without rounding, what rounding and one contract can explain) of one large event."""
    rng = random.Random(seed)
    kind = rng.choice((Kind.ALL_YES, Kind.ALL_NO))
    legs = rng.randint(6, 14)
    offers = dutch_books.event(rng, kind, legs=legs, levels=10, most=400, fractional=rng.random() < 0.3)
    outcome = best_basket(dutch_books.markets(offers, kind, FEES), True, True, Limits(kinds=frozenset({kind})))
    profit = outcome.basket.profit if isinstance(outcome, Found) else 0
    rounding = sum(FEES.grid + len(leg) for leg in offers)
    return profit, dutch_oracle.best_by_program(offers, kind), rounding + one_contract(offers, kind)


def one_contract(offers: list[list[tuple[int, int]]], kind: Kind) -> float:
    """The most that one contract of the basket can earn: at the touch."""
    costs = [leg[0][0] * 100 * (1 + 0.07 * (1 - leg[0][0] / 10_000)) for leg in offers]
    if kind is Kind.ALL_YES:
        return max(0.0, 1_000_000 - sum(costs))
    return max(0.0, sum(max(0.0, 1_000_000 - cost) for cost in costs) - 1_000_000)


def run(seeds: range) -> None:
    paying = 0
    for seed in seeds:
        profit, optimum, explained = gap(seed)
        paying += profit > 0
        assert profit <= optimum + 1e-3, f"seed {seed}: better than the optimum"
        assert optimum - profit <= explained + 1e-3, (
            f"seed {seed}: {optimum - profit:.0f} short, {explained:.0f} explained"
        )
    assert paying > len(seeds) // 10


def test_search_reaches_the_optimum_of_large_books() -> None:
    run(range(60))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_search_reaches_the_optimum_of_2000_large_books() -> None:
    run(range(60, 2_060))
