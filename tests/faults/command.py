"""``bin/faults --seeds A:B [--jobs N] [--show]``: many schedules, each process with a database and a Redis of its own.

Prints progress, seeds per second and how the runs ended; the first failing seed stops everything and is printed with its
whole story. Exit code 1 then, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from queue import Empty
from typing import Any

from kalbot.common.life import die_with_parent

CHUNK = 10


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        prog="bin/faults", description="Seeded fault schedules against the simulated exchange."
    )
    parser.add_argument("--seeds", metavar="A:B", help="from seed A up to, not including, B")
    parser.add_argument("--jobs", type=int, default=1, help="schedules at once (default 1)")
    parser.add_argument("--harsh", action="store_true", help="the harsher world of tests/faults/harsh.py")
    parser.add_argument(
        "--lived",
        action="store_true",
        help="what people and results do meanwhile, on top of any of these (tests/faults/lived.py)",
    )
    parser.add_argument(
        "--archived",
        action="store_true",
        help="what has ended is soon in the exchange's history alone, and nobody is there for hours, on top of any of these",
    )
    parser.add_argument(
        "--beside", action="store_true", help="people, results and other workers do something in the midst of a step"
    )
    parser.add_argument("--apart", action="store_true", help="a profile on another subaccount buys the same basket")
    parser.add_argument(
        "--odd", action="store_true", help="sizes and counts of hundredths of a contract, prices of tenths of a cent"
    )
    parser.add_argument(
        "--quoted", action="store_true", help="the same for a basket whose legs rest (tests/faults/quoted.py)"
    )
    parser.add_argument(
        "--family",
        action="store_true",
        help="the same for a basket across two events (tests/faults/families.py); with --quoted one leg of it rests",
    )
    parser.add_argument(
        "--collateral",
        action="store_true",
        help="of the harsh, lived or quoted seeds those on which collateral is returned",
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="list every failing seed instead of stopping at the first"
    )
    parser.add_argument("--show", action="store_true", help="print the story of each run")
    parser.add_argument("--write-kept", action="store_true", help="store what the kept runs do now (tests/faults/kept)")
    options = parser.parse_args()
    if options.write_kept:
        return _write_kept()
    if options.seeds is None:
        parser.error("--seeds is missing, such as 0:500")
    try:
        first, last = (int(part) for part in options.seeds.split(":"))
    except ValueError:
        parser.error("--seeds wants two numbers, such as 0:500")
    if last <= first or options.jobs < 1:
        parser.error("--seeds must not be empty and --jobs must be at least 1")
    return _run(range(first, last), options)


def _run(seeds: range, options: argparse.Namespace) -> int:
    jobs, show = options.jobs, options.show
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue()
    done: Any = context.Queue()
    for seed in seeds:
        todo.put(seed)
    workers = [context.Process(target=_work, args=(todo, done, show, options), daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    ends: Counter[str] = Counter()
    failed: list[int] = []
    boundaries = deaths = left_out = 0
    began = last_report = time.monotonic()
    for finished in range(1, len(seeds) + 1):
        message = _next(done, workers)
        if message is not None and message[0] == "left out":
            left_out += 1
            continue
        if message is not None and message[0] == "failed" and options.keep_going:
            failed.append(message[1])
            print(f"\nFAILED seed {message[1]}: {message[2].splitlines()[0]}", flush=True)
            continue
        if message is None or message[0] == "failed":
            text = "a worker process ended by itself" if message is None else message[2]
            print(f"\nFAILED {'' if message is None else f'seed {message[1]}'}\n{text}", file=sys.stderr)
            for worker in workers:
                worker.terminate()
            return 1
        _, seed, end, passed, died, story = message
        ends[end] += 1
        boundaries, deaths = boundaries + passed, deaths + died
        if show:
            print(f"--- seed {seed}: {end}\n{story}")
        if time.monotonic() - last_report > 2:
            last_report = time.monotonic()
            rate = finished / (last_report - began)
            print(f"\r{finished}/{len(seeds)} seeds, {rate:.1f} seeds/s  ", end="", flush=True)
    rate = len(seeds) / (time.monotonic() - began)
    print(
        f"\r{len(seeds) - left_out - len(failed)} seeds held, {rate:.1f} seeds/s, {boundaries} boundaries passed, {deaths} deaths"
    )
    print("ended as: " + ", ".join(f"{name} {count}" for name, count in ends.most_common()))
    if failed:
        print(f"{len(failed)} seeds failed: {failed}", file=sys.stderr)
    return 1 if failed else 0


def _write_kept() -> int:
    with tempfile.TemporaryDirectory(prefix="kalbot-faults-") as folder:
        server = _prepare(Path(folder))
        from tests.faults import kept_runs

        try:
            changed = [one for one in kept_runs.kept() if _rewritten(one)]
        finally:
            server.stop()
    print(f"{len(changed)} of {len(kept_runs.kept())} kept runs changed: read the difference before you commit it")
    return 0


def _rewritten(one: Any) -> bool:
    now = one.recorded()
    if now == one.path.read_text():
        return False
    one.path.write_text(now)
    print(f"changed: {one.path.name}")
    return True


def _next(done: Any, workers: list[Any]) -> Any:
    while True:
        try:
            return done.get(timeout=1)
        except Empty:
            if not any(worker.is_alive() for worker in workers):
                return None


def _work(todo: Any, done: Any, show: bool, options: argparse.Namespace) -> None:
    die_with_parent()
    with tempfile.TemporaryDirectory(prefix="kalbot-faults-") as folder:
        server = _prepare(Path(folder))
        from django.db import connection

        from tests.faults import harness, story
        from tests.faults.harsh import draw_harsh
        from tests.faults.quoted import draw_quoted
        from trading.models import Position

        try:
            while True:
                try:
                    seed = todo.get(timeout=0.5)
                except Empty:
                    return
                _, harsh = (draw_quoted if options.quoted else draw_harsh)(seed)
                if options.collateral and harsh.collateral is None:
                    done.put(("left out", seed))
                    continue
                try:
                    run = harness.run(
                        seed,
                        harsh=options.harsh,
                        quoted=options.quoted,
                        family=options.family,
                        lived=options.lived,
                        archived=options.archived,
                        odd=options.odd,
                        apart=options.apart,
                        beside=options.beside,
                    )
                except BaseException as error:  # reported with its seed, whatever it is
                    import traceback

                    done.put(("failed", seed, f"{error}\n{traceback.format_exc()}"))
                    continue
                position = Position.objects.first()
                denial = getattr(run.decision, "denial", None) if position is None else None
                end = position.status if position is not None else f"denied: {denial.code if denial else '?'}"
                lines = story.describe(run) if show else ""
                done.put(("held", seed, end, run.mortal.passed, len(run.mortal.died_at), lines))
        finally:
            connection.close()
            server.stop()


def _prepare(folder: Path) -> Any:
    """A Redis and an in-memory database for this process, and Django on top of them."""
    from kalbot.local.servers import start_redis

    server = start_redis(folder / "redis")
    os.environ |= {
        "REDIS_URL": server.url,
        "KALBOT_ENV_FILE": "",
        "KALBOT_STATE": str(folder),
        "DATABASE_URL": "sqlite://:memory:",
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
        "KALBOT_LIVE": "true",
        "LOG_LEVEL": "CRITICAL",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    import logging

    logging.disable(logging.CRITICAL)
    return server


if __name__ == "__main__":
    sys.exit(main())
