"""Candlesticks: what a market's touch and its trades did in each minute, and in each hour or day made of them.

Only minutes in which something moved have one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.units import ONE

PERIODS = (1, 60, 1440)
"""Minutes."""
_KEPT = 3_000
"""Minutes of one market."""


@dataclass(slots=True)
class Range:
    """Open, high, low, close of one price."""

    open: int
    high: int
    low: int
    close: int

    def add(self, price: int) -> None:
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price

    def join(self, later: Range) -> Range:
        return Range(self.open, max(self.high, later.high), min(self.low, later.low), later.close)


@dataclass(slots=True)
class Candle:
    """One period that ends at ``end_s``. ``value`` is price times count over its trades."""

    end_s: int
    bid: Range
    ask: Range
    price: Range | None
    volume: int
    value: int
    open_interest: int


class Candles:
    """Minutes of all markets. ``changed``: those that differ from what was last made durable, by ticker and end."""

    def __init__(self) -> None:
        self._minutes: dict[str, deque[Candle]] = {}
        self.changed: dict[tuple[str, int], Candle] = {}

    def touch(self, ticker: str, bid: int | None, ask: int | None, open_interest: int, now_ms: int) -> None:
        """The touch as it is now; a side without a level stands at 0, or at a dollar."""
        low, high = bid or 0, ONE if ask is None else ask
        candle = self._minute(ticker, now_ms, low, high)
        candle.bid.add(low)
        candle.ask.add(high)
        candle.open_interest = open_interest

    def trade(self, ticker: str, price: int, count: int, now_ms: int) -> None:
        known = self._minutes.get(ticker)
        bid, ask = (known[-1].bid.close, known[-1].ask.close) if known else (0, ONE)
        candle = self._minute(ticker, now_ms, bid, ask)
        if candle.price is None:
            candle.price = Range(price, price, price, price)
        candle.price.add(price)
        candle.volume += count
        candle.value += price * count

    def forget(self, ticker: str) -> None:
        self._minutes.pop(ticker, None)
        self.changed = {key: candle for key, candle in self.changed.items() if key[0] != ticker}

    def whole(self) -> list[tuple[str, Candle]]:
        """Every minute, of each market the oldest first."""
        return [(ticker, candle) for ticker, minutes in self._minutes.items() for candle in minutes]

    def put(self, ticker: str, candle: Candle) -> None:
        """A minute as it was made durable. Of one minute the last one counts; one from before the newest is known already."""
        minutes = self._minutes.setdefault(ticker, deque(maxlen=_KEPT))
        if minutes and minutes[-1].end_s == candle.end_s:
            minutes[-1] = candle
        elif not minutes or minutes[-1].end_s < candle.end_s:
            minutes.append(candle)

    def of(self, ticker: str, start_s: int, end_s: int, period: int) -> tuple[list[Candle], Candle | None]:
        """The candles that end within [start, end], ascending, and the last one before them."""
        whole = self._joined(self._minutes.get(ticker, ()), period * 60)
        before = [candle for candle in whole if candle.end_s < start_s]
        return [c for c in whole if start_s <= c.end_s <= end_s], before[-1] if before else None

    def _minute(self, ticker: str, now_ms: int, bid: int, ask: int) -> Candle:
        """The running minute; a new one opens where the last one closed."""
        end_s = (now_ms // 60_000 + 1) * 60
        minutes = self._minutes.setdefault(ticker, deque(maxlen=_KEPT))
        if not minutes or minutes[-1].end_s != end_s:
            if minutes:
                bid, ask = minutes[-1].bid.close, minutes[-1].ask.close
            interest = minutes[-1].open_interest if minutes else 0
            minutes.append(Candle(end_s, Range(bid, bid, bid, bid), Range(ask, ask, ask, ask), None, 0, 0, interest))
        self.changed[ticker, end_s] = minutes[-1]
        return minutes[-1]

    @staticmethod
    def _joined(minutes: Iterable[Candle], seconds: int) -> list[Candle]:
        found: list[Candle] = []
        for minute in minutes:
            end_s = -(-minute.end_s // seconds) * seconds
            if not found or found[-1].end_s != end_s:
                found.append(
                    Candle(
                        end_s,
                        minute.bid,
                        minute.ask,
                        minute.price,
                        minute.volume,
                        minute.value,
                        minute.open_interest,
                    )
                )
                continue
            last = found[-1]
            last.bid, last.ask = last.bid.join(minute.bid), last.ask.join(minute.ask)
            if minute.price is not None:
                last.price = minute.price if last.price is None else last.price.join(minute.price)
            last.volume += minute.volume
            last.value += minute.value
            last.open_interest = minute.open_interest
        return found
