"""Books and numbers against a simple reference: whatever is lost, doubled or swapped, a book that is not suspect is right."""

from __future__ import annotations

import copy
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from markets.book import Depth
from markets.kalshi.ws.frames import Ack
from markets.prices import EVENT_KEY, RecordedMarkets
from markets.streaming.connection import Connection
from markets.streaming.output.metrics import Metrics
from markets.streaming.state.books import Books

TICKERS = ["EVENT-A", "EVENT-B", "OTHER-A"]
SID = 2
Sides = dict[str, dict[int, int]]


class Recorder:
    """In the place of a session: records the requested repairs. Frames come through ``Connection.intake``."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.intake: Any = None

    def sid_of(self, channel: str) -> int | None:
        return SID if channel == "orderbook_delta" else None

    def get_snapshot(self, sid: int, tickers: list[str]) -> int:
        self.wanted += tickers
        return 1

    def add_markets(self, sid: int, tickers: list[str]) -> int:
        return 1

    delete_markets = add_markets

    def list_subscriptions(self) -> int:
        return 1


class Reference:
    """The truth, and every frame that announces it. Numbers run over all markets; each market has a clock of its own."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.books: dict[str, Sides] = {t: {"yes": {4000: 500}, "no": {5000: 500}} for t in TICKERS}
        self.seq = 0
        self.clocks = dict.fromkeys(TICKERS, 1)
        self.history: dict[int, dict[str, Sides]] = {}

    def _number(self) -> int:
        self.seq += 1
        self.history[self.seq] = copy.deepcopy(self.books)
        return self.seq

    def snapshot(self, ticker: str) -> bytes:
        message: dict[str, Any] = {"market_ticker": ticker, "clock": self.clocks[ticker]}
        for side, levels in self.books[ticker].items():
            if levels:
                message[f"{side}_dollars_fp"] = [
                    [f"{p / 10000:.4f}", f"{c / 100:.2f}"] for p, c in sorted(levels.items())
                ]
        return json.dumps({"type": "orderbook_snapshot", "sid": SID, "seq": self._number(), "msg": message}).encode()

    def change(self) -> bytes:
        ticker, side = self.pick.choice(TICKERS), self.pick.choice(("yes", "no"))
        levels = self.books[ticker][side]
        price = self.pick.choice([*levels, self.pick.randrange(30, 48) * 100])
        count = self.pick.choice((0, 100, 250, 775))
        change = count - levels.get(price, 0)
        levels[price] = count
        if not count:
            del levels[price]
        self.clocks[ticker] += self.pick.choice((1, 1, 3))
        message = {
            "market_ticker": ticker,
            "clock": self.clocks[ticker],
            "price_dollars": f"{price / 10000:.4f}",
            "delta_fp": f"{change / 100:.2f}",
            "side": side,
            "ts_ms": 1,
        }
        return json.dumps({"type": "orderbook_delta", "sid": SID, "seq": self._number(), "msg": message}).encode()


def connected() -> tuple[Connection, Recorder]:
    recorder = Recorder()
    connection = Connection(recorder, Books(), Metrics(), lambda message: None)  # type: ignore[arg-type]
    connection.books.start_epoch(connection.epoch)
    connection._handle(Ack(kind="subscribed", channel="orderbook_delta", sid=SID), 0)
    connection.alive_ms = 10**15
    wanted = {"EVENT": {"EVENT-A": "active", "EVENT-B": "active"}, "OTHER": {"OTHER-A": "active"}}
    connection.maintain(wanted, 0)
    return connection, recorder


def published(books: Books, kept: dict[str, RecordedMarkets]) -> dict[str, RecordedMarkets]:
    """What readers would find after a flush now."""
    records, _ = books.take_changes()
    for key, value in records.items():
        if key.startswith(EVENT_KEY):
            kept[key.removeprefix(EVENT_KEY)] = RecordedMarkets(value)
    return kept


def assert_right(connection: Connection, truth: dict[str, Sides], kept: dict[str, RecordedMarkets]) -> int:
    """Every record that is not suspect equals the truth. Returns how many there were."""
    sound = 0
    for record in published(connection.books, kept).values():
        for market in record.values():
            if market.depth is not None and not market.suspect:
                sound += 1
                found = market.depth
                expected = Depth.of(truth[market.ticker]["yes"].items(), truth[market.ticker]["no"].items())
                assert found == expected, market.ticker
    return sound


