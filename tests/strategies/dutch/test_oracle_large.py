"""Large events against an integer programme of its own: what is found comes within the rounding of fees of the optimum, and
never lies further from it than its gap says."""

import random
from typing import Any

import dutch_books
import dutch_oracle
import pytest

from kalbot.common.units import Money
from markets.fees import FeeSchedule
from strategies.dutch.basket import Found, Kind, Limits
from strategies.dutch.search import best_basket

FEES = FeeSchedule()
LIMITS: tuple[dict[str, Any], ...] = (
    {},
    {"max_cost": 20_000_000},
    {"max_cost": 200_000_000, "margin_ppm": 1_000},
    {"margin_ppm": 10_000},
    {"max_cost": 200_000_000, "max_legs": 5},
)


def check(seed: int, kind: Kind, legs: int, levels: int, limits: dict[str, Any]) -> float | None:
    """By how much (Money) the basket found misses the optimum of one large event; None where there is none."""
    rng = random.Random(seed)
    offers = dutch_books.event(rng, kind, legs=legs, levels=levels, most=400, fractional=False)
    rules = Limits(
        kinds=frozenset({kind}),
        max_cost=Money(limits["max_cost"]) if "max_cost" in limits else None,
        min_margin_ppm=limits.get("margin_ppm", 0),
        max_legs=limits.get("max_legs"),
        near_ppm=0,
    )
    outcome = best_basket(dutch_books.markets(offers, kind, FEES), True, True, rules)
    optimum = dutch_oracle.best_by_program(offers, kind, step=100, **limits)
    rounding = sum(FEES.grid + len(leg) for leg in offers)
    if not isinstance(outcome, Found):
        assert optimum <= rounding, f"seed {seed}: refused ({outcome.constraint}), but {optimum:.0f} exists"
        return None
    basket = outcome.basket
    missed = float(optimum - basket.profit)
    assert missed >= -1e-6 * optimum - 1, f"seed {seed}: {-missed:.0f} better than the optimum"
    assert missed <= basket.gap + rounding + 1, f"seed {seed}: {missed:.0f} short, the gap says {basket.gap}"
    assert missed <= rounding + 1e-3 * optimum, f"seed {seed}: {missed:.0f} of {optimum:.0f} short"
    return missed


def test_unequal_counts_reach_the_optimum_of_large_books_under_every_limit() -> None:
    missed = [check(seed, Kind.ALL_NO, 6 + seed % 9, 4, LIMITS[seed % len(LIMITS)]) for seed in range(40)]
    assert sum(m is not None for m in missed) > 15


def test_yes_on_every_outcome_reaches_the_optimum_of_large_books() -> None:
    missed = [check(seed, Kind.ALL_YES, 6 + seed % 9, 10, LIMITS[seed % 4]) for seed in range(30)]
    assert sum(m is not None for m in missed) > 5


def test_no_on_150_outcomes_reaches_the_optimum() -> None:
    missed = [check(seed, Kind.ALL_NO, 150, 10, {}) for seed in range(4)]
    assert sum(m is not None for m in missed) == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_unequal_counts_reach_the_optimum_of_1000_large_books() -> None:
    for seed in range(40, 1_040):
        check(seed, Kind.ALL_NO, 6 + seed % 25, 4, LIMITS[seed % len(LIMITS)])
