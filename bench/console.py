"""The console: median time and queries of every list and page with 200,000 markets, 1,000,000 near-miss episodes and 100,000 orders."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kalbot.common.life import die_with_parent

LIMIT_MS = 200
PAGES = {
    "dashboard": "/admin/",
    "why": "/admin/why/",
    "operate": "/admin/operate/",
    "compare profiles": "/admin/profiles/compare/",
    "why of one event": "/admin/why/E777/",
    "one event": "/admin/markets/event/E777/change/",
    "one position": "/admin/trading/position/30/change/",
    "one profile": "/admin/strategies/profile/1/change/",
    "results of all time": "/admin/results/?period=all",
    "open positions": "/admin/positions/",
    "exports": "/admin/exports/",
    "first steps": "/admin/first-steps/",
    "search, two words": "/admin/search/?s=event+777&extended=1",
}
FILTERED = {
    "market, searched": "/admin/markets/market/?q=E777-",
    "market, of a category": "/admin/markets/market/?event__category=Category+3",
    "event, of a category": "/admin/markets/event/?category=Category+3",
    "near miss, of a profile": "/admin/strategies/nearmiss/?profile__id__exact=1",
    "near miss, by constraint": "/admin/strategies/nearmiss/?constraint=volume",
    "near miss, ended": "/admin/strategies/nearmiss/?is_open=ended",
    "verdict, near missing": "/admin/strategies/verdict/?status__exact=near_miss",
    "verdict, behind a count of the funnel": "/admin/strategies/verdict/?profile__id__exact=1&status__exact=rejected&constraint=volume"
    "&event__is_open__exact=1",
    "order, rejected": "/admin/trading/order/?status__exact=rejected",
    "order, page 100": "/admin/trading/order/?p=100",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench console", description=__doc__)
    parser.add_argument("--markets", type=int, default=200_000, help="markets (default %(default)s)")
    parser.add_argument("--episodes", type=int, default=1_000_000, help="near-miss episodes (default %(default)s)")
    parser.add_argument("--orders", type=int, default=100_000, help="orders, each with a fill (default %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=5, help="answers of each page, after a first one (default %(default)s)"
    )
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgres", "both"],
        default="both",
        help="on which it is measured (default %(default)s)",
    )
    parser.add_argument("--keep", metavar="FOLDER", help="build the rows in this folder and leave them there")
    options = parser.parse_args(argv)
    if options.database != "both":
        found = one_database(options)
        print(json.dumps(found))
        return 0
    found = {database: in_a_process(database, argv) for database in ("sqlite", "postgres")}
    print(json.dumps(found, indent=1))
    table(found)
    return 1 if any(result["slower_than_limit"] for result in found.values()) else 0


def in_a_process(database: str, argv: list[str]) -> dict[str, Any]:
    """One database in a process of its own: Django's settings are read once."""
    print(f"{database}: making the rows and requesting every list …", file=sys.stderr)
    command = [sys.executable, "-m", "bench", "console", *argv, "--database", database]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, preexec_fn=die_with_parent)
    if answer.returncode:
        raise SystemExit(f"the bench on {database} ended with {answer.returncode}")
    return dict(json.loads(answer.stdout))


def table(found: dict[str, dict[str, Any]]) -> None:
    """Every list beside each other, slowest first."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"median ms of a page (goal {LIMIT_MS}); queries and their share", header_style="bold")
    shown.add_column("list or page")
    for database in found:
        for name in ("ms", "processor", "queries", "in queries", "KB"):
            shown.add_column(f"{database if name == 'ms' else ''} {name}".strip(), justify="right")
    names = sorted(found["sqlite"]["pages"], key=lambda name: -found["sqlite"]["pages"][name]["ms"])
    for name in names:
        cells = []
        for result in found.values():
            one = result["pages"][name]
            colour = "red" if one["ms"] > LIMIT_MS else "default"
            cells += [
                f"[{colour}]{one['ms']:.0f}[/]",
                f"{one['processor_ms']:.0f}",
                str(one["queries"]),
                f"{one['query_ms']:.0f}",
                str(one["kilobytes"]),
            ]
        shown.add_row(name, *cells)
    Console(file=sys.stderr, width=130).print(shown)


def one_database(options: argparse.Namespace) -> dict[str, Any]:
    """Make the rows and measure, on one database."""
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        folder = Path(options.keep or name)
        folder.mkdir(parents=True, exist_ok=True)
        stops = prepare(folder, options.database == "postgres")
        try:
            return measure(options)
        finally:
            for stop in reversed(stops):
                stop()


def prepare(folder: Path, postgres: bool) -> list[Callable[[], Any]]:
    """Servers and settings of this run; returns what stops them."""
    from kalbot.local.servers import start_postgres, start_redis

    redis = start_redis(folder / "redis")
    os.environ |= {
        "KALBOT_STATE": str(folder),
        "REDIS_URL": redis.url,
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
        "KALSHI_REST_URL": "http://127.0.0.1:9/trade-api/v2",
    }
    stops: list[Callable[[], Any]] = [redis.stop]
    if postgres:
        folder.chmod(0o755)
        server, url = start_postgres(folder / "postgres")
        os.environ["DATABASE_URL"] = url
        stops.append(server.cleanup)
    else:
        os.environ.pop("DATABASE_URL", None)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("seed", verbosity=0)
    return stops


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Fill, then ask every list and page several times in this one process."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.urls import reverse

    from bench import console_rows
    from markets.models import Event

    began = time.monotonic()
    if not Event.objects.exists():
        console_rows.fill(options.markets, options.episodes, options.orders)
        if connection.vendor == "postgresql":  # autovacuum would have done it by the time a table has grown so
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
    filled = time.monotonic() - began
    client = Client(headers={"accept-encoding": "gzip"})
    user, _ = User.objects.get_or_create(username="bench", defaults={"is_staff": True, "is_superuser": True})
    client.force_login(user)
    lists = {
        model._meta.label_lower: reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        for model in admin.site._registry
    }
    pages = {name: timed(client, address, options.repeat) for name, address in {**lists, **FILTERED, **PAGES}.items()}
    return {
        "database": connection.vendor,
        "rows": {"markets": options.markets, "episodes": options.episodes, "orders": options.orders},
        "fill_s": round(filled, 1),
        "limit_ms": LIMIT_MS,
        "slowest_ms": max(one["ms"] for one in pages.values()),
        "slower_than_limit": [name for name, one in pages.items() if one["ms"] > LIMIT_MS],
        "pages": dict(sorted(pages.items(), key=lambda pair: -pair[1]["ms"])),
    }


class Queries:
    """Counts and times what goes to the database."""

    def __init__(self) -> None:
        self.number, self.seconds = 0, 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.number += 1
            self.seconds += time.perf_counter() - began


def timed(client: Any, address: str, repeat: int) -> dict[str, Any]:
    """Medians over ``repeat`` answers after a first one that warms the caches: wall, processor and query milliseconds."""
    from django.db import connection

    client.get(address)
    wall, processor, spent, number = [], [], [], 0
    for _ in range(repeat):
        queries = Queries()
        began, worked = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(queries):
            answer = client.get(address)
        wall.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - worked) * 1000)
        spent.append(queries.seconds * 1000)
        number = queries.number
        if answer.status_code != 200:
            raise SystemExit(f"{address} answers {answer.status_code}")
    return {
        "ms": round(statistics.median(wall), 1),
        "processor_ms": round(statistics.median(processor), 1),
        "query_ms": round(statistics.median(spent), 1),
        "queries": number,
        "kilobytes": round(len(answer.content) / 1000),
    }