@pytest.mark.parametrize("seed", range(25))
def test_a_book_that_is_not_suspect_is_right(seed: int) -> None:
    reference, (connection, recorder) = Reference(seed), connected()
    pick, sound, now = random.Random(seed + 1000), 0, 10_000
    kept: dict[str, RecordedMarkets] = {}
    delivered = 0

    def deliver(frame: bytes) -> None:
        nonlocal delivered
        connection.intake.feed([frame])
        delivered = max(delivered, json.loads(frame)["seq"])

    for ticker in TICKERS:
        deliver(reference.snapshot(ticker))
    held: bytes | None = None
    for _ in range(250):
        now += 5_000
        frame, luck = reference.change(), pick.random()
        if luck < 0.04:
            continue  # lost
        if luck < 0.08 and held is None:
            held = frame  # comes after its successor
            continue
        deliver(frame)
        if luck > 0.96:
            deliver(frame)  # comes twice
        sound += assert_right(connection, reference.history[delivered], kept)
        if held is not None:
            deliver(held)
            held = None
            sound += assert_right(connection, reference.history[delivered], kept)
        if luck < 0.3:
            connection.subscription.repair(connection.books.repair, now)
            for ticker in recorder.wanted:
                deliver(reference.snapshot(ticker))
            recorder.wanted.clear()
            assert not connection.books.repair
        sound += assert_right(connection, reference.history[delivered], kept)
    assert connection.intake.tally.balances
    assert connection.metrics.gaps > 0
    assert sound > 250


def test_a_delta_that_the_snapshot_contains_is_not_applied_twice() -> None:
    reference, (connection, _) = Reference(1), connected()
    for ticker in TICKERS:
        connection.intake.feed([reference.snapshot(ticker)])
    late = [reference.change() for _ in range(5)]
    for number, frame in enumerate(map(json.loads, late)):
        frame["seq"] = reference.seq - 5 + 2 + number  # numbered behind a snapshot that has it already
        late[number] = json.dumps(frame).encode()
    reference.seq -= 5
    tickers = {json.loads(frame)["msg"]["market_ticker"] for frame in late}
    snapshots = [json.loads(reference.snapshot(ticker)) for ticker in sorted(tickers)]
    connection.intake.feed([json.dumps(s).encode() for s in snapshots])
    for number, frame in enumerate(map(json.loads, late)):
        frame["seq"] = reference.seq + 1 + number
        connection.intake.feed([json.dumps(frame).encode()])
    assert assert_right(connection, reference.books, {}) == len(TICKERS)


def test_a_crossed_book_is_suspect_at_once_and_repaired_when_it_stays() -> None:
    reference, (connection, recorder) = Reference(1), connected()
    for ticker in TICKERS:
        connection.intake.feed([reference.snapshot(ticker)])
    message = {
        "market_ticker": "EVENT-A",
        "price_dollars": "0.7000",
        "delta_fp": "1.00",
        "side": "yes",
        "ts_ms": 1,
        "clock": 99,
    }
    frame = {"type": "orderbook_delta", "sid": SID, "seq": reference.seq + 1, "msg": message}
    connection.intake.feed([json.dumps(frame).encode()])
    suspect = {m.ticker: m.suspect for m in published(connection.books, {})["EVENT"].values()}
    assert suspect == {"EVENT-A": True, "EVENT-B": False}
    assert not connection.books.repair
    connection.maintain(connection._followed, 10**14)
    assert recorder.wanted == ["EVENT-A"]


@pytest.mark.shared
def test_recorded_gold_markets_leave_no_gap_no_cross_and_the_reference_books(recorded: Path) -> None:
    path = sorted((recorded / "ws" / "gold15m").glob("*.ndjson.gz"))[0]
    connection, _ = connected()
    reference: dict[str, Sides] = {}
    crossed = numbered = 0
    with gzip.open(path) as lines:
        for count, line in enumerate(lines):
            if count >= 60_000:
                break
            event = json.loads(line)["event"]
            message = event["msg"]
            if event["type"] == "trade":
                continue
            ticker = message["market_ticker"]
            if ticker not in connection.books.markets:
                connection.books.watch(ticker, {ticker: "active"})
            numbered += 1
            event |= {"sid": SID, "seq": numbered}
            connection.intake.feed([json.dumps(event).encode()])
            crossed += len(connection.books._crossed)
            book = reference.setdefault(ticker, {"yes": {}, "no": {}})
            if event["type"] == "orderbook_snapshot":
                for side in ("yes", "no"):
                    levels = message.get(f"{side}_dollars_fp", [])
                    book[side] = {round(float(p) * 10_000): round(float(c) * 100) for p, c in levels}
            else:
                changed, price = book[message["side"]], round(float(message["price_dollars"]) * 10_000)
                changed[price] = changed.get(price, 0) + round(float(message["delta_fp"]) * 100)
                if not changed[price]:
                    del changed[price]
    assert numbered > 50_000
    assert (connection.metrics.gaps, connection.books.suspected, connection.intake.tally.rejected, crossed) == (
        0,
        0,
        0,
        0,
    )
    for ticker, book in reference.items():
        assert connection.books.markets[ticker].book.yes == book["yes"]
        assert connection.books.markets[ticker].book.no == book["no"]
