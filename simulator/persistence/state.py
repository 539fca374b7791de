"""The state file: a checkpoint now and then, and a journal line for every change of the account, the listing or the prints in between.

A line is handed to the operating system before the answer leaves, so a killed process loses no committed write. Each
checkpoint starts a new journal (the generation is in both), so no line is ever applied twice.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from simulator.accounts import transfers
from simulator.accounts.records import RESTING, Changes
from simulator.core import ExchangeCore
from simulator.listing import lifecycle
from simulator.listing.model import CLOSED, FINALIZED, Event, Market, Series
from simulator.listing.tickers import day_ms
from simulator.matching import orders
from simulator.matching.book import Book, MarketMakerOrder
from simulator.matching.resting import reserve
from simulator.persistence.past import Minute, PastFile, Row, recall

VERSION = 2
Level = tuple[str, int, list[int | str]]
"""(side, price, queue): a count of market makers, or the id of an order of the account."""


class StateError(Exception):
    """A state file cannot be used; the message is one sentence for a person."""


class Line(msgspec.Struct, omit_defaults=True):
    """One line of the journal."""

    at_ms: int
    changes: Changes = msgspec.field(default_factory=Changes)
    markets: list[Market] = []
    events: list[Event] = []
    gone: list[str] = []
    counters: dict[str, int] = {}
    balances: tuple[int, int, int] = (0, 0, 0)
    """Market makers' cash, fees collected, deposits."""
    fee_changes: list[dict[str, Any]] | None = None
    minutes: list[Minute] = []
    trades: list[Row] = []


class Checkpoint(msgspec.Struct):
    """Everything."""

    version: int
    generation: int
    seed: str
    line: Line
    series: list[Series]
    books: dict[str, list[Level]]
    used_tickers: list[str]


