"""An exchange for measurements: events of one series, a day and three outcomes each, listed over HTTP, with books over a WebSocket."""

from __future__ import annotations

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bench.streaming.connection import Connection
from simulator.listing.series import derive_series, rules_text

SERIES = "KXHIGHNY"
"""Its rules are in a form that is read; each event is a day of its own."""
LEGS = ("less", "between", "greater")


class Exchange:
    """The listing over HTTP and the books over a WebSocket, of ``count`` events with three outcomes each."""

    def __init__(self, count: int) -> None:
        days = (datetime.now(UTC) + timedelta(days=1 + n) for n in range(count))
        self._days = {f"{SERIES}-{day:%y%b%d}".upper(): f"{day:%b %d, %Y}" for day in days}
        self.tickers = list(self._days)
        self._series = derive_series(SERIES, "Climate and Weather", "", 0)
        self.watched: set[str] = set()
        self._seq = 0
        self._connection: Connection | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.ws_url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/trade-api/ws/v2"
        threading.Thread(target=self._accept, daemon=True).start()

    # what ``bench.scan.serve`` asks for
    @property
    def series(self) -> bytes:
        listed = {name: getattr(self._series, name) for name in ("ticker", "title", "category", "settlement_sources")}
        return json.dumps({"series": [{**listed, "fee_type": "quadratic", "fee_multiplier": 1}]}).encode()

    def page(self, start: int) -> bytes:
        return json.dumps({"events": [self._event(ticker) for ticker in self.tickers], "cursor": ""}).encode()

    def send(self, ticker: str, side: str, price: int, count: int) -> None:
        message = {
            "market_ticker": ticker,
            "price_dollars": f"{price / 10_000:.4f}",
            "delta_fp": f"{count / 100:.2f}",
            "side": side,
        }
        self._send("orderbook_delta", {**message, "ts_ms": int(time.time() * 1000)})

    def _event(self, ticker: str) -> dict[str, Any]:
        return {
            "event_ticker": ticker,
            "series_ticker": SERIES,
            "title": "Highest temperature?",
            "category": self._series.category,
            "mutually_exclusive": True,
            "collateral_return_type": "MECNET",
            "markets": [self._market(ticker, leg) for leg in range(3)],
        }

    def _market(self, event: str, leg: int) -> dict[str, Any]:
        strikes = ({"cap_strike": 80}, {"floor_strike": 80, "cap_strike": 81}, {"floor_strike": 81})
        words = ("79° or below", "80° to 81°", "82° or above")
        about = {"strike_type": LEGS[leg], "yes_sub_title": words[leg], **strikes[leg]}
        primary, secondary = rules_text(self._series, "", self._days[event], about, 3)
        return {
            **about,
            "ticker": f"{event}-B{leg}",
            "event_ticker": event,
            "market_type": "binary",
            "status": "active",
            "result": "",
            "notional_value_dollars": "1.0000",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
            "yes_bid_dollars": "0.2500",
            "yes_bid_size_fp": "100.00",
            "yes_ask_dollars": "0.3600",
            "yes_ask_size_fp": "100.00",
            "volume_fp": "5000.00",
            "open_interest_fp": "2000.00",
            "rules_primary": primary,
            "rules_secondary": secondary,
            "close_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400)),
        }

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = Connection(sock, self._snapshots)
            threading.Thread(target=self._connection.answer_commands, daemon=True).start()

    def _snapshots(self, tickers: list[str]) -> None:
        for ticker in tickers:
            self.watched.add(ticker)
            self._send(
                "orderbook_snapshot",
                {
                    "market_ticker": ticker,
                    "yes_dollars_fp": [["0.2500", "100.00"]],
                    "no_dollars_fp": [["0.6400", "100.00"]],
                },
            )

    def _send(self, kind: str, message: dict[str, Any]) -> None:
        self._seq += 1
        assert self._connection is not None
        self._connection.send(msgspec.json.encode({"type": kind, "sid": 2, "seq": self._seq, "msg": message}))
