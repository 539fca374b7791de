"""The least price of each leg of a sale: what a person, a rule or triage accepted, never the book of the moment of sending. Pure.

Prices 1/10,000 dollar, counts 1/100 contract, money micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.fees import Fees, FeeSchedule
from trading.execution.sizing import walk

LegKey = tuple[str, str]
"""(market ticker, side)."""
LeastPrices = Mapping[LegKey, int]
TOLERANCE: Final = 200
"""How far below the preview a sale may go unless somebody says otherwise: two cents a contract, at most half of the price."""
HIGHEST: Final = DOLLAR_PRICE - 1


@dataclass(frozen=True, slots=True)
class Quoted:
    """One leg of a sale: ``count`` held, and ``price``, the last level that selling all of it would touch now."""

    key: LegKey
    count: int
    price: int


def within_tolerance(legs: Iterable[Quoted]) -> dict[LegKey, int]:
    """The quoted prices less the tolerance."""
    return {leg.key: max(1, leg.price - min(TOLERANCE, leg.price // 2)) for leg in legs}


def worth(legs: Iterable[Quoted], prices: LeastPrices, fees: Fees) -> Money:
    """What selling everything at its least price brings, after the most that the fees can be."""
    return Money(sum(proceeds_at(prices[leg.key], leg.count, fees.of(leg.key[0])) for leg in legs))


def proceeds_at(price: int, count: int, fees: FeeSchedule) -> Money:
    """What ``count`` bring at ``price`` or better at least, however the sale is split into fills: more price always brings
    more, fees included."""
    return Money(price * count - walk.most_fees(price, count, fees, buys=False))


def for_total(legs: Iterable[Quoted], total: int, fees: Fees) -> dict[LegKey, int]:
    """The quoted prices, all moved by the same amount, so that together they bring at least ``total``.

    Where not even the highest prices would, those: then nothing is sold.
    """
    legs = list(legs)
    low, high = -int(DOLLAR_PRICE), int(DOLLAR_PRICE)
    while low < high:
        middle = (low + high + 1) // 2
        if worth(legs, _lowered(legs, middle), fees) >= total:
            low = middle
        else:
            high = middle - 1
    return _lowered(legs, low)


def _lowered(legs: Iterable[Quoted], by: int) -> dict[LegKey, int]:
    return {leg.key: min(HIGHEST, max(1, leg.price - by)) for leg in legs}


def stored(prices: LeastPrices) -> list[dict[str, Any]]:
    """As the request's row keeps them."""
    return [{"ticker": ticker, "side": side, "price": price} for (ticker, side), price in sorted(prices.items())]


def loaded(rows: Iterable[Mapping[str, Any]]) -> dict[LegKey, int]:
    """What ``stored`` wrote."""
    return {(row["ticker"], row["side"]): int(row["price"]) for row in rows}
