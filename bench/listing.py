"""A made-up exchange's listing of events over HTTP. A process of its own for the scan: ``python -m bench.listing``."""

from __future__ import annotations

import argparse
import json
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from bench import answering

PAGE = 200
RULES = "If the highest temperature recorded at the station on the day is {}, then the market resolves to Yes. " * 3


class Listing:
    """Event pages of a made-up exchange, generated on request."""

    def __init__(self, events: int, markets: int) -> None:
        self.events = events
        self.legs = [markets // events + (1 if n < markets % events else 0) for n in range(events)]
        self.version = [0] * events

    @property
    def series(self) -> bytes:
        names = sorted({self._series(n) for n in range(self.events)})
        listed = [
            {"ticker": name, "title": name, "category": "Bench", "fee_type": "quadratic", "fee_multiplier": 1}
            for name in names
        ]
        return json.dumps({"series": listed}).encode()

    def change(self, share: float) -> None:
        """Another best bid in one market of every n-th event, so that ``share`` of all markets differ."""
        step = max(1, round(1 / (share * sum(self.legs) / self.events)))
        if step == 1:
            raise ValueError("more than one market an event would change")
        for n in range(0, self.events, step):
            self.version[n] += 1

    def page(self, start: int) -> bytes:
        end = min(start + PAGE, self.events)
        events = [self._event(n) for n in range(start, end)]
        return json.dumps({"events": events, "cursor": str(end) if end < self.events else ""}).encode()

    def _series(self, n: int) -> str:
        return f"KXBENCH{n % 500}"

    def _event(self, n: int) -> dict[str, Any]:
        ticker = f"{self._series(n)}-26NOV23-{n}"
        return {
            "event_ticker": ticker,
            "series_ticker": self._series(n),
            "title": f"Highest temperature {n}?",
            "sub_title": "On Nov 23",
            "category": "Bench",
            "mutually_exclusive": True,
            "collateral_return_type": "MECNET",
            "markets": [self._market(ticker, n, leg) for leg in range(self.legs[n])],
        }

    def _market(self, event: str, n: int, leg: int) -> dict[str, Any]:
        last = self.legs[n] - 1
        strike: dict[str, Any] = {"strike_type": "between", "floor_strike": 80 + 2 * leg, "cap_strike": 81 + 2 * leg}
        words = f"{80 + 2 * leg}-{81 + 2 * leg}°"
        if leg == 0:
            strike, words = {"strike_type": "less", "cap_strike": 82}, "less than 82°"
        elif leg == last:
            strike, words = {"strike_type": "greater", "floor_strike": 79 + 2 * leg}, f"greater than {79 + 2 * leg}°"
        bid = 10 + leg + (self.version[n] % 5 if leg == 0 else 0)
        return {
            "ticker": f"{event}-B{leg}",
            "event_ticker": event,
            "market_type": "binary",
            "status": "active",
            "result": "",
            "notional_value_dollars": "1.0000",
            "price_level_structure": "linear_cent",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
            "yes_bid_dollars": f"0.{bid:02d}00",
            "yes_bid_size_fp": "120.00",
            "yes_ask_dollars": f"0.{bid + 3:02d}00",
            "yes_ask_size_fp": "75.00",
            "last_price_dollars": "0.1200",
            "volume_fp": "5012.50",
            "volume_24h_fp": "300.00",
            "open_interest_fp": "2210.00",
            "yes_sub_title": words,
            "rules_primary": RULES.format(words, words, words),
            "rules_secondary": "Revisions after the first complete report do not count. " * 4,
            "open_time": "2026-11-22T15:00:00Z",
            "close_time": "2026-11-24T05:00:00Z",
            "expected_expiration_time": "2026-11-24T15:00:00Z",
            "latest_expiration_time": "2026-12-01T15:00:00Z",
            "settlement_timer_seconds": 3600,
            "can_close_early": True,
            **strike,
        }


def serve(listing: Listing) -> tuple[ThreadingHTTPServer, str]:
    """The listing over HTTP in a thread."""

    def answer(route: str, query: str) -> bytes:
        if route == "/events":
            parts = dict(part.split("=") for part in query.split("&"))
            return listing.page(int(parts.get("cursor") or 0))
        if route == "/series":
            return listing.series
        if route == "/change":
            listing.change(float(query))
            return b"{}"
        if route == "/exchange/status":
            return b'{"exchange_active": true, "trading_active": true}'
        return b'{"series_fee_change_arr": [], "event_fee_changes": [], "cursor": ""}'

    return answering.serve(answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.listing", description=__doc__)
    parser.add_argument("--events", type=int, required=True, help="events of the catalogue")
    parser.add_argument("--markets", type=int, required=True, help="markets of them together")
    options = parser.parse_args()
    _, url = serve(Listing(options.events, options.markets))
    print(f"ready {url}", flush=True)
    threading.Event().wait()
