"""Memory of the stream process over time: 100,000 tickers, 5,000 books, fills and lifecycle messages; resident size minute by minute."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import answering
from bench.streaming.frames import event_of, tickers
from bench.streaming.stage import ROOT, flood, redis_server, write_key
from kalbot.common.life import die_with_parent

LIMIT_MB = 400
GROWTH_SHARE = 0.05
"""More than this from the first tenth of the run to its end counts as growth."""
BARS = "▁▂▃▄▅▆▇█"


def prepare_rows(books: int) -> None:
    """The catalogue and the watchlist that make the stream watch these books."""
    import django

    django.setup()
    from django.core.management import call_command

    from markets.models import Event, Market, Series, Watch

    call_command("migrate", verbosity=0)
    names = tickers(books)
    events = sorted({event_of(name) for name in names})
    Series.objects.create(ticker="KXFLOOD", fee_type="quadratic")
    Event.objects.bulk_create([Event(ticker=event, series_id="KXFLOOD") for event in events])
    Market.objects.bulk_create([Market(ticker=name, event_id=event_of(name), status="active") for name in names])
    Watch.objects.bulk_create([Watch(event_id=event, source="soak") for event in events])


NO_BOOKS = b'{"exchange_active": true, "trading_active": true, "orderbooks": []}'
"""Answers every request: an exchange that is there and lists no books to compare with."""


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGESIZE") / 1e6, 1)


def watch(process: subprocess.Popen[bytes], minutes: float, every: float) -> list[dict[str, Any]]:
    """One line every ``every`` seconds."""
    from markets.prices import PriceReader

    reader, lines, began = PriceReader(), [], time.monotonic()
    while time.monotonic() - began < minutes * 60:
        time.sleep(every)
        if process.poll() is not None:
            raise RuntimeError(f"the stream ended with {process.returncode}")
        said = reader.stream_status()
        line = {
            "minute": round((time.monotonic() - began) / 60, 1),
            "rss_mb": resident_mb(process.pid),
            **{
                name: said.get(name)
                for name in ("messages", "per_second", "gaps", "suspected", "inbox_written", "inbox_waiting")
            },
        }
        lines.append(line)
        print("  ".join(f"{name} {value}" for name, value in line.items()), file=sys.stderr, flush=True)
    return lines


def verdict(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """First, last and largest size, and whether it grew after the first tenth of the run."""
    sizes = [line["rss_mb"] for line in lines]
    settled = sizes[len(sizes) // 10]
    low, high = min(sizes), max(sizes)
    plot = "".join(BARS[int((size - low) / (high - low or 1) * (len(BARS) - 1))] for size in sizes)
    return {
        "rss_mb_first": sizes[0],
        "rss_mb_after_a_tenth": settled,
        "rss_mb_last": sizes[-1],
        "rss_mb_most": high,
        "plot": f"{low} {plot} {high} MB",
        "under_limit": high < LIMIT_MB,
        "grew": sizes[-1] > settled * (1 + GROWTH_SHARE),
    }


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    prepare_rows(options.books)
    server, url = answering.serve(lambda route, query: NO_BOOKS)
    key = folder / "key.pem"
    write_key(key)
    messages = int(options.rate * (options.minutes + 5) * 60)
    sizes = {"markets": options.tickers, "books": options.books, "messages": messages, "rate": options.rate}
    log = (folder / "stream.log").open("wb")
    with flood(**sizes, live=True, account=True, all_tickers=True) as port:
        os.environ.update(
            KALSHI_REST_URL=url,
            KALSHI_WS_URL=f"ws://127.0.0.1:{port}/trade-api/ws/v2",
            KALSHI_KEY_ID="bench",
            KALSHI_PRIVATE_KEY_PATH=str(key),
        )
        process = subprocess.Popen(
            [sys.executable, "manage.py", "stream"], cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent
        )
        try:
            lines = watch(process, options.minutes, options.every)
        except RuntimeError:
            print((folder / "stream.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            server.shutdown()
    return {
        "minutes": options.minutes,
        "tickers": options.tickers,
        "books": options.books,
        **verdict(lines),
        "lines": lines,
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="length of the run (default %(default)s)")
    parser.add_argument("--every", type=float, default=0, help="seconds between two lines (0: 60, in a short run 10)")
    parser.add_argument("--rate", type=float, default=2_000, help="messages a second")
    parser.add_argument("--tickers", type=int, default=100_000, help="markets that have tickers (default %(default)s)")
    parser.add_argument(
        "--books", type=int, default=5_000, help="markets whose books are followed (default %(default)s)"
    )
    options = parser.parse_args(argv)
    options.every = options.every or (60 if options.minutes >= 10 else 10)
    with redis_server() as folder:
        print(json.dumps(run(options, folder), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
