"""The kinds of recordings that ``manage.py tape import`` reads, and the import itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from markets.tape import store
from markets.tape.imports import (
    best_changes,
    event_quotes,
    flat_files,
    frames,
    prints,
    rest_books,
    settled,
    snapshots,
    touches,
)
from markets.tape.imports.inventory import READ
from markets.tape.imports.source import Part, lines, nanoseconds
from markets.tape.records import Kind, Record

KINDS: Final[dict[str, Callable[[Path], Iterator[Part]]]] = {
    "snapshots": snapshots.parts,
    "books": rest_books.parts,
    "quotes": event_quotes.parts,
    "best-changes": best_changes.parts,
    "prints": prints.parts,
    "frames": frames.parts,
    "winners": touches.winners,
    "basketball": touches.games,
    "crypto15m": touches.quarter_hours,
    "settled": settled.parts,
    "kalshi-eye": flat_files.kalshi_eye,
    "predictiondata": flat_files.predictiondata,
}
RECORDED: Final = tuple(dict.fromkeys(kind for _, kind in READ))
"""What ``recorded`` stands for: everything that a folder of recorded sets holds."""


def parts(kind: str, root: Path) -> Iterator[Part]:
    """The parts of ``root`` that are of this kind."""
    kinds = RECORDED if kind == "recorded" else (kind,)
    return chain.from_iterable(KINDS[one](root) for one in kinds)


def run(part: Part, folder: Path, events: Path | None = None) -> int:
    """Write one part below ``folder``, into the tape that it belongs to. Returns the number of records.

    ``events``: a file with one event of the exchange a line, for archives that carry none.
    """
    records = part.read()
    if events is not None:
        records = chain(_events(events), records)
    return store.write(folder / part.tape, part.writer, part.about, records)


def _events(path: Path) -> Iterator[Record]:
    for event in lines(path):
        event = event.get("event", event) | ({"markets": event["markets"]} if "markets" in event else {})
        opened = min((nanoseconds(m["open_time"]) for m in event["markets"] if m.get("open_time")), default=0)
        yield store.json_record(opened, Kind.EVENT, event["event_ticker"], event)
