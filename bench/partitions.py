"""500,000 markets over many stream processes: measured cost of a market and of a message, and how evenly the plan by hash spreads them."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from typing import Any

from bench.streaming.frames import LEGS, Flood, event_of, tickers
from bench.streaming.stage import Running, redis_server

PLANS = (1, 2, 4, 8, 16, 32, 64, 100)
HALF_A_CORE = 0.5
"""A process that is busy for more of the time than this has no reserve for a burst."""


def cost(markets: int, messages: int, result: Any) -> None:
    """Bytes of a book and of a ticker, microseconds of a message until its event's record is ready to be written."""
    import django

    django.setup()
    from markets.kalshi.ws.frames import BookSnapshot, Frame
    from markets.streaming.intake import StreamIntake
    from markets.streaming.output.metrics import rss_mb
    from markets.streaming.state.books import Books

    flood, books = Flood(markets), Books()

    def apply(frame: Frame, at: int) -> None:
        if isinstance(frame, BookSnapshot):
            books.snapshot(frame, at)

    intake = StreamIntake(books, apply)
    names = list(flood.names)
    gc.collect()
    empty = rss_mb()
    for first in range(0, markets, LEGS):
        event = names[first : first + LEGS]
        books.watch(event_of(event[0]), dict.fromkeys(event, "active"))
    intake.feed(flood.snapshots(2))
    books.take_changes()
    with_books = rss_mb()
    intake.feed(flood.first_tickers(1))
    books.take_changes()
    with_tickers = rss_mb()
    frames = list(flood.frames(messages, 1, 2))
    spent = time.process_time()
    for first in range(0, messages, 500):
        intake.feed(frames[first : first + 500])
        books.take_changes()
    spent = time.process_time() - spent
    assert books.suspected == 0
    result.send(
        {
            "markets_measured": markets,
            "bytes_a_book": round((with_books - empty) * 1e6 / markets),
            "bytes_a_ticker": round((with_tickers - with_books) * 1e6 / markets),
            "microseconds_a_message": round(spent * 1e6 / messages, 2),
            "base_mb": empty,
        }
    )


def plan(markets: int, measured: dict[str, Any], rate: float) -> list[dict[str, Any]]:
    """One line for each number of processes: the fullest of them, and whether it can bear its part."""
    from markets.streaming.assembly import partition_of

    events: dict[str, int] = {}
    for name in tickers(markets):
        events[event_of(name)] = events.get(event_of(name), 0) + 1
    lines = []
    for partitions in PLANS:
        load = [0] * partitions
        for event, legs in events.items():
            load[partition_of(event, partitions)] += legs
        most, share = max(load), max(load) * partitions / markets
        memory = measured["base_mb"] + most * measured["bytes_a_book"] / 1e6
        busy = most * rate * measured["microseconds_a_message"] / 1e6
        lines.append(
            {
                "processes": partitions,
                "markets_most": most,
                "most_to_even": round(share, 3),
                "memory_mb_most": round(memory),
                "core_share_most": round(busy, 3),
                "bears_it": busy <= HALF_A_CORE,
            }
        )
    return lines


def reading(result: Any) -> None:
    """Milliseconds to read 100 events when the leases of so many processes are read along."""
    import django

    django.setup()
    from markets.prices import PriceReader

    names, found = [f"E{n}" for n in range(100)], {}
    for partitions in (1, 100):
        reader, times = PriceReader(partitions=partitions), []
        for _ in range(300):
            began = time.perf_counter()
            reader.events(names)
            times.append((time.perf_counter() - began) * 1000)
        found[f"{partitions}_processes"] = round(sorted(times)[len(times) // 2], 3)
    result.send(found)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench partitions", description=__doc__)
    parser.add_argument("--markets", type=int, default=500_000, help="markets to spread (default %(default)s)")
    parser.add_argument("--measure", type=int, default=20_000, help="books to measure the cost of one with")
    parser.add_argument(
        "--messages", type=int, default=200_000, help="messages to measure the cost of one with (default %(default)s)"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="messages a second of an average market")
    options = parser.parse_args(argv)
    with redis_server():
        measured = Running(cost, options.measure, options.messages).answer()
        read = Running(reading).answer()
        import django

        django.setup()
        lines = plan(options.markets, measured, options.rate)
    for line in lines:
        print("  ".join(f"{name} {value}" for name, value in line.items()), file=sys.stderr)
    found = {"markets": options.markets, "messages_a_second": options.markets * options.rate, **measured}
    print(json.dumps({**found, "read_100_events_ms": read, "plans": lines}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
