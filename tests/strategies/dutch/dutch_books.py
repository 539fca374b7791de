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
