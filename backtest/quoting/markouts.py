"""Adverse selection, measured: what a fill of a resting bid was worth a moment later."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from backtest.quoting.prints import Printed
from backtest.quoting.replay import Replayed
from kalbot.common.units import Price
from markets.book import Side

SECONDS: Final = (1, 10, 60, 600)


@dataclass(frozen=True, slots=True)
class Markout:
    """``seconds`` after its fills the touch stood ``mean`` (1/10,000 dollar a contract) above the prices paid, over ``fills`` that saw
    a later touch. Negative: whoever sold to us knew more."""

    seconds: int
    mean: float
    fills: int


def markouts(replayed: Iterable[Replayed], side: Side, seconds: Sequence[int] = SECONDS) -> list[Markout]:
    """The markouts of every fill: the first touch of the filled leg's side that was printed at least so much later, less the price."""
    value, contracts, fills = dict.fromkeys(seconds, 0), dict.fromkeys(seconds, 0), dict.fromkeys(seconds, 0)
    for one in replayed:
        if not one.fills:
            continue
        times, prices = _touches(one.printed, side)
        for fill in one.fills:
            for after in seconds:
                at = bisect_left(times[fill.ticker], fill.at_ns + after * 10**9)
                if at < len(times[fill.ticker]):
                    value[after] += (prices[fill.ticker][at] - fill.price) * fill.count
                    contracts[after] += fill.count
                    fills[after] += 1
    return [Markout(s, value[s] / contracts[s] if contracts[s] else 0.0, fills[s]) for s in seconds]


def _touches(printed: Printed, side: Side) -> tuple[dict[str, list[int]], dict[str, list[Price]]]:
    """When each leg's bid of ``side`` was hit, and at which price."""
    times: dict[str, list[int]] = {ticker: [] for ticker in printed.legs}
    prices: dict[str, list[Price]] = {ticker: [] for ticker in printed.legs}
    for one in printed.prints:
        hit, price = one.bid_hit()
        if hit is side:
            times[one.ticker].append(one.at_ns)
            prices[one.ticker].append(price)
    return times, prices
