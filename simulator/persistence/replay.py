"""Plays recorded WebSocket messages: real books and trades at real, faster or maximum speed, renumbered per subscription.

The recorded body is sent as it was, with the ``clock`` that newer messages carry and a fresh time stamp. The book of each
market is kept beside it, so snapshots, ``get_snapshot`` and REST agree with what was sent.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from simulator.clock import iso
from simulator.exchange import Exchange
from simulator.listing.model import ACTIVE, LINEAR_CENT, Event, Market
from simulator.listing.series import derive_series
from simulator.matching.book import ASK, BID, MarketMakerOrder
from simulator.randomness import named_id
from simulator.units import ONE, parse_count, parse_price


class ReplayError(Exception):
    """A file cannot be replayed; the message is one sentence for a person."""


@dataclass(slots=True)
class Tape:
    """Messages as (receive ms, type, ticker, recorded body), in order. ``speed`` 0: as fast as the reader takes them."""

    messages: list[tuple[int, str, str, dict[str, Any]]]
    speed: float
    tickers: list[str] = field(default_factory=list)


def load(path: Path, speed: str) -> Tape:
    """A file (ndjson, gzipped or not) or a folder of them; ReplayError if there is nothing to play."""
    try:
        rate = 0.0 if speed == "max" else float(speed)
    except ValueError:
        raise ReplayError(f"--replay-speed is a number or max, not {speed!r}") from None
    if rate < 0:
        raise ReplayError("--replay-speed is above zero")
    files = sorted(path.glob("*.ndjson*")) if path.is_dir() else [path]
    messages: list[tuple[int, str, str, dict[str, Any]]] = []
    for file in files:
        opener = gzip.open if file.suffix == ".gz" else open
        try:
            with opener(file, "rb") as lines:
                for line in lines:
                    row = msgspec.json.decode(line)
                    event = row["event"]
                    messages.append((row["recv_ms"], event["type"], event["msg"]["market_ticker"], event["msg"]))
        except (OSError, ValueError, KeyError, TypeError, EOFError, msgspec.MsgspecError) as error:
            raise ReplayError(f"{file} is not a recording of WebSocket messages: {error!r}") from None
    if not messages:
        raise ReplayError(f"{path} holds no recorded messages")
    messages.sort(key=lambda m: m[0])
    return Tape(messages, rate, sorted({m[2] for m in messages}))


class Player:
    """Plays a tape to whoever subscribes; it starts with the first book subscription of one of its markets."""

    def __init__(self, exchange: Exchange, tape: Tape) -> None:
        self.exchange, self.tape = exchange, tape
        self.position = 0
        self.sent = 0
        self.finished = asyncio.Event()
        self._stamp = (0, "")
        for ticker in tape.tickers:
            _list_market(exchange, ticker)

    def command(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """``{"restart": true}`` plays again; the answer says how far it is."""
        if body.get("restart"):
            self.position = 0
            self.finished.clear()
        return 200, {"position": self.position, "messages": len(self.tape.messages), "sent": self.sent}

    def _wanted(self) -> bool:
        index = self.exchange.hub.markets["orderbook_delta"]
        return any(ticker in index for ticker in self.tape.tickers)

    async def run(self) -> None:
        """Play, wait for a restart, play again."""
        while True:
            while not self._wanted() or self.position >= len(self.tape.messages):
                await asyncio.sleep(0.01)
            await self._play()
            self.finished.set()

    async def _play(self) -> None:
        messages, speed = self.tape.messages, self.tape.speed
        first, began = messages[self.position][0], time.monotonic()
        while self.position < len(messages):
            if speed:
                due = first + (time.monotonic() - began) * 1000 * speed
                while self.position < len(messages) and messages[self.position][0] <= due:
                    self.step()
                await asyncio.sleep(0.005)
                continue
            for _ in range(min(500, len(messages) - self.position)):
                self.step()
            while any(s.waiting_bytes > 1 << 20 for s in self.exchange.hub.sessions):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)

    def step(self) -> None:
        """Send the next message and keep the book in step."""
        _, kind, ticker, body = self.tape.messages[self.position]
        self.position += 1
        market = self.exchange.markets[ticker]
        if kind == "orderbook_delta":
            market.clock += 1
            side, price, change = _delta(body)
            self._apply(market, side, price, change)
            self._send(market, body)
        elif kind == "orderbook_snapshot":
            market.clock += 1
            self._reset(market, body)
            for subscription in self.exchange.hub.markets["orderbook_delta"].get(ticker, ()):
                subscription.send_snapshot(ticker)
        elif kind == "trade":
            now = self.exchange.now()
            fresh = json.dumps(
                {
                    **body,
                    "taker_outcome_side": body.get("taker_outcome_side", body.get("taker_side", "yes")),
                    "taker_book_side": body.get("taker_book_side", BID if body.get("taker_side") == "yes" else ASK),
                    "is_block_trade": body.get("is_block_trade", False),
                    "ts": now // 1000,
                    "ts_ms": now,
                }
            ).encode()
            for subscription in self.exchange.hub.listeners("trade", ticker):
                subscription.send("trade", fresh, ticker)
        self.sent += 1

    def _send(self, market: Market, body: dict[str, Any]) -> None:
        listeners = self.exchange.hub.markets["orderbook_delta"].get(market.ticker)
        if not listeners:
            return
        now = self.exchange.now()
        if self._stamp[0] != now:
            self._stamp = (now, iso(now))
        side = body["side"]
        for subscription in listeners:
            price = body["price_dollars"]
            if subscription.yes_price and side == "no":
                price = f"{(ONE - parse_price(price)) / ONE:.4f}"
            text = (
                f'{{"market_ticker":"{market.ticker}","market_id":"{market.market_id}","clock":{market.clock},'
                f'"price_dollars":"{price}","delta_fp":"{body["delta_fp"]}","side":"{side}","ts":"{self._stamp[1]}","ts_ms":{now}}}'
            )
            subscription.send("orderbook_delta", text.encode(), market.ticker)

    def _apply(self, market: Market, side: str, price: int, change: int) -> None:
        book = self.exchange.books[market.ticker]
        level = book.levels[side].get(price)
        if level is None:
            if change > 0:
                book.add(MarketMakerOrder(f"{side}{price}", side, price, change))
            return
        order = next(iter(level.orders.values()))  # one order holds the whole level
        if change > 0:
            order.remaining += change
            level.total += change
        else:
            book.reduce(order, min(-change, order.remaining))

    def _reset(self, market: Market, body: dict[str, Any]) -> None:
        book = self.exchange.books[market.ticker]
        for side in (BID, ASK):
            for order in list(book.orders(side)):
                book.remove(order)
        for side, name in ((BID, "yes_dollars_fp"), (ASK, "no_dollars_fp")):
            for raw_price, raw_count in body.get(name, ()):
                price = parse_price(raw_price) if side == BID else ONE - parse_price(raw_price)
                book.add(MarketMakerOrder(f"{side}{price}", side, price, parse_count(raw_count)))


def _delta(body: dict[str, Any]) -> tuple[str, int, int]:
    raw = body["delta_fp"]
    change = -parse_count(raw[1:]) if raw.startswith("-") else parse_count(raw)
    price = parse_price(body["price_dollars"])
    return (BID, price, change) if body["side"] == "yes" else (ASK, ONE - price, change)


def _list_market(exchange: Exchange, ticker: str) -> None:
    """List a replayed market with just enough around it; its book is driven by the tape alone."""
    event_ticker, series_ticker, now = ticker.rsplit("-", 1)[0], ticker.split("-", 1)[0], exchange.now()
    if series_ticker not in exchange.series:
        exchange.series[series_ticker] = derive_series(series_ticker, "Commodities", series_ticker, now)
    shard = exchange.series[series_ticker].shard
    event = exchange.events.get(event_ticker)
    if event is None:
        event = exchange.events[event_ticker] = Event(
            event_ticker,
            series_ticker,
            event_ticker,
            "",
            "Commodities",
            False,
            "",
            None,
            None,
            shard,
            [],
            now,
            86_400_000,
        )
    event.markets.append(ticker)
    market = Market(
        ticker,
        event_ticker,
        series_ticker,
        named_id("market", ticker),
        shard,
        event_ticker,
        ticker,
        ticker,
        "greater",
        None,
        None,
        None,
        "Replayed market.",
        "",
        now,
        now,
        now,
        now + 86_400_000,
        now + 86_400_000,
        now + 86_400_000,
        0,
        ACTIVE,
        "linear_cent",
        [list(r) for r in LINEAR_CENT],
        0,
        0,
        0,
        0,
        0,
        0,
        ONE,
        100,
        False,
        0.5,
        on_hold=True,
    )
    book = exchange.add_market(market, [], [])
    book.changed = None
