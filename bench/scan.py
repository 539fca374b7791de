"""The catalogue scan: 12,500 events and 105,000 markets into the database, then again with 5 % of the markets changed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = 200
RULES = "If the highest temperature recorded at the station on the day is {}, then the market resolves to Yes. " * 3


class Listing:
    """Event pages of a made-up exchange, kept as bytes so that serving them costs next to nothing."""

    def __init__(self, events: int, markets: int) -> None:
        self.events = events
        self.legs = [markets // events + (1 if n < markets % events else 0) for n in range(events)]
        self.version = [0] * events
        self._pages: dict[int, bytes] = {}

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
            self._pages.pop(n // PAGE, None)

    def page(self, start: int) -> bytes:
        number = start // PAGE
        if number not in self._pages:
            end = min(start + PAGE, self.events)
            body = {
                "events": [self._event(n) for n in range(start, end)],
                "cursor": str(end) if end < self.events else "",
            }
            self._pages[number] = json.dumps(body).encode()
        return self._pages[number]

    def build(self) -> None:
        """Make every page now, so that making them is not measured."""
        for start in range(0, self.events, PAGE):
            self.page(start)

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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            route, _, query = self.path.removeprefix("/trade-api/v2").partition("?")
            if route == "/events":
                parts = dict(part.split("=") for part in query.split("&"))
                body = listing.page(int(parts.get("cursor") or 0))
            elif route == "/series":
                body = listing.series
            elif route == "/exchange/status":
                body = b'{"exchange_active": true, "trading_active": true}'
            else:
                body = b'{"series_fee_change_arr": [], "event_fee_changes": [], "cursor": ""}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/trade-api/v2"


def prepare(folder: Path, postgres: bool) -> list[Any]:
    """Redis, and the database; returns what has to be stopped."""
    from kalbot.local.servers import start_postgres, start_redis

    redis = start_redis(folder / "redis")
    os.environ.update(REDIS_URL=redis.url, KALBOT_STATE=str(folder), DJANGO_SETTINGS_MODULE="kalbot.settings")
    stops = [redis.stop]
    if postgres:
        folder.chmod(0o755)
        server, url = start_postgres(folder / "postgres")
        os.environ["DATABASE_URL"] = url
        stops.append(server.cleanup)
    return stops


def run(listing: Listing, share: float) -> dict[str, Any]:
    """First scan, unchanged scan, changed scan; seconds, rows written, memory."""
    import django

    django.setup()
    import logging

    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from kalbot.common import cache
    from markets import connect
    from markets.catalogue import scan
    from markets.streaming.figures import rss_mb

    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    listing.build()
    server, settings.KALSHI_REST_URL = serve(listing)
    found: dict[str, Any] = {"database": connection.vendor, "events": listing.events, "markets": sum(listing.legs)}
    for name in ("first", "unchanged", "changed"):
        if name == "changed":
            listing.change(share)
            listing.build()
        cache.prices().flushdb()
        before, began, cpu = rss_mb(), time.perf_counter(), time.process_time()
        with connect.client() as client:
            client.transport.limiter = _Free()
            row = scan(client)
        if row.status != row.Status.DONE:
            raise RuntimeError(row.error)
        found[name] = {
            "seconds": round(time.perf_counter() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "events_written": row.events_written,
            "markets_written": row.markets_written,
            "rss_mb_before": before,
            "rss_mb_after": rss_mb(),
        }
        print(f"{connection.vendor} {name}: {found[name]['seconds']} s", file=sys.stderr)
    found["changed_to_first"] = round(found["changed"]["seconds"] / found["first"]["seconds"], 3)
    found["markets_a_second"] = round(found["markets"] / found["first"]["seconds"])
    server.shutdown()
    return found


class _Free:
    """The exchange's rate limit is not what is measured here."""

    def acquire(self, *arguments: object, **more: object) -> None: ...


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench scan", description=__doc__)
    parser.add_argument("--events", type=int, default=12_500)
    parser.add_argument("--markets", type=int, default=105_000)
    parser.add_argument("--change", type=float, default=0.05, help="share of the markets that differ in the last scan")
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.postgres)
        try:
            found = run(Listing(options.events, options.markets), options.change)
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
