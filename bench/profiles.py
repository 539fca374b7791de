"""Screening and a strategy cycle for 1, 10 and 100 profiles, over some events and over four times as many: processor seconds, and how
both grow.

The profiles share ``--kinds`` different sets of filters and limits, as presets do; their money differs. After a screening a reason is
written into every row, at most 20,000 a cycle: ``writing_cycle_s`` is a cycle that still does (the median of all of them but the first),
``cycle_s`` one of every beat after that, with 5 % of the books moved (the median of three). The plain way beside it is one profile's time
for each of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.streaming.stage import prepare
from kalbot.common.life import die_with_parent

SIZES = (1, 10, 100)


def main(argv: list[str]) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench profiles", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=1_500, help="in the small catalogue; the large one has four times as many"
    )
    parser.add_argument("--kinds", type=int, default=5, help="different sets of filters and limits")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="numbers of profiles")
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    options = parser.parse_args(argv)
    found: dict[str, Any] = {"kinds": options.kinds}
    for events in (options.events, 4 * options.events):
        with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
            stops = prepare(Path(name), options.postgres)
            try:
                found[f"events_{events}"] = _in_a_process(events, options)
            finally:
                for stop in reversed(stops):
                    stop()
    small, large = (found[f"events_{n}"] for n in (options.events, 4 * options.events))
    most = f"profiles_{max(options.sizes)}"
    found["growth_of_the_cycle"] = {
        f"{max(options.sizes)} profiles for 1": round(large[most]["cycle_s"] / large["profiles_1"]["cycle_s"], 2),
        "4 times the events": round(large[most]["cycle_s"] / small[most]["cycle_s"], 2),
    }
    print(json.dumps(found, indent=2))
    return 0


def _in_a_process(events: int, options: argparse.Namespace) -> dict[str, Any]:
    """A catalogue of its own needs a process of its own: Django reads its settings once."""
    import subprocess

    code = f"from bench.profiles import measure; measure({events}, {options.kinds}, {options.sizes})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    )
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


def measure(events: int, kinds: int, sizes: list[int]) -> None:
    """One catalogue, all numbers of profiles; prints one line of JSON."""
    os.environ["LOG_LEVEL"] = "CRITICAL"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from markets.models import Market
    from tests.strategies import crowd

    rng = random.Random(7)
    crowd.catalogue(rng, events, certified=True)
    tickers = [f"E{number}" for number in range(events)]
    found: dict[str, Any] = {"markets": Market.objects.count()}
    for size in sorted(sizes):
        found[f"profiles_{size}"] = _for(size, kinds, rng, tickers)
    one = found[f"profiles_{min(sizes)}"]
    for size in sizes:
        here = found[f"profiles_{size}"]
        for what in ("screening_s", "cycle_s"):
            here[f"{what}_plain"] = round(size * one[what] / min(sizes), 3)
            here[f"{what}_ratio"] = round(here[f"{what}_plain"] / here[what], 1) if here[what] else None
    print(json.dumps(found))


def _for(size: int, kinds: int, rng: random.Random, tickers: list[str]) -> dict[str, Any]:
    from kalbot.common.units import DOLLAR
    from strategies.cycle import cycle, memo
    from strategies.models import Cycle, Profile
    from strategies.screening import screening
    from tests.strategies import crowd
    from tests.strategies.world import add_profile, add_scan

    for number in range(Profile.objects.filter(name__startswith="many-").count(), size):
        add_profile(
            f"many-{number}",
            kinds=["all_yes", "all_no", "coverage"],
            min_profit=DOLLAR + number % kinds,
            watch_margin_ppm=1_000_000,
            capital=(1_000 + number) * DOLLAR,
        )
    first = _spent(lambda: screening.screen(add_scan().pk))
    again = _spent(lambda: screening.screen(add_scan().pk))
    memo.forget()
    crowd.publish_all(rng, tickers)

    def moved() -> float:
        crowd.publish_all(rng, rng.sample(tickers, len(tickers) // 20))
        return _spent(cycle.run)

    writing, warm = _until_written(moved), [moved() for _ in range(3)]
    considered = Cycle.objects.latest("id").candidates
    return {
        "candidates": considered,
        "first_screening_s": first,
        "screening_s": again,
        "first_cycle_s": writing[0],
        "cycles_until_all_is_written": len(writing),
        "writing_cycle_s": sorted(writing[1:])[len(writing[1:]) // 2] if writing[1:] else None,
        "cycle_s": sorted(warm)[1],
        "microseconds_a_candidate": round(sorted(warm)[1] / max(1, considered) * 1e6, 2),
    }


def _until_written(one: Callable[[], float]) -> list[float]:
    """The seconds of each cycle until none leaves a reason to be written to the next one."""
    from unittest import mock

    from strategies.cycle import candidate_evaluation

    full: list[bool] = []
    record = candidate_evaluation.record

    def noted(*args: Any) -> int:
        written = record(*args)
        full.append(written >= args[-1])
        return written

    spent: list[float] = []
    with mock.patch.object(candidate_evaluation, "record", noted):
        while not spent or any(full):
            full.clear()
            spent.append(one())
            print(f"\r{len(spent)} cycles, {sum(full)} profiles still write  ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return spent


def _spent(work: Callable[[], object]) -> float:
    """Seconds of processor time: the machine may be busy with other things."""
    began = time.process_time()
    work()
    return round(time.process_time() - began, 3)
