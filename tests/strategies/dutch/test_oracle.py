"""The search against an independent oracle: brute force over every count of every leg of small books."""

import random

import dutch_books
import dutch_oracle
import pytest

from kalbot.common.units import Count, Money
from markets.fees import CENT_GRID, DIRECT_GRID, FeeSchedule
from strategies.dutch.basket import Found, Kind, Limits, Refused
from strategies.dutch.search import best_basket
from strategies.reasons import Reason


def _money(limit: int | None) -> Money | None:
    return None if limit is None else Money(limit)


def agree(seed: int) -> tuple[bool, bool]:
    """(a basket exists, the search found exactly the best) for one random event; fails on any disagreement."""
    rng = random.Random(seed)
    kind = rng.choice((Kind.ALL_YES, Kind.ALL_NO, Kind.ALL_NO))
    grid = rng.choice((DIRECT_GRID, DIRECT_GRID, CENT_GRID))
    fractional = rng.random() < 0.3
    step = rng.choice((5, 10, 25)) if fractional and rng.random() < 0.5 else 100
    legs = rng.randint(2, 5 if kind is Kind.ALL_YES else 4)
    offers = dutch_books.event(
        rng, kind, legs=legs, most=1 if step < 100 else 4, fractional=fractional, tick=rng.choice((100, 100, 10))
    )
    limits = {
        "min_profit": rng.choice((1, 1, 100, 20_000)),
        "margin_ppm": rng.choice((0, 0, 5_000, 20_000)),
        "max_cost": rng.choice((None, None, 3_000_000, 8_000_000)),
        "max_leg": rng.choice((None, None, 1_500_000)),
        "max_legs": rng.choice((None, None, 2, 3)) if kind is Kind.ALL_NO else None,
    }
    wanted = dutch_oracle.best_by_force(offers, kind, step=step, grid=grid, **limits)
    outcome = best_basket(
        dutch_books.markets(offers, kind, FeeSchedule(grid=grid)),
        True,
        True,
        Limits(
            kinds=frozenset({kind}),
            min_profit=Money(limits["min_profit"] or 0),
            min_margin_ppm=limits["margin_ppm"] or 0,
            max_cost=_money(limits["max_cost"]),
            max_cost_per_leg=_money(limits["max_leg"]),
            max_legs=limits["max_legs"],
            count_step=Count(step),
            near_ppm=0,
        ),
    )
    if isinstance(outcome, Refused) and outcome.constraint is Reason.FEE_BOUND:
        assert outcome.nearest is not None
        return True, outcome.nearest.profit == wanted  # the best basket, but not if its legs fill in pieces
    if not isinstance(outcome, Found):
        assert wanted is None, f"seed {seed}: refused ({outcome.constraint}), but {wanted} exists"
        return False, True
    assert wanted is not None, f"seed {seed}: found {outcome.basket.profit}, but nothing exists"
    basket = outcome.basket
    assert basket.floor - basket.cost == basket.profit
    assert basket.profit <= wanted, f"seed {seed}: found more than there is"
    assert basket.guaranteed
    if basket.profit < wanted and wanted <= most_extra(offers, grid):
        return True, basket.profit > 0  # the best one would not pay in pieces, this one does
    assert wanted <= basket.profit + basket.gap, f"seed {seed}: {wanted} is beyond the gap"
    return True, basket.profit == wanted


def most_extra(offers: list[list[tuple[int, int]]], grid: int) -> int:
    """What fills in pieces can cost more at the very most: a grid step a leg, and for each hundredth a rounding."""
    hundredths = sum(size * (1 if price % grid == 0 else grid + 1) for leg in offers for price, size in leg)
    return len(offers) * grid + hundredths


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
