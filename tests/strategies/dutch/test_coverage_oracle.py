"""Coverage baskets against every set and every count: the best expected profit among those that meet the profile."""

import random
from itertools import combinations

import dutch_oracle
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


def best_by_force(legs, chance, certified, threshold, margin, expected_margin) -> float | None:
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
    wanted = best_by_force(legs, chance, certified, threshold, margin, expected_margin)
    if not isinstance(outcome, Found):
        assert wanted is None, f"seed {seed}: refused ({outcome.constraint}), but {wanted:.0f} can be expected"
        return False
    assert wanted is not None, f"seed {seed}: found a basket where there is none"
    basket = outcome.basket
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
