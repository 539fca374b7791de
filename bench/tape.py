"""The tape: what recording costs the stream, how large a million messages are, and how fast a recording is replayed.

``python -m bench.tape`` prints one line a figure. Frames are made here: deltas of 400 events with six markets, one snapshot each.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from markets.tape.writer import TapeWriter

FRAMES = 300_000
BATCH = 50
EVENTS = 400
LEGS = 6


def main(argv: list[str] | None = None) -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="bin/bench tape", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help="frames to record (default %(default)s)")
    frames = parser.parse_args(argv).frames
    django.setup()
    print(f"{frames:,} frames of {EVENTS} events with {LEGS} markets")
    snapshots, deltas = made(frames)
    plain = min(_feed(snapshots, deltas, None)[0] for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        taped, whole, size = _recorded(snapshots, deltas, Path(folder))
        print(f"applying alone         {frames / plain:12,.0f} messages/s")
        print(f"applying and recording {frames / taped:12,.0f} messages/s")
        print(
            f"the receiving thread   {max(0.0, taped - plain) / frames * 10_000:12.2%} of a core more at 10,000 messages/s"
        )
        print(
            f"with the writing one   {max(0.0, whole - plain) / frames * 10_000:12.2%} of a core more at 10,000 messages/s"
        )
        print(f"{size / frames * 1e6 / 2**20:,.1f} MiB a million messages")
        seconds, records = _replayed(Path(folder))
        print(f"replaying into books   {frames / seconds:12,.0f} messages/s ({records:,} records)")
    return 0


def made(frames: int) -> tuple[list[bytes], list[bytes]]:
    """Snapshots of every market, then random deltas that keep every level above zero."""
    numbers, seq = random.Random(1), 0
    snapshots, deltas = [], []
    tickers = [f"SER-{event}-{leg}" for event in range(EVENTS) for leg in range(LEGS)]
    for ticker in tickers:
        seq += 1
        levels = [[f"{price / 100:.4f}", "1000.00"] for price in range(10, 30)]
        book: dict[str, object] = {"market_ticker": ticker, "yes_dollars_fp": levels, "no_dollars_fp": levels}
        snapshots.append(_frame("orderbook_snapshot", seq, book))
    for _ in range(frames):
        seq += 1
        delta: dict[str, object] = {
            "market_ticker": numbers.choice(tickers),
            "side": numbers.choice(("yes", "no")),
            "price_dollars": f"{numbers.randrange(10, 30) / 100:.4f}",
            "delta_fp": f"{numbers.choice((-1, 1)) * numbers.randrange(1, 200) / 100:.2f}",
            "ts_ms": 1_786_406_400_000 + seq // 10,
        }
        deltas.append(_frame("orderbook_delta", seq, delta))
    return snapshots, deltas


def _frame(kind: str, seq: int, message: dict[str, object]) -> bytes:
    return json.dumps({"type": kind, "sid": 1, "seq": seq, "msg": message}, separators=(",", ":")).encode()


def _feed(snapshots: list[bytes], deltas: list[bytes], record: Callable[[object], None] | None) -> tuple[float, object]:
    from markets.streaming.intake import StreamIntake
    from markets.streaming.state.books import Books

    books = Books()
    for event in range(EVENTS):
        books.watch(f"SER-{event}", {f"SER-{event}-{leg}": "active" for leg in range(LEGS)})
    intake = StreamIntake(books, lambda frame, at: books.snapshot(frame, at), record)  # type: ignore[arg-type]
    for start in range(0, len(snapshots), BATCH):
        intake.feed(snapshots[start : start + BATCH])
    began = time.thread_time()
    for start in range(0, len(deltas), BATCH):
        intake.feed(deltas[start : start + BATCH])
    return time.thread_time() - began, books


def _recorded(snapshots: list[bytes], deltas: list[bytes], folder: Path) -> tuple[float, float, int]:
    from markets.tape.records import Kind
    from markets.tape.writer import TapeWriter

    best = 1e9
    whole = 1e9
    for turn in range(3):
        began = time.process_time()
        where = folder if turn == 2 else folder / f"turn{turn}"
        writer = TapeWriter(where, "bench", {})
        writer.record(Kind.CONNECTION, "e", {"state": "open"})
        seconds, _ = _feed(snapshots, deltas, _recording(writer))
        best = min(best, seconds)
        writer.close()
        whole = min(whole, time.process_time() - began)
    return best, whole, sum(path.stat().st_size for path in folder.glob("*.tape"))


def _recording(writer: TapeWriter) -> Callable[[Any], None]:
    """What the stream does with each batch of payloads."""
    return lambda payloads: writer.frames("e", payloads, time.time_ns())


def _replayed(folder: Path) -> tuple[float, int]:
    from backtest.replay.books import ReplayBooks, ReplayPrices
    from backtest.replay.feed import Feed
    from markets.tape.reader import Tape

    books = ReplayBooks()
    feed = Feed(books, ReplayPrices(books))
    for event in range(EVENTS):
        books.watch(f"SER-{event}", {f"SER-{event}-{leg}": "active" for leg in range(LEGS)})
    began, records = time.process_time(), 0
    for record in Tape.open(folder).records():
        feed.apply(record)
        records += 1
    return time.process_time() - began, records


if __name__ == "__main__":
    sys.exit(main())
