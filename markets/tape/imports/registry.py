"""The kinds of recordings that ``manage.py tape import`` reads, and the import itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from markets.tape import store
from markets.tape.imports import (
    answers,
    best_changes,
    event_quotes,
    flat_files,
    frames,
    inventory,
    listed_fees,
    prints,
    rest_books,
    settled,
    snapshots,
    touches,
)
from markets.tape.imports.inventory import READ
from markets.tape.imports.packed import BREAKS_OFF
from markets.tape.imports.source import Aside, Part, Refused
from markets.tape.records import UNREADABLE, Kind

ARCHIVES: Final[dict[str, Callable[[Path, ZoneInfo | None], Iterator[Part]]]] = {
    "kalshi-eye": flat_files.kalshi_eye,
    "predictiondata": flat_files.predictiondata,
}
"""Those whose times may be of another zone than UTC."""
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
}
RECORDED: Final = tuple(dict.fromkeys(kind for _, kind in READ))
"""What ``recorded`` stands for: everything that a folder of recorded sets holds."""


def parts(kind: str, root: Path, zone: ZoneInfo | None = None) -> Iterator[Part]:
    """The parts of ``root`` that are of this kind. ``zone``: of an archive's times, where a person has named it."""
    if kind in ARCHIVES:
        return ARCHIVES[kind](root, zone)
    kinds = RECORDED if kind == "recorded" else (kind,)
    return chain.from_iterable(KINDS[one](root) for one in kinds)


def left_out(kind: str, root: Path) -> Iterator[tuple[str, str]]:
    """(path below ``root``, why it is on no tape) of the files that this kind of import does not read."""
    if kind == "recorded":
        yield from inventory.left_out(root)
    else:
        yield from flat_files.left_out(kind, root)


BROKEN: Final = (*UNREADABLE, *BREAKS_OFF, csv.Error, RecursionError, NotImplementedError)
"""What reading a part may raise where nothing can be made of it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a part: how many records, and what of it could not be read."""

    records: int
    aside: Aside


def run(part: Part, folder: Path, events: Path | None = None) -> Imported:
    """Write one part below ``folder``, into the tape that it belongs to. What cannot be read is counted and named on the tape.

    ``events``: a file with one event of the exchange a line, for archives that carry none. Raises one of ``BROKEN`` where the part cannot
    be read, or nothing in it; then nothing is written.
    """
    aside = Aside()
    records = list(part.read(aside))
    if not any(record.kind in _USEFUL for record in records):
        raise Refused(f"nothing in it can be read: {aside.named[0]}" if aside.count else "it is empty")
    if events is not None:
        moments = [record.received_ns for record in records]
        records = [*answers.of_file(events, min(moments), max(moments), aside, part.wrong), *records]
    about = part.about | ({"set aside": {"count": aside.count, "first": aside.named}} if aside.count else {})
    if fees := listed_fees.assumed(records):
        about["assumed"] = [*about.get("assumed", ()), *fees]
    return Imported(store.write(folder / part.tape, part.writer, about, records), aside)


_USEFUL: Final = (Kind.FRAMES, Kind.BOOK, Kind.QUOTE, Kind.TRADE, Kind.SETTLEMENT, Kind.EVENT)
"""Records that a recording is imported for."""
