"""Tapes made for tests: exclusive events with one-cent grids, snapshots and deltas as the exchange sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from backtest.options import Options, checked
from markets.exchange_hours import Answer
from markets.tape import store
from markets.tape.imports.listing import market
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import iso
from markets.tape.records import Kind, Record, pack_frames
from markets.tape.store import json_record
from strategies.profiles.seeds import SEEDED
from tests.markets.terms.wording import soccer
from tests.markets.test_exchange_hours import OPEN, schedule
from trading.venues.replay import Latency

SECOND = 10**9
START = 1_786_406_400 * SECOND
Levels = Iterable[tuple[str, str]]


@dataclass
class Recorder:
    """Writes one connection's frames in the order of their times."""

    records: list[Record] = field(default_factory=list)
    seq: int = 0
    epoch: str = "e1"
    series: set[str] = field(default_factory=set)
    _lives: int = 0
    _trades: int = 0

    def opened(self, at: float, epoch: str = "e1") -> None:
        self.epoch, self.seq = epoch, 0
        self.records.append(json_record(_ns(at), Kind.CONNECTION, epoch, {"state": "open"}))

    def event(self, at: float, ticker: str, legs: int, *, closes: float = 86_400, exclusive: bool = True) -> None:
        times = {"close_time": iso(_ns(closes)), "expected_expiration_time": iso(_ns(closes))}
        markets = [market(f"{ticker}-L{n}", name=f"outcome {n}", times=times) for n in range(legs)]
        if legs == 3:  # a game, in words that are read
            for listed, known in zip(markets, soccer().markets, strict=True):
                listed["yes_sub_title"] = known.yes_sub_title
                listed["rules_primary"], listed["rules_secondary"] = known.rules_primary, known.rules_secondary
        self.listed(at, ticker, markets, category="Sports", exclusive=exclusive)

    def listed(
        self,
        at: float,
        ticker: str,
        markets: list[dict[str, Any]],
        *,
        category: str = "Climate and Weather",
        exclusive: bool = True,
    ) -> None:
        """An event with its markets, and its series where that is new."""
        series = ticker.split("-")[0]
        if series not in self.series:
            self.series.add(series)
            fees = {"fee_type": "quadratic", "fee_multiplier": 1}
            content = {"ticker": series, "title": series, "category": category, **fees}
            self.records.append(json_record(_ns(at), Kind.SERIES, series, content))
        event = {
            "event_ticker": ticker,
            "series_ticker": series,
            "title": ticker,
            "sub_title": "",
            "category": category,
            "mutually_exclusive": exclusive,
            "collateral_return_type": "MECNET" if exclusive else "",
            "markets": markets,
        }
        self.records.append(json_record(_ns(at), Kind.EVENT, ticker, event))

    def book(self, at: float, ticker: str, yes: Levels, no: Levels) -> None:
        message: dict[str, Any] = {"market_ticker": ticker}
        message |= {"yes_dollars_fp": [list(level) for level in yes], "no_dollars_fp": [list(level) for level in no]}
        self._frame(at, "orderbook_snapshot", message)

    def delta(self, at: float, ticker: str, side: str, price: str, change: str) -> None:
        message = {"market_ticker": ticker, "side": side, "price_dollars": price, "delta_fp": change}
        self._frame(at, "orderbook_delta", message)

    def lifecycle(self, at: float, ticker: str, event_type: str) -> None:
        """A message about a market's life; its subscription counts by itself."""
        self._lives += 1
        message = {"market_ticker": ticker, "event_type": event_type}
        self._raw(at, {"type": "market_lifecycle_v2", "sid": 3, "seq": self._lives, "msg": message})

    def fee(self, at: float, event: str, multiplier: str) -> None:
        """A message about the fee of an event."""
        self._lives += 1
        message = {"event_ticker": event, "fee_type_override": "quadratic", "fee_multiplier_override": multiplier}
        self._raw(at, {"type": "event_fee_update", "sid": 3, "seq": self._lives, "msg": message})

    def trade(self, at: float, ticker: str, name: str, price: str, count: str, side: str) -> None:
        """A public trade: ``price`` of YES, ``side`` that the taker bought."""
        rest = f"{1 - float(price):.4f}"
        message = {"trade_id": name, "market_ticker": ticker, "yes_price_dollars": price, "no_price_dollars": rest}
        self._trades += 1
        self._raw(
            at,
            {"type": "trade", "sid": 4, "seq": self._trades, "msg": message | {"count_fp": count, "taker_side": side}},
        )

    def own_fill(self, at: float, ticker: str, name: str, price: str, count: str, *, is_taker: bool = True) -> None:
        """The recording account's part in a trade, in which it bought NO."""
        message = {
            "trade_id": name,
            "order_id": f"own-{name}",
            "market_ticker": ticker,
            "exchange_index": 0,
            "is_taker": is_taker,
            "outcome_side": "no",
            "book_side": "ask",
            "yes_price_dollars": price,
            "count_fp": count,
            "fee_cost": "0.0000",
            "post_position_fp": f"-{count}",
            "ts_ms": _ns(at) // 10**6,
        }
        self._raw(at, {"type": "fill", "sid": 2, "msg": message})

    def own_order(
        self, at: float, ticker: str, price: str, count: str, *, status: str = "resting", bids_yes: bool = True
    ) -> None:
        """An order of the recording account; ``price`` of YES."""
        left = count if status == "resting" else "0.00"
        message = {
            "order_id": f"own-{ticker}-{price}",
            "ticker": ticker,
            "exchange_index": 0,
            "status": status,
            "outcome_side": "yes" if bids_yes else "no",
            "book_side": "bid" if bids_yes else "ask",
            "yes_price_dollars": price,
            "initial_count_fp": count,
            "fill_count_fp": "0.00",
            "remaining_count_fp": left,
            "taker_fill_cost_dollars": "0",
            "maker_fill_cost_dollars": "0",
            "taker_fees_dollars": "0",
            "maker_fees_dollars": "0",
        }
        self._raw(at, {"type": "user_order", "sid": 2, "msg": message})

    def status(self, at: float, *, trading: bool) -> None:
        """What the exchange said of itself."""
        said = Answer(_ns(at) // 10**6, msgspec.structs.replace(OPEN, trading_active=trading), schedule(), "1")
        self.records.append(Record(_ns(at), Kind.STATUS, "", msgspec.json.encode(said)))

    def alive(self, at: float) -> None:
        """A heartbeat's answer: the connection lives, nothing changed."""
        self._raw(at, {"type": "ok", "id": 1, "msg": {}})

    def settled(self, at: float, results: Mapping[str, str]) -> None:
        self.records += [settlement(_ns(at), ticker, result) for ticker, result in results.items()]

    def write(self, folder: Path, name: str = "w") -> Path:
        store.write(folder, name, {"source": "test"}, self.records)
        return folder

    def _frame(self, at: float, kind: str, message: dict[str, Any]) -> None:
        self.seq += 1
        self._raw(at, {"type": kind, "sid": 1, "seq": self.seq, "msg": message})

    def _raw(self, at: float, frame: dict[str, Any]) -> None:
        raw = json.dumps(frame, separators=(",", ":")).encode()
        self.records.append(Record(_ns(at), Kind.FRAMES, self.epoch, pack_frames([raw])))


def _ns(at: float) -> int:
    return START + round(at * SECOND)


def options(tape: Path, **changes: Any) -> Options:
    """A run of the careful profile with any profit allowed, 30 ms to the book."""
    profile = checked(
        {
            "name": "test",
            **SEEDED["careful"],
            "min_profit": 0,
            "least_grade": "if_determined",
            "leg_risk_budget": 10**9,
            **changes.pop("profile", {}),
        }
    )
    return Options(tape=tape, profile=profile, latency=changes.pop("latency", Latency(30, 30, 30)), **changes)


def planted(folder: Path, *, gap: bool = False) -> Path:
    """Two events without an edge, one with: from second 60 to 90 the YES bids of GAME-EDGE add up to 1.20 dollars.

    ``gap``: nothing was recorded from second 50 to 100.
    """
    tape = Recorder()
    tape.opened(0)
    for ticker in ("GAME-EDGE", "GAME-FAIR", "GAME-COSTLY"):
        tape.event(0, ticker, 3)
        for leg in range(3):
            tape.book(1, f"{ticker}-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 170, 4):
        tape.alive(second)
    for leg in range(3):
        tape.delta(60, f"GAME-EDGE-L{leg}", "yes", "0.4000", "20.00")
    for leg in range(3):
        tape.delta(90, f"GAME-EDGE-L{leg}", "yes", "0.4000", "-20.00")
    tape.settled(150, {"GAME-EDGE-L0": "yes", "GAME-EDGE-L1": "no", "GAME-EDGE-L2": "no"})
    tape.records.sort(key=lambda record: record.received_ns)
    if gap:
        hole = {"after_ns": _ns(50), "before_ns": _ns(100), "reason": "disk full"}
        tape.records.append(json_record(_ns(50), Kind.GAP, "", hole))
        tape.records.sort(key=lambda record: record.received_ns)
    return tape.write(folder)
