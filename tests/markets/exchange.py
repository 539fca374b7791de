"""A small HTTP server with the exchange's listing endpoints, for tests of the scan: what it lists is a plain dict to edit."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = "/trade-api/v2"
Json = dict[str, Any]


def market(ticker: str, event: str, **fields: Any) -> Json:
    """A tradable binary market in the exchange's shape."""
    return {
        "ticker": ticker,
        "event_ticker": event,
        "market_type": "binary",
        "status": "active",
        "result": "",
        "notional_value_dollars": "1.0000",
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "yes_bid_dollars": "0.4000",
        "yes_bid_size_fp": "10.00",
        "yes_ask_dollars": "0.4300",
        "yes_ask_size_fp": "5.00",
        "yes_sub_title": ticker.rsplit("-", 1)[-1],
        "rules_primary": f"If {ticker} wins, the market resolves to Yes.",
        "close_time": "2027-01-01T00:00:00Z",
        **fields,
    }


RULE = (
    "If the highest temperature recorded at Miami, FL for July 16, 2026 as reported by the National Weather Service's Climatological "
    "Report (Daily), is {}, then the market resolves to Yes."
)
NOTE = "Not all weather data is the same."
GAME_RULE = "If {} wins the A vs B game originally scheduled for Jul 9, 2026, then the market resolves to Yes."
GAME_NOTE = "This market is mutually exclusive."


def temperature(ticker: str, series: str = "KXHIGHMIA") -> Json:
    """An exclusive event whose three strikes tile the line: below 80, 80 to 81, above 81."""
    strikes = (
        {"strike_type": "less", "cap_strike": 80},
        {"strike_type": "between", "floor_strike": 80, "cap_strike": 81},
        {"strike_type": "greater", "floor_strike": 81},
    )
    names = ("79° or below", "80° to 81°", "82° or above")
    rules = ("less than 80°", "between 80-81°", "greater than 81°")
    return {
        "event_ticker": ticker,
        "series_ticker": series,
        "title": "Highest temperature in Miami?",
        "sub_title": "On Jul 16, 2026",
        "category": "Climate and Weather",
        "mutually_exclusive": True,
        "collateral_return_type": "MECNET",
        "markets": [
            market(
                f"{ticker}-{n}",
                ticker,
                yes_sub_title=names[n],
                rules_primary=RULE.format(rules[n]),
                rules_secondary=NOTE,
                **strike,
            )
            for n, strike in enumerate(strikes)
        ],
    }


def game(ticker: str, series: str = "KXGAME") -> Json:
    """An exclusive event of two sides, of which nobody says that one must win."""
    return {
        "event_ticker": ticker,
        "series_ticker": series,
        "title": "A vs B winner?",
        "mutually_exclusive": True,
        "collateral_return_type": "MECNET",
        "category": "Sports",
        "markets": [
            market(f"{ticker}-{side}", ticker, rules_primary=GAME_RULE.format(side), rules_secondary=GAME_NOTE)
            for side in ("A", "B")
        ],
    }


class SmallExchange:
    """``listed`` is what ``GET /events`` pages through; ``known`` is what ``GET /events/{ticker}`` finds besides,
    ``archive`` what the historical listing has."""

    def __init__(self) -> None:
        self.listed: dict[str, Json] = {}
        self.known: dict[str, Json] = {}
        self.archive: dict[str, Json] = {}
        self.series: dict[str, Json] = {}
        self.series_fee_changes: list[Json] = []
        self.event_fee_changes: list[Json] = []
        self.books: dict[str, Json] = {}
        self.page_size = 2
        self.break_after_pages: int | None = None
        self.requested: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body = owner.answer(self.path)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{ROOT}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, *events: Json) -> None:
        for event in events:
            self.listed[event["event_ticker"]] = event
            self.series.setdefault(event["series_ticker"], series(event["series_ticker"], event["category"]))

    def answer(self, path: str) -> tuple[int, Json]:
        parts = urlsplit(path)
        route, query = parts.path.removeprefix(ROOT), parse_qs(parts.query)
        self.requested.append(route)
        if route == "/series":
            return 200, {"series": list(self.series.values())}
        if route == "/series/fee_changes":
            return 200, {"series_fee_change_arr": self.series_fee_changes}
        if route == "/events/fee_changes":
            return 200, {"event_fee_changes": self.event_fee_changes, "cursor": ""}
        if route == "/events":
            return self._page(int(query.get("cursor", ["0"])[0]))
        if route == "/markets/orderbooks":
            empty: dict[str, list[list[str]]] = {"yes_dollars": [], "no_dollars": []}
            found = [{"ticker": t, "orderbook_fp": self.books.get(t, empty)} for t in query["tickers"]]
            return 200, {"orderbooks": found}
        if route in ("/markets", "/historical/markets"):
            return 200, {"markets": self._some(route == "/historical/markets", query), "cursor": ""}
        if route.startswith("/events/"):
            event = {**self.known, **self.listed}.get(route.removeprefix("/events/"))
            return (200, {"event": event, "markets": []}) if event else _missing()
        if route.startswith("/markets/"):
            markets = {m["ticker"]: m for e in {**self.known, **self.listed}.values() for m in e["markets"]}
            found_market = markets.get(route.removeprefix("/markets/"))
            return (200, {"market": found_market}) if found_market else _missing()
        return _missing()

    def _some(self, old: bool, query: dict[str, list[str]]) -> list[Json]:
        """Markets of the live listing or of the archive, by ticker or by series."""
        events = self.archive if old else {**self.known, **self.listed}
        wanted = set(query["tickers"][0].split(",")) if "tickers" in query else None
        series = query.get("series_ticker", [None])[0]
        return [
            market
            for event in events.values()
            for market in event["markets"]
            if (wanted is None or market["ticker"] in wanted) and series in (None, event["series_ticker"])
        ]

    def _page(self, start: int) -> tuple[int, Json]:
        if self.break_after_pages is not None and start >= self.break_after_pages * self.page_size:
            return 401, {"error": {"code": "authentication_error", "message": "broken on purpose"}}
        events = list(self.listed.values())
        end = start + self.page_size
        return 200, {"events": events[start:end], "cursor": str(end) if end < len(events) else ""}


def series(ticker: str, category: str = "", **fields: Any) -> Json:
    return {
        "ticker": ticker,
        "title": ticker.title(),
        "category": category,
        "frequency": "daily",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
        "tags": None,
        "settlement_sources": [{"name": "NWS", "url": "https://weather.gov"}],
        **fields,
    }


def _missing() -> tuple[int, Json]:
    return 404, {"error": {"code": "not_found", "message": "not found"}}
