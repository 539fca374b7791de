"""The price grid of a market: bands of (start, end, step) that meet at their ends."""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common.units import DOLLAR_PRICE
from strategies.dutch.basket import PriceBand


def on_grid(bands: Sequence[PriceBand], price: int) -> bool:
    """Whether an order at ``price`` is valid: some band holds it on its step. 0 and 1 dollar are not tradable."""
    return 0 < price < DOLLAR_PRICE and any(
        start <= price <= end and (price - start) % step == 0 for start, end, step in bands
    )


def at_or_below(bands: Sequence[PriceBand], price: int) -> int | None:
    """The highest valid price not above ``price``; None if there is none."""
    best: int | None = None
    for start, end, step in bands:
        top = min(price, end)
        if top < start:
            continue
        found = start + (top - start) // step * step
        while found >= DOLLAR_PRICE:
            found -= step
        if found > 0 and found >= start and (best is None or found > best):
            best = found
    return best
