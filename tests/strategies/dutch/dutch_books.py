"""Random but plausible books for the proofs. Everything follows from the seed."""

from __future__ import annotations

import random

from kalbot.common.units import Price
from markets.book import Depth
from markets.fees import FeeSchedule
from markets.kalshi.grid import PriceBand
from strategies.dutch.basket import LegMarket

TENTHS = (PriceBand(Price(0), Price(10_000), Price(10)),)


def asks(
    rng: random.Random, touch: int, *, levels: int, most: int, fractional: bool, tick: int = 100
) -> list[tuple[int, int]]:
    """Offers from ``touch`` upwards, at most ``most`` contracts a level."""
    offers, price = [], touch
    for _ in range(rng.randint(1, levels)):
        if not 0 < price < 10_000:
            break
        size = rng.randint(1, most * 100) if fractional else 100 * rng.randint(1, most)
        offers.append((price, size))
        price += tick * rng.randint(1, 4)
    return offers


def event(
    rng: random.Random,
    kind: str,
    *,
    legs: int,
    levels: int = 3,
    most: int = 4,
    fractional: bool = False,
    tick: int = 100,
) -> list[list[tuple[int, int]]]:
    """Offers of each leg on the side that ``kind`` buys, at prices whose sum is near what the basket pays."""
    total = 10_000 + rng.choice((-900, -500, -300, -100, 0, 300)) + tick * rng.randint(-2, 2)
    cuts = sorted(rng.randint(1, 99) for _ in range(legs - 1))
    shares = [max(tick, (b - a) * total // 100 // tick * tick) for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
    if kind == "all_yes":
        touches = shares
    else:
        touches = [10_000 - max(tick, min(9_900, share + tick * rng.randint(0, 12))) for share in shares]
    return [asks(rng, max(tick, t), levels=levels, most=most, fractional=fractional, tick=tick) for t in touches]


def markets(offers: list[list[tuple[int, int]]], kind: str, fees: FeeSchedule) -> list[LegMarket]:
    """The legs as the search takes them, with these offers and nothing on the other side."""
    legs = []
    for i, leg in enumerate(offers):
        bids = [(10_000 - price, size) for price, size in leg]
        depth = Depth.of([], bids) if kind == "all_yes" else Depth.of(bids, [])
        legs.append(LegMarket(f"E-{i}", depth, fees, TENTHS))
    return legs


def wide(rng: random.Random, outcomes: int, tick: int = 100) -> list[LegMarket]:
    """Books of many outcomes: a few likely ones, a tail, and now and then a crumb at the best price of one."""
    weights = sorted((rng.random() ** 4 + 0.003 for _ in range(outcomes)), reverse=True)
    found, dollar = [], 10_000 // tick
    for i, weight in enumerate(weights):
        fair = weight / sum(weights) * dollar
        ask = min(dollar - 2, max(1, round(fair * rng.uniform(0.8, 1.05) + rng.choice((0, 0, 1)))))
        sizes = [rng.choice((1, 1, 2, 8)) if k == 0 else rng.randint(1, 20) for k in range(rng.randint(1, 3))]
        levels = [(10_000 - tick * (ask + k), 100 * size) for k, size in enumerate(sizes) if ask + k < dollar - 1]
        bid = ask - rng.randint(1, 3)
        found.append(LegMarket(f"T{i}", Depth.of([(tick * bid, 100)] if bid > 0 else [], levels), FeeSchedule()))
    return found
