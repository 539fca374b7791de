"""Coverage baskets against every set and every count: the best expected profit among those that meet the profile."""

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import dutch_books
import dutch_oracle
import numpy as np
import pytest

from kalbot.common.units import Count
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from strategies.dutch.basket import Found, Kind, LegMarket, Limits
from strategies.dutch.coverage import probabilities
from strategies.dutch.search import best_basket


def markets(rng: random.Random) -> list[LegMarket]:
    """Books of three or four outcomes whose asks add up to about a dollar, some of them bargains."""
    weights = [rng.random() + 0.05 for _ in range(rng.choice((3, 3, 4)))]
    found = []
    for i, weight in enumerate(weights):
        fair = int(weight / sum(weights) * 100)
        ask = min(98, max(2, fair + rng.randint(-4, 2)))
        levels = [(10_000 - 100 * (ask + k), 100 * rng.randint(1, 4)) for k in range(rng.randint(1, 2)) if ask + k < 99]
        bid = ask - rng.randint(1, 4)
        found.append(LegMarket(f"T{i}", Depth.of([(100 * bid, 100)] if bid > 0 else [], levels), FeeSchedule()))
    return found


def best_by_force(
    legs: Sequence[LegMarket],
    chance: Mapping[str, float],
    certified: bool,
    threshold: float,
    margin: int,
    expected_margin: int,
) -> float | None:
    """The best expected profit over every set and count, Money."""
    asks = [leg.depth.asks(Side.YES) for leg in legs]
    best = None
    for k in range(1, len(legs) + (0 if certified else 1)):
        for chosen in combinations(range(len(legs)), k):
            covered = sum(chance[legs[i].ticker] for i in chosen)
            if covered < threshold:
                continue
            for count in range(100, 1_000, 100):
                costs = [dutch_oracle.walk(asks[i], count, 100) for i in chosen]
                worst = [dutch_oracle.at_limit(asks[i], count, 100) for i in chosen]
                if None in costs:
                    break
                pays, cost, limit = count * 10_000, sum(costs), sum(worst)
                if (pays - limit) * 10**6 < margin * limit or pays - cost < 1:
                    continue
                if (covered * pays - limit) * 10**6 < expected_margin * limit:
                    continue
                best = max(covered * pays - cost, best if best is not None else -(10**12))
    return best


def check(seed: int) -> bool:
    rng = random.Random(seed)
    legs, certified = markets(rng), rng.random() < 0.5
    threshold, margin = rng.choice((0.4, 0.6, 0.8, 0.9)), rng.choice((0, 20_000))
    expected_margin = rng.choice((0, 0, 5_000, -30_000))
    chance = probabilities({leg.ticker: leg.depth for leg in legs}, certified=certified)
    outcome = best_basket(
        legs,
        True,
        certified,
        Limits(
            kinds=frozenset({Kind.COVERAGE}),
            coverage_threshold=threshold,
            min_margin_ppm=margin,
            min_expected_margin_ppm=expected_margin,
            near_ppm=0,
            count_step=Count(100),
        ),
    )
    assert chance is not None
    wanted = best_by_force(legs, chance, certified, threshold, margin, expected_margin)
    if not isinstance(outcome, Found):
        assert wanted is None, f"seed {seed}: refused ({outcome.constraint}), but {wanted:.0f} can be expected"
        return False
    assert wanted is not None, f"seed {seed}: found a basket where there is none"
    basket = outcome.basket
    assert basket.expected is not None
    assert basket.coverage is not None
    assert basket.expected - basket.cost == pytest.approx(wanted, abs=2)
    assert basket.coverage >= threshold
    assert basket.conditional > basket.cost
    assert basket.loss_states
    return True


def test_coverage_baskets_have_the_best_expected_profit() -> None:
    found = sum(check(seed) for seed in (*range(400), 2_780))
    assert found > 40


@pytest.mark.slow
def test_coverage_baskets_have_the_best_expected_profit_of_5000_books() -> None:
    found = sum(check(seed) for seed in range(400, 5_400))
    assert found > 500


