"""A small exchange for tests: one temperature ladder, two games, one crypto range, one threshold ladder; manual clock."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from simulator.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.exchange import Exchange
from simulator.persistence.snapshot import load_snapshot
from simulator.rest.app import handle
from simulator.ws.commands import receive

START = 1_795_400_000_000
PASS = "20260719T155529Z"
HIGH = "KXHIGHNY-26JUL20"
GAME = "KXMLBGAME-26JUL201840MINCLE"
DRAW = "KXMLSGAME-26JUL20ATLNYC"
COIN = "KXBTC-26JUL1917"
JOBS = "KXPAYROLLS-26AUG"
MIN, CLE = f"{GAME}-MIN", f"{GAME}-CLE"
T80, B805, B825, T83 = f"{HIGH}-T80", f"{HIGH}-B80.5", f"{HIGH}-B82.5", f"{HIGH}-T83"
_RANGES = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]


def _market(event: str, suffix: str, **more: Any) -> dict[str, Any]:
    return {
        "ticker": f"{event}-{suffix}",
        "event_ticker": event,
        "market_type": "binary",
        "status": "active",
        "price_ranges": _RANGES,
        "price_level_structure": "linear_cent",
        "notional_value_dollars": "1.0000",
        **more,
    }


def _event(
    ticker: str, category: str, markets: list[dict[str, Any]], exclusive: bool = True, **more: Any
) -> dict[str, Any]:
    return {
        "event_ticker": ticker,
        "series_ticker": ticker.split("-")[0],
        "title": more.pop("title", ticker),
        "sub_title": "",
        "category": category,
        "mutually_exclusive": exclusive,
        "collateral_return_type": "MECNET" if exclusive else "",
        "markets": markets,
        **more,
    }


def _ladder() -> list[dict[str, Any]]:
    closing = {"close_time": "2026-07-20T16:55:29Z"}
    return [
        _market(HIGH, "T80", strike_type="less", cap_strike=80, yes_sub_title="79° or below", **closing),
        _market(
            HIGH, "B80.5", strike_type="between", floor_strike=80, cap_strike=81, yes_sub_title="80° to 81°", **closing
        ),
        _market(
            HIGH, "B82.5", strike_type="between", floor_strike=82, cap_strike=83, yes_sub_title="82° to 83°", **closing
        ),
        _market(HIGH, "T83", strike_type="greater", floor_strike=83, yes_sub_title="84° or above", **closing),
    ]


def _side(event: str, suffix: str, name: str) -> dict[str, Any]:
    return _market(
        event, suffix, strike_type="structured", yes_sub_title=name, expected_expiration_time="2026-07-20T22:40:00Z"
    )


EVENTS = [
    _event(HIGH, "Climate and Weather", _ladder()),
    _event(
        GAME,
        "Sports",
        [_side(GAME, "MIN", "Minnesota"), _side(GAME, "CLE", "Cleveland")],
        title="Minnesota vs Cleveland Winner?",
    ),
    _event(DRAW, "Sports", [_side(DRAW, "ATL", "Atlanta"), _side(DRAW, "NYC", "New York"), _side(DRAW, "TIE", "Tie")]),
    _event(
        COIN,
        "Crypto",
        [
            _market(
                COIN,
                "B50",
                strike_type="less",
                cap_strike=50,
                close_time="2026-07-19T17:00:00Z",
                open_time="2026-07-19T16:00:00Z",
            ),
            _market(
                COIN,
                "T50",
                strike_type="greater",
                floor_strike=49.99,
                close_time="2026-07-19T17:00:00Z",
                open_time="2026-07-19T16:00:00Z",
            ),
        ],
    ),
    _event(
        JOBS,
        "Economics",
        [
            _market(JOBS, f"T{n}", strike_type="greater", floor_strike=n, close_time="2026-09-04T12:29:00Z")
            for n in (0, 50_000, 100_000)
        ],
        exclusive=False,
    ),
]
BOOKS: dict[str, tuple[list[list[str]], list[list[str]]]] = {
    # ticker: (YES bids, NO bids), ascending
    T80: ([["0.1000", "50.00"], ["0.1400", "30.00"]], [["0.8000", "40.00"], ["0.8300", "25.00"]]),
    B805: ([["0.3000", "80.00"]], [["0.6500", "60.00"]]),
    B825: ([["0.3800", "80.00"]], [["0.5500", "60.00"], ["0.5800", "20.50"]]),
    T83: ([["0.0900", "10.00"]], [["0.8800", "15.00"]]),
    MIN: ([["0.4600", "100.00"], ["0.4700", "500.00"]], [["0.5100", "300.00"], ["0.5200", "120.00"]]),
    CLE: ([["0.5100", "150.00"]], [["0.4800", "45.00"]]),
    f"{DRAW}-ATL": ([["0.4000", "100.00"]], [["0.5800", "100.00"]]),
    f"{DRAW}-NYC": ([["0.3000", "100.00"]], [["0.6800", "100.00"]]),
    f"{DRAW}-TIE": ([["0.2500", "100.00"]], [["0.7200", "100.00"]]),
    f"{COIN}-B50": ([], [["0.9900", "1000.00"]]),
    f"{COIN}-T50": ([["0.9700", "20.00"]], []),
}


def write_snapshot(folder: Path, events: list[dict[str, Any]] = EVENTS, books: dict[str, Any] = BOOKS) -> Path:
    """A snapshot folder as recordings have it."""
    folder = folder / PASS
    folder.mkdir(parents=True, exist_ok=True)
    half = len(events) // 2
    with gzip.open(folder / "events.jsonl.gz", "wt") as out:
        out.write(json.dumps({"events": events[:half], "cursor": "x", "milestones": []}) + "\n")
        out.write(json.dumps({"events": events[half:], "cursor": "", "milestones": []}) + "\n")
    with gzip.open(folder / "orderbooks.jsonl.gz", "wt") as out:
        for ticker, (yes, no) in books.items():
            out.write(json.dumps({"ticker": ticker, "orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}) + "\n")
    return folder


def make_exchange(folder: Path, **settings: Any) -> Exchange:
    """A fresh exchange on a manual clock; still and without rate limits unless the settings differ."""
    config = SimulatorConfig(**({"still": True, "rate_limits": False} | settings))
    exchange = Exchange(config, ManualClock(START))
    exchange.list_snapshot(load_snapshot(folder, config, exchange.streams, START))
    exchange.open_accounts()
    exchange.begin()
    exchange.commit()
    return exchange


class Client:
    """REST calls on an exchange in process."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.number = 0

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        return handle(self.exchange, method, path, query, {}, body)

    def get(self, path: str, **query: Any) -> Any:
        status, body = self.call("GET", path, **query)
        assert status == 200, body
        return body

    def order(
        self, ticker: str, side: str, price: str, count: str, tif: str = "immediate_or_cancel", **more: Any
    ) -> tuple[int, Any]:
        """Create an order; the exchange index of the market is sent along."""
        self.number += 1
        body = {
            "ticker": ticker,
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": tif,
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"c-{self.number}",
            **more,
        }
        return self.call("POST", "/portfolio/events/orders", {k: v for k, v in body.items() if v is not None})

    def placed(
        self, ticker: str, side: str, price: str, count: str, tif: str = "good_till_canceled", **more: Any
    ) -> str:
        """The id of an order that is accepted."""
        status, body = self.order(ticker, side, price, count, tif, **more)
        assert status == 201, body
        return str(body["order_id"])

    def one(self, order_id: str) -> Any:
        return self.get(f"/portfolio/orders/{order_id}")["order"]

    def cancel(self, order_id: str, **query: Any) -> tuple[int, Any]:
        return self.call("DELETE", f"/portfolio/events/orders/{order_id}", **query)

    def cash(self, shard: int = 0, subaccount: int = 0) -> int:
        """Total cash of a account in micro-dollars."""
        return self.exchange.ledger.cash[subaccount, shard]

    def free(self, shard: int = 0, subaccount: int = 0) -> int:
        return self.exchange.ledger.available((subaccount, shard))

    def position(self, ticker: str) -> int:
        return self.exchange.ledger.position(0, ticker)


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and error code."""
    return answer[0], answer[1]["error"]["code"]


class Listener:
    """A WebSocket session in process."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.session = exchange.hub.connect()
        self.number = 0

    def send(self, cmd: str, command_id: int | None = None, **params: Any) -> list[dict[str, Any]]:
        """Send a command; returns every frame that waits afterwards."""
        self.number += 1
        body: dict[str, Any] = {"id": self.number if command_id is None else command_id, "cmd": cmd}
        if params:
            body["params"] = params
        receive(self.session, json.dumps(body))
        return self.frames()

    def frames(self) -> list[dict[str, Any]]:
        self.exchange.commit()
        return [json.loads(frame) for frame in self.session.take()]