class StateFile:
    """The file of a run and its journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._journal: Any = None
        self._past = PastFile(path.with_name(f"{path.name}.past"))

    def journal_path(self, generation: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{generation}.journal")

    def exists(self) -> bool:
        return self.path.exists()

    def save(self, exchange: ExchangeCore) -> None:
        """Write a checkpoint atomically and start a new journal."""
        self.generation += 1
        running = self._past.save(exchange)
        checkpoint = Checkpoint(
            VERSION,
            self.generation,
            exchange.streams.seed,
            whole_line(exchange, running),
            list(exchange.series.values()),
            {ticker: _levels(book) for ticker, book in exchange.books.items()},
            sorted(exchange.used_tickers),
        )
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.write_bytes(msgspec.json.encode(checkpoint))
        old, self._journal = self._journal, open(self.journal_path(self.generation), "wb", buffering=0)  # noqa: SIM115
        os.replace(temporary, self.path)
        if old is not None:
            old.close()
        for stale in self.path.parent.glob(f"{self.path.name}.*.journal"):
            if stale != self.journal_path(self.generation):
                stale.unlink(missing_ok=True)

    def append(self, line: Line) -> None:
        """Hand one line to the operating system."""
        self._past.note(line.minutes, line.trades)
        self._journal.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._past.close()

    def load(self) -> tuple[Checkpoint, list[Line]]:
        """The checkpoint and the lines written after it; StateError if it is not a state file."""
        try:
            checkpoint = msgspec.json.decode(self.path.read_bytes(), type=Checkpoint)
        except (OSError, msgspec.MsgspecError) as error:
            raise StateError(f"{self.path} is not a state file of the simulator: {error}") from None
        if checkpoint.version != VERSION:
            raise StateError(f"{self.path} was written by another version ({checkpoint.version})")
        self.generation = checkpoint.generation
        lines: list[Line] = []
        journal = self.journal_path(checkpoint.generation)
        if journal.exists():
            for raw in journal.read_bytes().split(b"\n"):
                try:
                    if raw:
                        lines.append(msgspec.json.decode(raw, type=Line))
                except msgspec.MsgspecError:
                    break  # the last line of a killed process may be cut short; its answer never left
        minutes, trades = self._past.load()
        checkpoint.line.minutes, checkpoint.line.trades = [*minutes, *checkpoint.line.minutes], trades
        return checkpoint, lines


def _levels(book: Book) -> list[Level]:
    found: list[Level] = []
    for side, prices in book.prices.items():
        for price in prices:
            queue: list[int | str] = []
            for order in book.levels[side][price].orders.values():
                if not isinstance(order, MarketMakerOrder):
                    queue.append(order.order_id)
                elif queue and isinstance(queue[-1], int):
                    queue[-1] += order.remaining
                else:
                    queue.append(order.remaining)
            found.append((side, price, queue))
    return found


def whole_line(exchange: ExchangeCore, running: list[Minute]) -> Line:
    now = exchange.now()
    return Line(
        now,
        exchange.ledger.whole(now),
        list(exchange.markets.values()),
        list(exchange.events.values()),
        [],
        dict(exchange.streams.counters),
        (exchange.market_maker_cash, exchange.fees_collected, exchange.deposits),
        exchange.fee_changes,
        running,
    )


def take_line(exchange: ExchangeCore, changes: Changes | None) -> Line | None:
    """What changed since the last line, or None."""
    minutes = [(ticker, candle) for (ticker, _), candle in exchange.candles.changed.items()]
    exchange.candles.changed.clear()
    trades, exchange.new_trades = exchange.new_trades, []
    if changes is None and not exchange.relisted and not exchange.delisted and not minutes and not trades:
        return None
    relisted, exchange.relisted = exchange.relisted, set()
    gone, exchange.delisted = exchange.delisted, []
    return Line(
        exchange.now(),
        changes or Changes(),
        [exchange.markets[t] for t in sorted(relisted) if t in exchange.markets],
        [exchange.events[t] for t in sorted(relisted) if t in exchange.events],
        gone,
        dict(exchange.streams.counters),
        (exchange.market_maker_cash, exchange.fees_collected, exchange.deposits),
        exchange.fee_changes,
        minutes,
        trades,
    )


def restore(exchange: ExchangeCore, checkpoint: Checkpoint, lines: list[Line]) -> None:
    """Put a fresh exchange into the saved state. Time stood still while the simulator was off: instants to come move with it."""
    exchange.series = {s.ticker: s for s in checkpoint.series}
    exchange.used_tickers = set(checkpoint.used_tickers)
    last = checkpoint.line
    for line in (checkpoint.line, *lines):
        exchange.ledger.apply(line.changes)
        exchange.markets.update({m.ticker: m for m in line.markets})
        exchange.events.update({e.ticker: e for e in line.events})
        for ticker in line.gone:
            exchange.markets.pop(ticker, None)
            exchange.events.pop(ticker, None)
        last = line
    recall(exchange, ((each.minutes, each.trades) for each in (checkpoint.line, *lines)))
    exchange.streams.counters = dict(last.counters)
    exchange.market_maker_cash, exchange.fees_collected, exchange.deposits = last.balances
    exchange.fee_changes = last.fee_changes or []
    exchange.used_tickers.update(exchange.events)
    _shift(exchange, exchange.now() - last.at_ms)
    for ticker, market in exchange.markets.items():
        _rebuild(exchange, market, checkpoint.books.get(ticker, []))
    for order in exchange.ledger.all_open():
        if not exchange.books[order.ticker].resting(order):
            exchange.books[order.ticker].add(order)
    for book_ticker, book in exchange.books.items():
        book.changed = exchange.book_listener(book_ticker)
    _resume(exchange)


def _shift(exchange: ExchangeCore, by_ms: int) -> None:
    for market in exchange.markets.values():
        if market.status == FINALIZED:
            continue
        market.open_ms += by_ms
        market.expected_ms += by_ms
        market.latest_ms += by_ms
        if market.status != CLOSED:
            market.close_ms += by_ms
        if market.determined_ms is not None:
            market.determined_ms += by_ms
    for event in exchange.events.values():
        event.edge_until_ms = 0
        if event.strike_ms is not None and not event.rolled and day_ms(event.ticker) is None:
            event.strike_ms += by_ms


def _rebuild(exchange: ExchangeCore, market: Market, levels: list[Level]) -> None:
    """The book as it was saved; own orders as the journal left them, at their place in the queue."""
    book = exchange.books[market.ticker] = Book()
    for side, price, queue in levels:
        for entry in queue:
            if isinstance(entry, int):
                book.add(exchange.market_maker_order(side, price, entry))
                continue
            order = exchange.ledger.orders.get(entry)
            if order is not None and order.status == RESTING and (order.book_side, order.price) == (side, price):
                book.add(order)


def _resume(exchange: ExchangeCore) -> None:
    ledger = exchange.ledger
    tier = ledger.options.get("tier")
    if tier and tier != exchange.limits.tier:
        exchange.limits.set_tier(tier)
    for order in ledger.all_open():
        reserve(exchange, order.subaccount, exchange.markets[order.ticker])
        if order.expiration_s:
            orders.schedule_expiry(exchange, order)
    for transfer in ledger.transfers.values():
        if transfer.status == "pending":
            transfers.schedule(exchange, transfer)
    for event in exchange.events.values():
        lifecycle.schedule(exchange, event)
