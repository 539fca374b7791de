"""The taker beside the quoter: the same event by the same prints, its sets bought whole at the prices at which others took them last.

No book was recorded, so the ask of a leg is the last price at which somebody took it, and for a minute it is assumed to be offered
still, for as much as is wanted: an upper bound. Counts 1/100 contract, prices 1/10,000 dollar, Money 1/1,000,000 dollar, times nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backtest.quoting.prints import Printed
from kalbot.common.units import DOLLAR_PRICE, Count, Money, Price
from markets.book import Side

FRESH_NS: Final = 60 * 10**9


def taken(printed: Printed, side: Side, margin: Price, sets: Count, until_ns: int) -> tuple[Count, Money]:
    """How many sets are bought, all or none, at the first moment at which they leave ``margin`` a set after fees; and what they make at
    settlement. Nothing after ``until_ns``."""
    asks: dict[str, Price] = {}
    seen: dict[str, int] = {}
    for one in printed.prints:
        if one.at_ns > until_ns:
            break
        if one.taker is not side:
            continue
        asks[one.ticker], seen[one.ticker] = one.price, one.at_ns
        if len(asks) == len(printed.legs) and min(seen.values()) >= one.at_ns - FRESH_NS:
            most = sets * (_pays(printed, side) - margin)
            if sum(asks.values()) * sets <= most and (cost := _cost(printed, asks, sets)) <= most:
                made = sets * sum(printed.pays(side, ticker) for ticker in printed.legs)
                return sets, Money(made - cost)
    return Count(0), Money(0)


def _pays(printed: Printed, side: Side) -> int:
    """What a set pays at least, 1/10,000 dollar."""
    return DOLLAR_PRICE * (len(printed.legs) - 1 if side is Side.NO else 1)


def _cost(printed: Printed, asks: Mapping[str, Price], sets: Count) -> int:
    return sum(price * sets + printed.taker_fees(price, sets) for price in asks.values())
