"""A simulated month and a half on Postgres: rows, sizes, keys in Redis, and times of tasks and lists, not pruned and pruned."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench import month_rows
from bench.console import prepare, timed

DAYS: Final = 45
"""A month, and what the longest retention of texts needs before it deletes anything."""
RUNS_A_DAY: Final = 24
LISTS: Final = {
    "dashboard": "/admin/",
    "markets": "/admin/markets/market/",
    "events": "/admin/markets/event/",
    "certificates": "/admin/markets/certificate/",
    "verdicts": "/admin/strategies/verdict/",
    "near misses": "/admin/strategies/nearmiss/",
    "positions": "/admin/trading/position/",
    "orders": "/admin/trading/order/",
    "ledger": "/admin/trading/ledgertransaction/",
    "tasks": "/admin/console/taskrecord/",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench month", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows of a busy day")
    parser.add_argument("--days", type=int, default=DAYS, help="days of rows (default %(default)s)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), postgres=True)
        try:
            found = measure(options.scale, options.days)
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=1))
    table(found)
    return 0


def measure(scale: float, days: int) -> dict[str, Any]:
    """Figures of day one, of the last day without pruning, and after it."""
    import logging

    from kalbot.console import tasks
    from trading.safety import ledger_guard

    logging.disable(logging.WARNING)
    ledger_guard.remove()  # the tables are emptied once
    found: dict[str, Any] = {"scale": scale, "days": days}
    for name, length in (("day one", 1), ("before", days)):
        empty()
        began = time.perf_counter()
        month_rows.fill(scale, length)
        publish()
        vacuum()
        print(f"{name}: {time.perf_counter() - began:.0f} s to make the rows", file=sys.stderr)
        found[name] = figures()
    began = time.perf_counter()
    deleted = tasks.prune()
    took = time.perf_counter() - began
    gone = sum(deleted.values())
    found["prune"] = {"rows": gone, "seconds": round(took, 1), "rows_a_second": round(gone / took), "of": deleted}
    found["prune"]["days_a_run"] = {
        name: round(number / (month_rows.PER_DAY[name] * scale), 1)
        for name, number in deleted.items()
        if number and name in month_rows.PER_DAY
    }
    while any(number for name, number in tasks.prune().items() if name != "prices in Redis"):
        pass
    vacuum()
    found["after"] = figures()
    slowest = [max(found[name]["lists_ms"].values()) for name in ("after", "day one")]
    found["slowest_list_after_to_day_one"] = round(slowest[0] / slowest[1], 2)
    return found


def figures() -> dict[str, Any]:
    """Rows and megabytes of the tables, keys in Redis, milliseconds of tasks and lists."""
    from kalbot.common import cache

    return {
        "tables": sizes(),
        "redis_keys": cache.prices().dbsize(),
        "tasks_ms": task_times(),
        "lists_ms": list_times(),
    }


def sizes() -> dict[str, tuple[int, float]]:
    """Table -> (rows, megabytes with its indexes), largest first."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_live_tup, pg_total_relation_size(relid) / 1e6 FROM pg_stat_user_tables"
            " WHERE n_live_tup > 100 ORDER BY 3 DESC"
        )
        return {name: (int(rows), round(float(size), 1)) for name, rows, size in cursor.fetchall()}


def task_times() -> dict[str, float]:
    """Milliseconds of the second run of each periodic service that reads what grows."""
    from strategies.cycle import cycle
    from strategies.models import Mode
    from strategies.screening import screening
    from trading import sweeper
    from trading.closing import settlement
    from trading.reconciliation import reconcile

    services: dict[str, Callable[[], object]] = {
        "cycle": cycle.run,
        "screening": screening.screen,
        "sweep": sweeper.sweep,
        "settle": lambda: settlement.run(Mode.SIM),
        "reconcile and audit": lambda: reconcile.run(Mode.SIM, "bench"),
    }
    found = {}
    for name, service in services.items():
        service()
        began = time.perf_counter()
        service()
        found[name] = round((time.perf_counter() - began) * 1000, 1)
    return found


def list_times() -> dict[str, float]:
    """Median milliseconds of each list and of the dashboard."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    user, _ = User.objects.get_or_create(username="bench", defaults={"is_staff": True, "is_superuser": True})
    client.force_login(user)
    return {name: timed(client, address, 3)["ms"] for name, address in LISTS.items()}


def publish() -> None:
    """A quote in Redis for every market that there ever was, as the stream leaves them."""
    import msgspec

    from kalbot.common import cache, clock
    from kalbot.common.db.batches import batched
    from markets.models import Market
    from markets.prices import QUOTE_KEY, Quote

    quote = msgspec.msgpack.encode(Quote("e", 1, 2, 1, 1, None, 0, clock.now_ms()))
    for tickers in batched(list(Market.objects.values_list("pk", flat=True)), 10_000):
        cache.prices().mset({QUOTE_KEY + ticker: quote for ticker in tickers})


def empty() -> None:
    """No rows but those of ``seed``."""
    from django.db import connection

    from kalbot.common import cache
    from markets.models import ExchangeMessage, Scan, Series

    cache.prices().flushdb()
    tables = [model._meta.db_table for model in (Series, Scan, ExchangeMessage)]
    tables += ["console_taskrecord", "console_logrecord", "strategies_cycle", "trading_reconciliation"]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


def vacuum() -> None:
    """What autovacuum would have done by then."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def table(found: dict[str, Any]) -> None:
    """Rows and sizes, then times, of the three moments beside each other."""
    from rich.console import Console
    from rich.table import Table

    moments = ("day one", "before", "after")
    console = Console(file=sys.stderr, width=120)
    shown = Table(title=f"rows (MB): {found['days']} days of a busy exchange at scale {found['scale']:g}")
    times = Table(title="milliseconds, and keys in Redis")
    for one in (shown, times):
        one.add_column("")
        for name in ("day one", "not pruned", "pruned"):
            one.add_column(name, justify="right")
    for name in list(found["before"]["tables"])[:20]:
        cells = [found[moment]["tables"].get(name, (0, 0.0)) for moment in moments]
        shown.add_row(name, *(f"{rows:,} ({size:,.0f})" for rows, size in cells))
    total = [sum(size for _, size in found[moment]["tables"].values()) for moment in moments]
    shown.add_row("all", *(f"({size:,.0f})" for size in total))
    for kind in ("tasks_ms", "lists_ms"):
        for name in found["before"][kind]:
            times.add_row(name, *(f"{found[moment][kind][name]:,.0f}" for moment in moments))
    times.add_row("keys in Redis", *(f"{found[moment]['redis_keys']:,}" for moment in moments))
    console.print(shown, times)
    pruned = found["prune"]
    console.print(
        f"one run of prune: {pruned['rows']:,} rows in {pruned['seconds']} s; days that it took: {pruned['days_a_run']}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
