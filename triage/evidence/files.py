"""The files of recorded sets that several walks read; a line that cannot be read is set aside and never ends a walk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.listing import event_of
from markets.tape.imports.source import Aside, lines, nanoseconds, rows

HOUR_MS: Final = 3_600_000
_BIDS: Final = ("ts_utc", "ticker", "yes_bid", "no_bid")
_PRINTED: Final = ("created_time", "ticker", "yes_price_cents", "taker_side")


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


def best_bids(root: Path, aside: Aside) -> Iterator[tuple[str, list[tuple[str, int, float]]]]:
    """(event, [(market, Unix ms, middle of its best prices in dollars), ...]) of daily highs recorded at every change: the last of each
    leg in each hour, so that prices are those of the full hour. A leg without a bid on both sides has none."""
    for path in sorted(root.glob("**/quotes_hf/KXHIGH*.csv*")):
        last: dict[tuple[str, int], tuple[int, int, int]] = {}
        for row in rows(path, _BIDS, aside):
            with aside.unreadable():
                at, yes, no = unix_ms(row["ts_utc"]), int(row["yes_bid"] or 0), int(row["no_bid"] or 0)
                if not (0 <= yes < 100 and 0 <= no < 100):
                    raise ValueError(f"not prices: {yes} and {no} cents")
                key = (row["ticker"], at // HOUR_MS)
                if key not in last or last[key][0] <= at:
                    last[key] = (at, yes, no)
        found = [(leg, at, (yes + 100 - no) / 200) for (leg, _), (at, yes, no) in last.items() if yes or no]
        if found:
            yield event_of(found[0][0]), sorted(found)


def objects(roots: Iterable[Path], pattern: str, aside: Aside) -> Iterator[Mapping[str, Any]]:
    """The objects of all files of lines below ``roots`` of this name, with floating numbers."""
    for root in roots:
        for path in sorted(root.glob(pattern)):
            yield from lines(path, aside, parse_float=float)


def unix_ms(text: str) -> int:
    """Unix milliseconds of an ISO time, UTC where it names no zone. Raises ValueError."""
    return nanoseconds(text) // 10**6
