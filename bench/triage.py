"""Ten thousand open positions assessed from warm caches: seconds for the whole, against one position at a time.

Rows lie in a database of their own (SQLite in a temporary folder, or ``--database URL``), prices and source snapshots in a
Redis of their own. ``first`` is the first run (baselines and every assessment are written), ``quiet`` a run at which
nothing has changed, ``moved`` one at which every price has. All by one process; the schedule spreads batches over the triage workers. The
plain way assesses positions one by one; a sample of it is measured and scaled. Ratios compare processor time.

    python -m bench triage [--positions 10000] [--events 2500] [--sample 100] [--database URL]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LETTERS = ("L", "B1", "B2", "B3", "B4", "H")
PERIOD_SECONDS = 15
"""The schedule's period in ``kalbot.console.ops.schedules``."""


def main(argv: list[str]) -> int:
    """Run and print JSON; 0 when every kind of run fits into one schedule period."""
    options = _options(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder:
        os.environ |= {"KALBOT_STATE": folder, "LOG_LEVEL": "ERROR", "TRIAGE_SOURCES": "nws"}
        os.environ["DATABASE_URL"] = options.database
        from kalbot.local.servers import start_redis

        server = start_redis(Path(folder) / "redis")
        os.environ["REDIS_URL"] = server.url
        try:
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
            result = _measure(options)
        finally:
            server.stop()
    print(json.dumps(result, indent=1))
    return 0 if result["fits_in_period"] else 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench triage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--positions", type=int, default=10_000, help="open positions (default %(default)s)")
    parser.add_argument("--events", type=int, default=2_500, help="events of them together (default %(default)s)")
    parser.add_argument(
        "--sample", type=int, default=100, help="positions of the plain way, which is scaled (default %(default)s)"
    )
    parser.add_argument(
        "--database",
        default=os.environ.get("BENCH_DATABASE_URL", ""),
        help="address of a Postgres (default: BENCH_DATABASE_URL, else SQLite)",
    )
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    names = _catalogue(options.events)
    _prices(names, 0)
    _snapshots()
    ids = _positions(options.positions, names)

    from triage import agent
    from triage.models import Assessment

    def run() -> dict[str, Any]:
        started, worked = time.perf_counter(), time.process_time()
        summary = agent.assess_positions(agent.open_position_ids(), seconds=3600)
        return {
            "seconds": round(time.perf_counter() - started, 2),
            "cpu_seconds": round(time.process_time() - worked, 2),
            "kept": summary.kept,
            "failed": summary.failed,
        }

    runs = {"first": run()}
    _prices(names, 0)
    runs["quiet"] = run()
    _prices(names, 300)
    runs["moved"] = run()
    _prices(names, 300)
    plain = _cpu(lambda: [agent.assess_positions([pk]) for pk in ids[: options.sample]]) / options.sample * len(ids)
    said = Assessment.objects.values_list("sources", flat=True)[: len(ids)]
    return {
        "positions": len(ids),
        "events": options.events,
        "runs": runs,
        "milliseconds_a_position": round(runs["quiet"]["cpu_seconds"] / len(ids) * 1000, 3),
        "plain_cpu_seconds": round(plain, 1),
        "ratio_to_plain": round(plain / runs["quiet"]["cpu_seconds"], 1),
        "assessments_with_opinion": sum(1 for lines in said if lines and lines[0]["opinion"]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "period_seconds": PERIOD_SECONDS,
        "fits_in_period": all(r["seconds"] < PERIOD_SECONDS and r["failed"] == 0 for r in runs.values()),
    }


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _catalogue(events: int) -> list[str]:
    """Daily highs and lows of the reviewed series, one a day from tomorrow on, six outcomes each."""
    from markets.models import Event, Market, Series
    from triage.weather.mapping import reviewed_series

    reviewed = reviewed_series()
    series = list(reviewed)
    sources = {name: [row["evidence"]["settlement_source"]] for name, row in reviewed.items()}
    Series.objects.bulk_create(
        [Series(ticker=name, fee_type="quadratic", settlement_sources=sources[name]) for name in series]
    )
    now, names = datetime.now(UTC), []
    rows, markets = [], []
    for i in range(events):
        day = now + timedelta(days=1 + i // len(series))
        name = f"{series[i % len(series)]}-{day:%y}{day.strftime('%b').upper()}{day:%d}"
        names.append(name)
        rows.append(Event(ticker=name, series_id=name.split("-")[0], mutually_exclusive=True, rules_hash=f"r{i}"))
        markets += [
            Market(
                ticker=f"{name}-{letter}",
                event_id=name,
                status="active",
                close_time=day,
                strike_type=kind,
                floor_strike=floor,
                cap_strike=cap,
                yes_sub_title=letter,
            )
            for letter, (kind, floor, cap) in zip(LETTERS, _strikes(), strict=True)
        ]
    Event.objects.bulk_create(rows, batch_size=500)
    Market.objects.bulk_create(markets, batch_size=500)
    return names


def _strikes() -> list[tuple[str, str, str]]:
    middle = [("between", str(80 + 2 * i), str(81 + 2 * i)) for i in range(4)]
    return [("less", "", "80"), *middle, ("greater", "87", "")]


def _prices(names: list[str], shift: int) -> None:
    """Ten levels a side for every market, as the stream packs them."""
    import msgspec

    from kalbot.common import cache, clock
    from markets.prices import EVENT_KEY, LEASE_KEY, EventRecord, Lease, MarketRecord

    now, client = clock.now_ms(), cache.prices()
    bids = (400 + shift, 1000, 3000 - shift, 3500, 900, 300)
    records = {}
    for name in names:
        markets = tuple(
            MarketRecord(
                f"{name}-{letter}",
                "active",
                None,
                None,
                1,
                1,
                now,
                now,
                False,
                True,
                tuple((bid - 20 * i, 2000) for i in range(10)),
                tuple((9800 - bid - 20 * i, 2000) for i in range(10)),
            )
            for letter, bid in zip(LETTERS, bids, strict=True)
        )
        records[EVENT_KEY + name] = msgspec.msgpack.encode(EventRecord("epoch", markets))
    client.mset(records)
    client.set(LEASE_KEY + "0", msgspec.msgpack.encode(Lease("epoch", now + 3_600_000, "token")))


def _snapshots() -> None:
    """A week's forecast for every station: events of the first days have an opinion, the others find that they have none."""
    from kalbot.common import clock
    from triage.sources import cached
    from triage.sources.protocol import Snapshot
    from triage.weather.mapping import DAY_MS, HOUR_MS, stations

    now = clock.now_ms()
    start = now - now % HOUR_MS
    hours = [(start + i * HOUR_MS, start + (i + 1) * HOUR_MS, 70 + (i % 24) * 0.6) for i in range(24 * 7)]
    data = {"updated": now, "hours": hours, "spans": [], "readings": [], "extremes": [], "reports": []}
    for icao in stations():
        cached.store("nws", icao, Snapshot(now + DAY_MS, now + DAY_MS, data))


def _positions(number: int, names: list[str]) -> list[int]:
    """Coverage baskets on four of six outcomes; as many profiles as it takes, one position an event each."""
    from strategies.models import Decision, Profile
    from trading.models import Leg, Position

    profiles = Profile.objects.bulk_create(
        [Profile(name=f"p{i}", mode="sim", kinds=["coverage"]) for i in range(-(-number // len(names)))]
    )
    decisions, positions = [], []
    for i in range(number):
        profile, event = profiles[i // len(names)], names[i % len(names)]
        common = {"profile_id": profile.pk, "mode": "sim", "event_id": event, "kind": "coverage"}
        decisions.append(
            Decision(
                **common,
                count=1000,
                legs=[],
                cost=9_000_000,
                fees=0,
                max_cost=9_000_000,
                floor=0,
                conditional=0,
                expected=0,
                coverage_ppm=900_000,
                margin_ppm=0,
                guaranteed=False,
                epoch="epoch",
                probabilities={f"{event}-{letter}": 0.16 for letter in LETTERS},
            )
        )
        positions.append(Position(**common, status="open", decision=decisions[-1], target_count=1000, cost=9_000_000))
    Decision.objects.bulk_create(decisions, batch_size=500)
    Position.objects.bulk_create(positions, batch_size=500)
    legs = [
        Leg(
            position_id=p.pk,
            market_id=f"{p.event_id}-{letter}",
            side="yes",
            target_count=1000,
            limit_price=3000,
            bought_count=1000,
            bought_cost=2_250_000,
        )
        for p in positions
        for letter in LETTERS[1:5]
    ]
    Leg.objects.bulk_create(legs, batch_size=500)
    return [p.pk for p in positions]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
