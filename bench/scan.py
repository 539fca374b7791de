"""The catalogue scan: 12,500 events and 105,000 markets into SQLite and Postgres, then with 5 % changed; a quarter of it for the growth."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.streaming.stage import Running, prepare, server

TIMES = (0.25, 1.0)


def measure(url: str, share: float, postgres: bool, result: Any) -> None:
    """First scan, unchanged scan, scan with ``share`` of the markets changed, in a process and a database of their own."""
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), postgres)
        try:
            result.send(_scans(url, share))
        finally:
            for stop in reversed(stops):
                stop()


def _scans(url: str, share: float) -> dict[str, Any]:
    import django

    django.setup()
    import logging

    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = url, url.replace("http", "ws", 1)
    found: dict[str, Any] = {"database": connection.vendor}
    for name in ("first", "unchanged", "changed"):
        if name == "changed":
            urllib.request.urlopen(f"{url}/change?{share}").read()
        found[name] = _one()
        print(f"{connection.vendor} {name}: {found[name]['seconds']} s", file=sys.stderr)
    found["changed_to_first"] = round(found["changed"]["seconds"] / found["first"]["seconds"], 3)
    found["markets_a_second"] = round(found["first"]["markets_written"] / found["first"]["seconds"])
    return found


def _one() -> dict[str, Any]:
    """Seconds, rows written, and the memory of this process from the second page to the last."""
    from kalbot.common import cache
    from markets import connect
    from markets.catalogue.scan import scan
    from markets.streaming.output.metrics import rss_mb

    cache.prices().flushdb()
    sizes: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    with connect.client() as client:
        client.transport.limiter = _Free()  # type: ignore[assignment]
        row = scan(client, progress=lambda _: sizes.append(rss_mb()))
    if row.status != row.Status.DONE:
        raise RuntimeError(row.error)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "events_written": row.events_written,
        "markets_written": row.markets_written,
        "rss_mb_second_page": sizes[min(1, len(sizes) - 1)],
        "rss_mb_most": max(sizes),
    }


class _Free:
    """The exchange's rate limit is not what is measured here."""

    def acquire(self, *arguments: object, **more: object) -> None: ...


def run(events: int, markets: int, share: float, postgres: bool) -> dict[str, Any]:
    """One size on one database."""
    print(f"{events:,} events, {markets:,} markets", file=sys.stderr)
    with server("bench.listing", events=events, markets=markets) as url:
        found = Running(measure, url, share, postgres).answer()
    return {"events": events, "markets": markets, **found}


def growth(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """How many times the markets, and how many times the seconds: equal numbers are linear growth."""
    times = {"markets": round(large["markets"] / small["markets"], 2)}
    return times | {
        f"{key}_seconds": round(large[key]["seconds"] / small[key]["seconds"], 2) for key in ("first", "changed")
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench scan", description=__doc__)
    parser.add_argument("--events", type=int, default=12_500, help="events of the catalogue (default %(default)s)")
    parser.add_argument("--markets", type=int, default=105_000, help="markets of them together (default %(default)s)")
    parser.add_argument("--change", type=float, default=0.05, help="share of the markets that differ in the last scan")
    parser.add_argument(
        "--database",
        choices=("sqlite", "postgres", "both"),
        default="both",
        help="on which it is measured (default %(default)s)",
    )
    parser.add_argument(
        "--times", type=float, nargs="+", default=TIMES, help="parts or multiples of the size to measure"
    )
    options = parser.parse_args(argv)
    found: dict[str, Any] = {}
    for name in ("sqlite", "postgres"):
        if options.database in (name, "both"):
            runs = [
                run(round(options.events * n), round(options.markets * n), options.change, name == "postgres")
                for n in sorted(options.times)
            ]
            found[name] = {"runs": runs, "growth": growth(runs[0], runs[-1])}
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
