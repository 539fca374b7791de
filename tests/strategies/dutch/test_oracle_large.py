"""Large events against an integer programme of its own: what is found comes within the rounding of fees of the optimum, and
never lies further from it than its gap says."""

import random
from typing import Any

import dutch_books
import dutch_program
import pytest

from kalbot.common.units import Money
from markets.book import Side
from markets.fees import FeeSchedule
from strategies.dutch.basket import Found, Kind, Limits
from strategies.dutch.coverage import probabilities
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
    best = dutch_program.best_sure(offers, kind, **limits)
    rounding = sum(FEES.grid + len(leg) for leg in offers)
    if not isinstance(outcome, Found):
        assert best.found <= rounding, f"seed {seed}: refused ({outcome.constraint}), but {best.found:.0f} exists"
        return None
    basket = outcome.basket
    missed, beyond = best.found - basket.profit, basket.profit - best.bound
    assert beyond <= 1e-6 * best.bound + 1, f"seed {seed}: {beyond:.0f} better than the optimum"
    assert missed <= basket.gap + rounding + 1, f"seed {seed}: {missed:.0f} short, the gap says {basket.gap}"
    assert missed <= rounding + 1e-3 * best.found, f"seed {seed}: {missed:.0f} of {best.found:.0f} short"
    return float(missed)


def check_coverage(seed: int, outcomes: int) -> bool | None:
    """Whether the programme ran to its end on one large coverage event; None where there is no basket."""
    rng = random.Random(seed)
    legs, certified = dutch_books.wide(rng, outcomes, tick=10), rng.random() < 0.5
    chance = probabilities({leg.ticker: leg.depth for leg in legs}, certified=certified)
    assert chance is not None
    limits: dict[str, Any] = {"max_cost": rng.choice((None, 8_000_000)), "max_legs": rng.choice((None, 6))}
    threshold, margin, expected = (
        rng.choice((0.2503, 0.5003, 0.8003)),
        rng.choice((0, 0, 20_000)),
        rng.choice((0, -80_000)),
    )
    rules = Limits(
        kinds=frozenset({Kind.COVERAGE}),
        coverage_threshold=threshold,
        min_margin_ppm=margin,
        min_expected_margin_ppm=expected,
        near_ppm=0,
        **limits,
    )
    outcome = best_basket(legs, True, certified, rules)
    asks = [leg.depth.asks(Side.YES) for leg in legs]
    demands = {"threshold": threshold, "certified": certified, "margin_ppm": margin, "expected_ppm": expected}
    shares = [chance[leg.ticker] for leg in legs]
    rounding = sum(FEES.grid + len(leg) for leg in asks)
    if not isinstance(outcome, Found):
        best = dutch_program.best_expected(asks, shares, spare=rounding, **demands, **limits)
        assert best is None, f"seed {seed}: refused ({outcome.sentence}), but {best} exists"
        return None
    best = dutch_program.best_expected(asks, shares, **demands, **limits)
    assert best is not None, f"seed {seed}: found a basket where there is none"
    assert outcome.basket.expected is not None
    profit = outcome.basket.expected - outcome.basket.cost
    assert profit <= best.bound + 1e-6 * abs(best.bound) + 1, f"seed {seed}: {profit:.0f} is better than the optimum"
    assert best.found - profit <= outcome.basket.gap + rounding + 1, f"seed {seed}: {profit:.0f} of {best}"
    return bool(best.bound - best.found < 1)


def test_coverage_of_many_outcomes_reaches_the_optimum() -> None:
    found = [check_coverage(seed, 13 + seed) for seed in range(16)]
    assert sum(one is not None for one in found) > 6


def test_unequal_counts_reach_the_optimum_of_large_books_under_every_limit() -> None:
    missed = [check(seed, Kind.ALL_NO, 6 + seed % 9, 4, LIMITS[seed % len(LIMITS)]) for seed in range(30)]
    assert sum(m is not None for m in missed) > 12


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


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_coverage_reaches_the_optimum_of_300_events_of_up_to_150_outcomes() -> None:
    found = [check_coverage(seed, 13 + seed % 138) for seed in range(100, 400)]
    assert sum(one is not None for one in found) > 60
    assert found.count(False) < len(found) // 20, "the programmes did not run to their end"
