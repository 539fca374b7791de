"""What the books of a family offer for less than a dollar: the best price of every leg at once, its depth when somebody asks.

A family has a thousand legs and its best basket a few. The screen needs all best prices and nothing else, so no more is made of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from kalbot.common.units import CONTRACT, DOLLAR_PRICE
from markets.book import Side
from strategies.dutch.basket import LegMarket
from strategies.dutch.curve import E14, WorstCurve, worst_touch_e14
from strategies.families.limits import MONEY_E14, Key


class Offers(Mapping[Key, WorstCurve]):
    """(ticker, side) -> its curve, in the order of the members. ``prices``: dollars a contract at the best level, the most that fees can be
    included."""

    __slots__ = ("_curves", "_legs", "prices")

    def __init__(self, legs: Mapping[str, LegMarket], members: Collection[str]) -> None:
        self._legs, self._curves = legs, dict[Key, WorstCurve]()
        self.prices: dict[Key, float] = {}
        for ticker in members:
            market = legs.get(ticker)
            if market is None:
                continue
            depth, taker_e10, grid = market.depth, market.fees.taker_e10, market.fees.grid
            for side, bids in ((Side.YES, depth.no_bids), (Side.NO, depth.yes_bids)):
                price = _dollars(taker_e10, DOLLAR_PRICE - bids[0][0], grid) if bids else None
                if price is not None:
                    self.prices[ticker, side] = price

    def __getitem__(self, key: Key) -> WorstCurve:
        found = self._curves.get(key)
        if found is None:
            if key not in self.prices:
                raise KeyError(key)
            found = self._curves[key] = WorstCurve(self._legs[key[0]], key[1])
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter(self.prices)

    def __len__(self) -> int:
        return len(self.prices)

    def __contains__(self, key: object) -> bool:
        return key in self.prices


@lru_cache(maxsize=16_384)
def _dollars(taker_e10: int, price: int, grid: int) -> float | None:
    """A contract in dollars; None for nothing, or a dollar and more."""
    touch = worst_touch_e14(taker_e10, price, grid)
    return touch * CONTRACT / MONEY_E14 if 0 < touch < DOLLAR_PRICE * E14 else None
