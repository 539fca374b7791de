"""From a frame on the wire to the decision it causes: stream, Redis, broker, worker and strategy as they run in production. With
``--wire`` on to the first order that leaves, through a trading worker beside. Orders are simulated and answered at once: none is signed.

Each trial cheapens two outcomes of an event of its own, so that buying all of them pays; the time counts from sending the second
delta to the ``created_at`` of the decision's row. All on this machine, one clock. The worker is idle but for the cycle over all
candidates that beat asks for every few seconds, which runs here as in production.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench._exchange_of_days import Exchange
from bench.listing import serve
from bench.streaming.stage import percentiles, prepare, write_key
from kalbot.common.life import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
WAIT = 5.0
BEAT_SECONDS = 5.0


def prepare_stages(exchange: Exchange) -> None:
    """Catalogue, profile, verdicts and watchlist, by the product's own services."""
    from django.core.management import call_command

    from markets import connect
    from markets.catalogue import scan
    from strategies.cycle import cycle
    from strategies.models import Profile
    from strategies.screening import screening

    call_command("migrate", verbosity=0)
    dollar = 1_000_000
    Profile.objects.create(
        name="reaction",
        mode="sim",
        kinds=["all_yes"],
        least_grade="if_determined",
        min_profit=1,
        min_margin_ppm=0,
        watch_margin_ppm=300_000,
        capital=10**6 * dollar,
        max_drawdown=10**6 * dollar,
        max_open_positions=10_000,
        max_orders_per_minute=100_000,
        min_seconds_to_close=60,
    )
    with connect.client() as client:
        row = scan.scan(client)
    if row.status != row.Status.DONE:
        raise RuntimeError(row.error)
    screening.screen(row.pk)
    cycle.run()


@contextlib.contextmanager
def beat() -> Iterator[None]:
    """Asks for a cycle every few seconds."""
    from kalbot.common import messages

    over = threading.Event()

    def tick() -> None:
        messages.send_on_commit(messages.RUN_CYCLE)
        while not over.wait(BEAT_SECONDS):
            messages.send_on_commit(messages.RUN_CYCLE)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def trials(exchange: Exchange, pause: float, wire: bool) -> tuple[list[dict[str, float]], int]:
    """Milliseconds of each trial: to the start of the strategy task's cycle, and to the decision. And how many ended without one."""
    from strategies.models import Cycle, Decision

    found: list[dict[str, float]] = []
    lost = 0
    for event in exchange.tickers:
        exchange.send(f"{event}-B0", "no", 7300, 10_000)
        time.sleep(0.05)
        sent = time.time()
        exchange.send(f"{event}-B1", "no", 7300, 10_000)
        end = time.monotonic() + WAIT
        decision = None
        while decision is None and time.monotonic() < end:
            time.sleep(0.05)
            decision = Decision.objects.filter(event_id=event).first()
        if decision is None:
            lost += 1
        else:
            cycle = Cycle.objects.filter(started_at__lte=decision.created_at).order_by("-started_at").first()
            assert cycle is not None
            found.append(
                {
                    "cycle_starts": (cycle.started_at.timestamp() - sent) * 1000,
                    "decided": (decision.created_at.timestamp() - sent) * 1000,
                    **_stages(decision.trace, sent),
                    **(_wire(decision, sent) if wire else {}),
                }
            )
        time.sleep(pause)
    return found, lost


def _wire(decision: Any, sent: float) -> dict[str, float]:
    """Milliseconds until its first order left, since its delta was ``sent`` and since it was decided, and until a trading worker had taken
    it. Raises RuntimeError where it was not bought."""
    from trading.models import Denial, Position

    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        position = Position.objects.filter(decision=decision).first()
        if position is not None and "sent" in position.trace:
            moments = position.trace
            return {
                "wire": moments["sent"] / 1000 - sent * 1000,
                "taken_after_decided": (moments["taken"] - decision.trace["decided"]) / 1000,
                "wire_after_decided": (moments["sent"] - decision.trace["decided"]) / 1000,
            }
        time.sleep(0.05)
    denial = Denial.objects.filter(decision=decision).first()
    raise RuntimeError(f"{decision.event_id} was not bought: {denial and (denial.code, denial.detail)}")


def _stages(trace: dict[str, int], sent: float) -> dict[str, float]:
    """Milliseconds of each stage of a decision's trace, the first since its delta was ``sent``."""
    found, before = {}, sent * 1e6
    for stage in ("received", "written", "notified", "started", "decided"):
        if stage in trace:
            found[f"stage_{stage}"] = (trace[stage] - before) / 1000
            before = trace[stage]
    return found


def run(count: int, pause: float, folder: Path, wire: bool = False) -> dict[str, Any]:
    exchange = Exchange(count)
    server, rest = serve(exchange)  # type: ignore[arg-type]
    key = folder / "key.pem"
    write_key(key)
    os.environ.update(
        KALSHI_REST_URL=rest, KALSHI_WS_URL=exchange.ws_url, KALSHI_KEY_ID="bench", KALSHI_PRIVATE_KEY_PATH=str(key)
    )
    os.environ["PAPER_LATENCY_MS"] = "0"
    import django

    django.setup()
    prepare_stages(exchange)
    worker = ["-m", "celery", "-A", "kalbot", "worker", "--pool", "threads", "--concurrency", "4", "--without-mingle"]
    worker += ["--without-gossip", "--loglevel", "WARNING", "-Q"]
    commands = [["manage.py", "stream"], [*worker, "strategy", "-n", "strategy@bench"]]
    commands += [[*worker, "exits,execution", "-n", "execution@bench"]] if wire else []
    log = (folder / "processes.log").open("wb")
    processes = [
        subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent)
        for command in commands
    ]
    try:
        end = time.monotonic() + 60
        while len(exchange.watched) < 3 * count and time.monotonic() < end:
            time.sleep(0.2)
        with beat():
            time.sleep(5)  # the worker is up by then
            times, lost = trials(exchange, pause, wire)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        server.shutdown()
    if not times:
        raise RuntimeError((folder / "processes.log").read_text()[-3000:])
    return {
        "trials": count,
        "decisions": len(times),
        "without_decision": lost,
        "worker": f"idle, but a cycle over all candidates every {BEAT_SECONDS:g} s",
        "watched_markets": len(exchange.watched),
        **percentiles([time["decided"] for time in times], 1),
        "until_the_cycle_starts": percentiles([time["cycle_starts"] for time in times], 1),
        "stages": {
            name: percentiles(of, 1)
            for name in ("received", "written", "notified", "started", "decided")
            if (of := [time[f"stage_{name}"] for time in times if f"stage_{name}" in time])
        },
        **{
            name: percentiles([time[name] for time in times], 1)
            for name in ("wire", "taken_after_decided", "wire_after_decided")
            if wire
        },
        "slowest_ms": [round(t["decided"], 1) for t in sorted(times, key=lambda t: -t["decided"])[:5]],
        "slowest_trials": sorted(range(len(times)), key=lambda n: -times[n]["decided"])[:5],
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench reaction", description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="frames whose way is timed (default %(default)s)")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between trials")
    parser.add_argument("--wire", action="store_true", help="on to the first order, through a trading worker")
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.postgres)
        try:
            found = run(options.trials, options.pause, Path(name), options.wire)
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
