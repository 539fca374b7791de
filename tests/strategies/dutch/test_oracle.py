"""The search against an independent oracle: brute force for small books, an integer programme for large ones."""

import random

import dutch_books
import dutch_oracle
import pytest

from kalbot.common.units import Count, Money
from markets.fees import CENT_GRID, DIRECT_GRID, FeeSchedule
from strategies.dutch.basket import Found, Kind, Limits
from strategies.dutch.search import best_basket


def agree(seed: int) -> tuple[bool, bool]:
    """(a basket exists, the search found exactly the best) for one random event; fails on any disagreement."""
    rng = random.Random(seed)
    kind = rng.choice((Kind.ALL_YES, Kind.ALL_NO))
    grid = rng.choice((DIRECT_GRID, DIRECT_GRID, CENT_GRID))
    fractional = rng.random() < 0.3
    step = rng.choice((1, 5, 10)) if fractional and rng.random() < 0.5 else 100
    legs = rng.randint(2, 5)
    offers = dutch_books.event(
        rng, kind, legs=legs, most=2 if step < 100 else 5, fractional=fractional, tick=rng.choice((100, 100, 10))
    )
    limits = {
        "min_profit": rng.choice((1, 1, 100, 20_000)),
        "margin_ppm": rng.choice((0, 0, 5_000, 20_000)),
        "max_cost": rng.choice((None, None, 3_000_000, 8_000_000)),
        "max_leg": rng.choice((None, None, 1_500_000)),
    }
    wanted = dutch_oracle.best_by_force(offers, kind, step=step, grid=grid, **limits)
    outcome = best_basket(
        dutch_books.markets(offers, kind, FeeSchedule(grid=grid)),
        True,
        True,
        Limits(
            kinds=frozenset({kind}),
            min_profit=Money(limits["min_profit"]),
            min_margin_ppm=limits["margin_ppm"],
            max_cost=limits["max_cost"],
            max_cost_per_leg=limits["max_leg"],
            count_step=Count(step),
        ),
    )
    if not isinstance(outcome, Found):
        assert wanted is None, f"seed {seed}: refused ({outcome.constraint}), but {wanted} exists"
        return False, True
    assert wanted is not None, f"seed {seed}: found {outcome.basket.profit}, but nothing exists"
    basket = outcome.basket
    assert basket.guaranteed
    assert basket.profit <= wanted.profit, f"seed {seed}: found more than there is"
    return True, basket.profit == wanted.profit


def run(seeds: range) -> None:
    answers = [agree(seed) for seed in seeds]
    found = sum(exists for exists, _ in answers)
    assert found > len(answers) // 10, "the books are too dull to prove anything"
    missed = [seed for seed, (_, exact) in zip(seeds, answers, strict=True) if not exact]
    assert not missed, f"{len(missed)} of {found} not the best: {missed[:10]}"


def test_search_finds_the_best_basket_of_small_books() -> None:
    run(range(1_000))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_search_finds_the_best_basket_of_20000_small_books() -> None:
    run(range(1_000, 21_000))
