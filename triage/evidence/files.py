"""The files of recorded sets that several walks read; a line that cannot be read is set aside and never ends a walk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markets.tape.imports.source import Aside, lines, nanoseconds, rows

_PRINTED = ("created_time", "ticker", "yes_price_cents", "taker_side")


def answers(root: Path, aside: Aside) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(event, its markets as the exchange answered) of daily highs."""
    for path in sorted(root.glob("**/events/KXHIGH*.jsonl*")):
        for answer in lines(path, aside):
            with aside.unreadable():
                yield answer["event"]["event_ticker"], answer["markets"]


def prints(root: Path, aside: Aside) -> Iterator[tuple[str, int, float, str]]:
    """(market, Unix ms, YES price in dollars, side that the taker bought) of every print of daily highs."""
    for path in sorted(root.glob("**/trades/weather/*.csv*")):
        for row in rows(path, _PRINTED, aside):
            with aside.unreadable():
                cents = int(row["yes_price_cents"])
                if not 0 < cents < 100:
                    raise ValueError(f"not a price: {cents} cents")
                yield row["ticker"], unix_ms(row["created_time"]), cents / 100, row["taker_side"]


def objects(roots: Iterable[Path], pattern: str, aside: Aside) -> Iterator[Mapping[str, Any]]:
    """The objects of all files of lines below ``roots`` of this name, with floating numbers."""
    for root in roots:
        for path in sorted(root.glob(pattern)):
            yield from lines(path, aside, parse_float=float)


def unix_ms(text: str) -> int:
    """Unix milliseconds of an ISO time, UTC where it names no zone. Raises ValueError."""
    return nanoseconds(text) // 10**6
