"""The price grid of a market: which prices an order may carry (docs/kalshi-protocol.md 4).

The bands decide, never the structure's name.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kalbot.common.units import DOLLAR_PRICE, Price


class PriceBand(msgspec.Struct, frozen=True, gc=False):
    """Prices from ``start`` to ``end``, both included, in whole ``step``s from ``start``. Units: Price."""

    start: Price
    end: Price
    step: Price

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end <= DOLLAR_PRICE and self.step > 0):
            raise ValueError(f"not a price band: {self.start}..{self.end} step {self.step}")


Bands = Sequence[PriceBand]


def is_on_grid(price: int, bands: Bands) -> bool:
    """Whether the exchange takes ``price``: inside a band, a multiple of its step, and neither 0 nor a
    dollar.

    Without bands nothing is on the grid: an unknown grid is not a licence.
    """
    if not 0 < price < DOLLAR_PRICE:
        return False
    return any(b.start <= price <= b.end and (price - b.start) % b.step == 0 for b in bands)


def round_down(price: int, bands: Bands) -> Price | None:
    """The highest tradable price <= ``price``, None when there is none."""
    below = (_floor(price, band) for band in bands if band.start <= price)
    return max(filter(_is_tradable, below), default=None)


def round_up(price: int, bands: Bands) -> Price | None:
    """The lowest tradable price >= ``price``, None when there is none."""
    above = (_ceiling(price, band) for band in bands if band.end >= price)
    return min(filter(_is_tradable, above), default=None)


def next_tick_up(price: int, bands: Bands) -> Price | None:
    """The next tradable price above ``price``."""
    return round_up(price + 1, bands)


def next_tick_down(price: int, bands: Bands) -> Price | None:
    """The next tradable price below ``price``."""
    return round_down(price - 1, bands)


def _floor(price: int, band: PriceBand) -> Price:
    highest = min(price, band.end, DOLLAR_PRICE - 1)
    return Price(highest - (highest - band.start) % band.step)


def _ceiling(price: int, band: PriceBand) -> Price:
    lowest = max(price, band.start, 1)
    found = lowest + (band.start - lowest) % band.step
    return Price(found if found <= band.end else 0)


def _is_tradable(price: int) -> bool:
    return 0 < price < DOLLAR_PRICE
