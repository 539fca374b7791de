"""What has happened: trades and finished minutes of candlesticks, in a file that only grows while a process lives.

They are too many to be in every checkpoint. Since the last one they are in the journal; a checkpoint moves what is finished to this
file and keeps the running minutes. The first checkpoint of a process replaces the file, without what memory has let go.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from simulator.core import ExchangeCore
from simulator.listing.candles import Candle

Minute = tuple[str, Candle]
"""(ticker, minute)."""
Row = dict[str, Any]
"""One trade."""


class _Part(msgspec.Struct):
    """One line of the file."""

    minutes: list[Minute]
    trades: list[Row]


class PastFile:
    """The file, and what came since the last checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._minutes: dict[tuple[str, int], Candle] = {}
        self._trades: list[Row] = []

    def note(self, minutes: Iterable[Minute], trades: Iterable[Row]) -> None:
        """What the journal has been given."""
        self._minutes.update({(ticker, candle.end_s): candle for ticker, candle in minutes})
        self._trades += trades

    def save(self, exchange: ExchangeCore) -> list[Minute]:
        """Hand what is finished to the operating system. Returns the running minutes, which belong into the checkpoint."""
        first = self._file is None
        if first:
            self._minutes = {(ticker, candle.end_s): candle for ticker, candle in exchange.candles.whole()}
            self._trades = list(exchange.trades)
        now_s = exchange.now() // 1_000
        done = [(ticker, candle) for (ticker, end_s), candle in self._minutes.items() if end_s <= now_s]
        part = msgspec.json.encode(_Part(done, self._trades)) + b"\n"
        if first:
            temporary = self.path.with_name(self.path.name + ".new")
            temporary.write_bytes(part)
            os.replace(temporary, self.path)
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        elif done or self._trades:
            self._file.write(part)
        self._minutes = {key: candle for key, candle in self._minutes.items() if key[1] > now_s}
        self._trades = []
        return [(ticker, candle) for (ticker, _), candle in self._minutes.items()]

    def load(self) -> tuple[list[Minute], list[Row]]:
        """Everything in the file, the oldest first; a last line that a killed process cut short is in the journal still."""
        minutes: list[Minute] = []
        trades: list[Row] = []
        for raw in self.path.read_bytes().split(b"\n") if self.path.exists() else ():
            try:
                part = msgspec.json.decode(raw, type=_Part) if raw else _Part([], [])
            except msgspec.MsgspecError:
                break
            minutes += part.minutes
            trades += part.trades
        return minutes, trades

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def recall(exchange: ExchangeCore, parts: Iterable[tuple[list[Minute], list[Row]]]) -> None:
    """Give a fresh exchange what has happened, the oldest first, of the markets that it still has. A trade may be in file and journal."""
    seen: set[str] = set()
    for minutes, trades in parts:
        for ticker, candle in minutes:
            if ticker in exchange.markets:
                exchange.candles.put(ticker, candle)
        exchange.trades.extend(row for row in trades if row["trade_id"] not in seen)
        seen.update(row["trade_id"] for row in trades)
