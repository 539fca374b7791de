"""What a strategy cycle for one event that has just begun to pay costs its worker, from the task to the decision sent to trading.

Each trial cheapens an event of its own. Processor time counts, for the machine may be busy; ``statements`` and ``calls`` of functions are
counted in trials of their own and depend on no load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.streaming.stage import percentiles, prepare

WATCHED = [(2_500, 3_600)] * 3
PAYING = [(2_000, 2_700)] * 3
COUNTED = 5


def main(argv: list[str]) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench nudged", description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="cycles that are timed (default %(default)s)")
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    parser.add_argument("--live", action="store_true", help="a profile that shares an account, instead of one on paper")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.postgres)
        try:
            found = run(options.trials, "live" if options.live else "sim")
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0


def run(count: int, mode: str) -> dict[str, Any]:
    """``count`` trials with a profile of ``mode``, and a few more that are counted instead of timed."""
    os.environ["LOG_LEVEL"] = "CRITICAL"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    tickers = _candidates(count + 3 * COUNTED, mode)
    for ticker in tickers[:COUNTED]:
        _nudge(ticker)()
    timed = [_spent(_nudge(ticker)) for ticker in tickers[COUNTED : -2 * COUNTED]]
    statements = 0

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal statements
        statements += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counted):
        for ticker in tickers[-2 * COUNTED : -COUNTED]:
            _nudge(ticker)()
    return {
        "trials": count,
        "processor": percentiles([own for own, _ in timed]),
        "best_ms": round(min(own for own, _ in timed), 2),
        "wall": percentiles([wall for _, wall in timed]),
        "statements": statements / COUNTED,
        "calls": sorted(_calls(_nudge(ticker)) for ticker in tickers[-COUNTED:])[COUNTED // 2],
    }


def _candidates(count: int, mode: str) -> list[str]:
    """So many events that one profile would buy if they were cheaper, with their books."""
    from strategies.cycle import cycle
    from strategies.screening import screening
    from tests.strategies import world

    dollar = 1_000_000
    world.add_profile(
        "nudged",
        mode=mode,
        kinds=["all_yes"],
        watch_margin_ppm=300_000,
        capital=10**6 * dollar,
        max_drawdown=10**6 * dollar,
        max_open_positions=100_000,
        cooldown_seconds=60,
    )
    tickers = [f"KXN-{number}" for number in range(count)]
    for ticker in tickers:
        world.add_event(ticker, WATCHED, certified=True)
        world.publish(ticker, world.books_of(ticker, WATCHED))
    screening.screen(world.add_scan().pk)
    cycle.run()
    return tickers


def _nudge(ticker: str) -> Callable[[], None]:
    from strategies.cycle import cycle
    from tests.strategies import world

    world.publish(ticker, world.books_of(ticker, PAYING))

    def run() -> None:
        if cycle.run(cycle.NUDGE, [ticker]).decisions != 1:
            raise RuntimeError(f"{ticker} was not decided on")

    return run


def _spent(work: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds of processor time and by the clock."""
    own, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - own) * 1000, (time.perf_counter() - wall) * 1000


def _calls(work: Callable[[], None]) -> int:
    made = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
