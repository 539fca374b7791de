"""The console: median time of each list and page with 200,000 markets, 1,000,000 near-miss episodes and 100,000 orders."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMIT_MS = 300
PAGES = ["/admin/", "/admin/why/", "/admin/operate/"]
QUERIES = {
    "markets searched": "/admin/markets/market/?q=E777-",
    "near misses of a profile": "/admin/strategies/nearmiss/?profile__id__exact=1",
    "near misses by constraint": "/admin/strategies/nearmiss/?constraint=volume",
    "verdicts near missing": "/admin/strategies/verdict/?status__exact=near_miss",
    "orders rejected": "/admin/trading/order/?status__exact=rejected",
    "last page of orders": "/admin/trading/order/?p=100",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench console", description=__doc__)
    parser.add_argument("--markets", type=int, default=200_000)
    parser.add_argument("--episodes", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.postgres)
        try:
            found = measure(options)
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0 if not found["slower_than_limit"] else 1


def prepare(folder: Path, postgres: bool) -> list[Callable[[], Any]]:
    """Servers and settings of this run; returns what stops them."""
    from kalbot.local.servers import start_postgres, start_redis

    redis = start_redis(folder / "redis")
    os.environ |= {
        "KALBOT_STATE": str(folder),
        "REDIS_URL": redis.url,
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
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

    began = time.monotonic()
    fill(options.markets, options.episodes, options.orders)
    filled = time.monotonic() - began
    client = Client()
    client.force_login(User.objects.create_superuser("bench", password="not-used-here"))
    addresses = {model._meta.label_lower: reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
                 for model in admin.site._registry}  # fmt: skip
    both = {name: medians(client, address, options.repeat)
             for name, address in {**addresses, **{page: page for page in PAGES}, **QUERIES}.items()}  # fmt: skip
    times = {name: wall for name, (wall, _) in both.items()}
    return {
        "database": connection.vendor,
        "rows": {"markets": options.markets, "episodes": options.episodes, "orders": options.orders},
        "fill_s": round(filled, 1),
        "median_ms": dict(sorted(times.items(), key=lambda pair: -pair[1])),
        "median_processor_ms": {name: both[name][1] for name in sorted(both, key=lambda name: -both[name][1])[:12]},
        "limit_ms": LIMIT_MS,
        "slower_than_limit": [name for name, took in times.items() if took > LIMIT_MS],
    }


def medians(client: Any, address: str, repeat: int) -> tuple[float, float]:
    """Median wall and processor milliseconds of ``repeat`` answers after a first one that warms the caches."""
    client.get(address)
    wall, processor = [], []
    for _ in range(repeat):
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(address)
        wall.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - worked) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{address} answers {answer.status_code}")
    return round(statistics.median(wall), 1), round(statistics.median(processor), 1)


def fill(markets: int, episodes: int, orders: int) -> None:
    """Rows by SQL: what is measured is reading them."""
    from datetime import timedelta

    from kalbot.common import clock
    from markets.models import Event, Market, Scan, Series
    from strategies.models import Decision, NearMiss, Profile, Verdict
    from trading.models import Leg, Order, Position

    now = clock.now()
    profiles = list(Profile.objects.order_by("pk"))
    Scan.objects.create(
        started_at=now, finished_at=now, status="done", events=markets // 8, markets=markets, duration_ms=9_000
    )
    Series.objects.bulk_create(
        Series(ticker=f"S{n}", title=f"Series {n}", category=f"Category {n % 12}") for n in range(2_000)
    )
    events = markets // 8
    in_batches(Event, (Event(ticker=f"E{n}", series_id=f"S{n % 2_000}", title=f"Event number {n}", category=f"Category {n % 12}",
                             close_time=now + timedelta(minutes=n), volume=n * 37 % 1_000_003, market_count=8, mutually_exclusive=True,
                             is_open=n % 10 != 0) for n in range(events)))  # fmt: skip
    in_batches(Market, (Market(ticker=f"E{n // 8}-M{n % 8}", event_id=f"E{n // 8}", status="active", yes_sub_title=f"Outcome {n % 8}",
                               yes_bid=1_200, yes_ask=1_300, volume=n, close_time=now) for n in range(markets)))  # fmt: skip
    constraints = ["margin", "volume", "certificate", "closes", "open_interest"]
    in_batches(Verdict, (Verdict(profile=profile, event_id=f"E{n}", status="near_miss" if n % 50 == 0 else "rejected", since=now,
                                 constraint=constraints[n % 5], distance_ppm=n * 7_919 % 50_000)
                         for profile in profiles for n in range(events)))  # fmt: skip
    in_batches(
        NearMiss,
        (
            NearMiss(
                profile=profiles[n % 3],
                event_id=f"E{n % events}",
                constraint=constraints[n % 5],
                distance_ppm=n * 7_919 % 50_000,
                best_distance_ppm=n % 40_000,
                started_at=now - timedelta(seconds=n),
                last_seen_at=now,
                ended_at=None if n < 3 * 300 else now,
                ended_as="rejected",
            )
            for n in range(episodes)
        ),
    )
    positions = orders // 10
    sums = {"cost": 1_000_000, "fees": 0, "max_cost": 1_000_000, "floor": 1_010_000, "conditional": 1_010_000, "expected": 1_010_000,
            "coverage_ppm": 1_000_000, "margin_ppm": 10_000}  # fmt: skip
    decisions = [Decision(profile=(p := profiles[n % 3]), mode=p.mode, event_id=f"E{n % events}", kind="all_no", count=100, legs=[],
                          guaranteed=True, epoch="e", **sums) for n in range(positions)]  # fmt: skip
    Decision.objects.bulk_create(decisions, batch_size=2_000)
    held = Position.objects.bulk_create(
        (Position(profile=d.profile, mode=d.mode, decision=d, event_id=d.event_id, kind=d.kind, target_count=100, status="settled",
                  realised=10_000, ended_at=now, opened_at=now) for d in decisions), batch_size=2_000)  # fmt: skip
    legs = Leg.objects.bulk_create((Leg(position=p, market_id=f"{p.event_id}-M0", side="no", target_count=100, limit_price=5_000)
                                    for p in held), batch_size=2_000)  # fmt: skip
    in_batches(Order, (Order(profile=(p := held[n % positions]).profile, mode=p.mode, position=p, leg=legs[n % positions], action="buy",
                             purpose="entry", side="no", price=5_000, count=100, status="rejected" if n % 20 == 0 else "done", sent_at=now)
                       for n in range(orders)))  # fmt: skip


def in_batches(model: Any, rows: Any) -> None:
    """``bulk_create`` of a generator without holding it whole."""
    model.objects.bulk_create(rows, batch_size=5_000)