def best_of_all_sets(
    legs: list[LegMarket], chance: Mapping[str, float], certified: bool, limits: dict[str, Any]
) -> float | None:
    """The best expected profit over every set (bits of a number) and every count, Money; all of them at once, by arrays."""
    top, n = 62, len(legs)
    missing = 10**12
    costs, at_limits = (np.full((n, top), missing, dtype=np.float64) for _ in range(2))
    for i, leg in enumerate(legs):
        asks = leg.depth.asks(Side.YES)
        for k in range(1, min(top, sum(size for _, size in asks) // 100 + 1)):
            costs[i, k] = dutch_oracle.walk(asks, 100 * k, 100)
            at_limits[i, k] = dutch_oracle.at_limit(asks, 100 * k, 100)
    sets = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    if certified:
        sets = sets[sets.sum(axis=1) < n]
    if limits.get("max_legs"):
        sets = sets[sets.sum(axis=1) <= limits["max_legs"]]
    covered = sets @ np.array([chance[leg.ticker] for leg in legs])
    sets, covered = sets[covered >= limits["threshold"]], covered[covered >= limits["threshold"]]
    cost, limit = sets @ costs, sets @ at_limits
    pays = np.arange(top) * 1e6
    good = (pays - limit >= limits["margin"] / 1e6 * limit - 1e-6) & (pays - cost >= 1) & (limit < missing)
    good &= (covered[:, None] * pays - limit) >= limits["expected_margin"] / 1e6 * limit
    if limits.get("max_cost"):
        good &= limit <= limits["max_cost"]
    return float((covered[:, None] * pays - cost)[good].max()) if good.any() else None


def check_wide(seed: int) -> bool:
    rng = random.Random(seed)
    legs, certified = dutch_books.wide(rng, rng.randint(9, 12)), rng.random() < 0.5
    limits: dict[str, Any] = {
        "threshold": rng.choice((0.4003, 0.6003, 0.8003, 0.9003)),
        "margin": rng.choice((0, 20_000)),
        "expected_margin": rng.choice((0, 0, 5_000, -30_000)),
        "max_cost": rng.choice((None, None, 3_000_000, 8_000_000)),
        "max_legs": rng.choice((None, None, 4, 6)),
    }
    chance = probabilities({leg.ticker: leg.depth for leg in legs}, certified=certified)
    assert chance is not None
    rules = Limits(
        kinds=frozenset({Kind.COVERAGE}),
        coverage_threshold=limits["threshold"],
        min_margin_ppm=limits["margin"],
        min_expected_margin_ppm=limits["expected_margin"],
        max_cost=limits["max_cost"],
        max_legs=limits["max_legs"],
        near_ppm=0,
    )
    outcome = best_basket(legs, True, certified, rules)
    wanted = best_of_all_sets(legs, chance, certified, limits)
    if not isinstance(outcome, Found):
        assert wanted is None, f"seed {seed}: refused ({outcome.constraint}), but {wanted:.0f} can be expected"
        return False
    basket = outcome.basket
    assert wanted is not None, f"seed {seed}: found a basket where there is none"
    assert basket.expected is not None
    missed = wanted - (basket.expected - basket.cost)
    rounding = sum(100 + len(leg.depth.no_bids) for leg in legs)
    assert -2 <= missed <= min(basket.gap, rounding) + 2, f"seed {seed}: {missed:.0f} short, gap {basket.gap}"
    return True


def test_wide_coverage_baskets_have_the_best_expected_profit() -> None:
    found = sum(check_wide(seed) for seed in range(150))
    assert found > 30


def test_a_tail_of_one_contract_does_not_cut_the_basket() -> None:
    likely = [(2_600, 2_500), (2_200, 2_100), (1_300, 1_200), (1_100, 1_000), (800, 700), (500, 400), (400, 300)]
    legs = [
        LegMarket(f"T{i}", Depth.of([(bid, 100)], [(10_000 - ask, 70_000)]), FeeSchedule())
        for i, (ask, bid) in enumerate(likely)
    ]
    rules = Limits(kinds=frozenset({Kind.COVERAGE}), coverage_threshold=0.9, min_expected_margin_ppm=0)
    few = best_basket(legs, True, True, rules)
    thin = [LegMarket(f"X{i}", Depth.of([(20, 100)], [(9_980, 100)]), FeeSchedule()) for i in range(2)]
    many = best_basket([*legs, *thin], True, True, rules)
    assert isinstance(few, Found)
    assert isinstance(many, Found)
    assert many.basket.count == few.basket.count == 70_000
    assert many.basket.gap < 10_000


@pytest.mark.slow
def test_wide_coverage_baskets_have_the_best_expected_profit_of_2000_books() -> None:
    assert sum(check_wide(seed) for seed in range(150, 2_150)) > 400
