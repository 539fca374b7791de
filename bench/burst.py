"""Recorded gold markets at full speed and 10,000 messages in one second on top: no gap, no crossed book, exactly the reference's books."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.streaming import ours
from bench.streaming.frames import event_of, tickers
from bench.streaming.stage import ROOT, Running, redis_server, server

PATIENCE = 150.0


def check(names: list[str], truth: str, result: Any) -> None:
    """Reads all books all the time, as a strategy would, and counts those that are readable as sound and yet crossed."""
    import django

    django.setup()
    from markets.prices import PriceReader

    reader, events = PriceReader(), sorted({event_of(name) for name in names})
    reads = crossed = suspect = 0
    end = time.monotonic() + PATIENCE
    while not Path(truth).exists() and time.monotonic() < end:
        for event in reader.events(events).values():
            for market in event.markets.values():
                if event.live and market.depth is not None:
                    reads += 1
                    suspect += market.suspect
                    crossed += market.depth.is_crossed() and not market.suspect
        time.sleep(0.002)
    result.send({"books_read": reads, "crossed_as_read": crossed, "suspect_as_read": suspect})


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    truth = str(folder / "truth.json")
    recorded = sorted(Path(options.recorded).glob("KX*.ndjson.gz"))
    if not recorded:
        raise SystemExit(f"bin/bench burst: no recordings in {options.recorded}; name their folder with --recorded")
    names = [*tickers(options.markets), *(path.name.split(".")[0] for path in recorded)]
    settings = {"recorded": options.recorded, "markets": options.markets, "burst": options.burst, "truth": truth}
    with server("bench.streaming.gold", **settings) as port:
        checking = Running(check, names, truth)
        _, wall, cpu, facts = Running(ours.run, int(port), 0, 0, truth=truth, names=names).answer()
        read = checking.answer()
    said = json.loads(Path(truth).read_text())
    return {
        "messages": said["messages"],
        "per_second": round(said["messages"] / wall),
        "per_cpu_second": round(said["messages"] / cpu),
        "burst": options.burst,
        "burst_seconds": round(said["burst_seconds"], 2),
        "crossed_in_the_reference": said["crossed_in_the_reference"],
        **facts,
        **read,
    }


def main(argv: list[str]) -> int:
    shared = Path(os.environ.get("KALBOT_SHARED", ROOT.parent / "shared")) / "kalshi" / "recorded" / "ws" / "gold15m"
    parser = argparse.ArgumentParser(prog="bin/bench burst", description=__doc__)
    parser.add_argument("--recorded", default=str(shared), help="folder with the recorded gold markets")
    parser.add_argument("--burst", type=int, default=10_000, help="messages in that one second (default %(default)s)")
    parser.add_argument("--markets", type=int, default=400, help="how many other markets the burst is about")
    options = parser.parse_args(argv)
    with redis_server() as folder:
        found = run(options, folder)
    print(json.dumps(found, indent=2))
    sound = not (found["gaps"] or found["suspected"] or found["rejected"] or found["crossed_as_read"])
    return 0 if sound and found["readers_agree_with_truth"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
