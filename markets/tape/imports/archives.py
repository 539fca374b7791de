"""The files of archives: which of them belong together, their rows in the order of their times, and that no market comes twice.

A day's files of one series (or of one folder) are one recording: what a file begins with may rest on what another one ended with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.packed import unpacked_name
from markets.tape.imports.source import Aside, Refused, rows
from markets.tape.imports.zones import Row, Span, Universal, instant

_DAY: Final = re.compile(r"(?<!\d)(20\d\d)[-_]?([01]\d)[-_]?([0-3]\d)(?!\d)")


def together(root: Path, paths: Iterable[Path]) -> Iterator[tuple[str, list[Path]]]:
    """(name, files) of each recording: the files of a folder that are of the same day by their names, or of none, in the order of their
    names. Of a file that is there in two packings only the first counts."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(paths):
        day = _DAY.search(path.name)
        parts = [*path.relative_to(root).parts[:-1], *(["".join(day.groups())] if day else [])]
        found.setdefault("_".join(parts) or "files", {}).setdefault(unpacked_name(path.name), path)
    for name, files in sorted(found.items()):
        yield name, list(files.values())


@dataclass(slots=True)
class Covered:
    """Which market is on which recording of a dataset from when to when: changes that are counted twice make a book that never was."""

    _spans: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def add(self, name: str, spans: Mapping[str, Span]) -> None:
        """First and last moment of each market of a recording. Raises Refused where another one has the market at the same time."""
        for ticker, (first, last, _) in spans.items():
            for other_first, other_last, other in self._spans.get(ticker, ()):
                if other != name and first < other_last and other_first < last:
                    raise Refused(f"{ticker} is in {other} at the same time")
        for ticker, (first, last, _) in spans.items():
            self._spans.setdefault(ticker, []).append((first, last, name))


def in_order(read: Callable[[Aside], Iterator[Row]], column: str, aside: Aside) -> Iterator[Row]:
    """Rows by their times, those of one time as they stand. Archives may be sorted by market; sequence numbers and new quantities mean
    nothing then. A row whose time cannot be read stays behind the one before it."""
    if _is_in_order(read(Aside()), column):
        yield from read(aside)
        return
    last, found = 0, []
    for row in read(aside):
        last = _time(row[column]) or last
        found.append((last, aside.place, row))
    for _, place, row in sorted(found, key=itemgetter(0)):
        aside.place = place
        yield row


def _is_in_order(table: Iterator[Row], column: str) -> bool:
    last = 0
    for row in table:
        at = _time(row[column]) or last
        if at < last:
            return False
        last = at
    return True


def _time(value: Any) -> int:
    try:
        return instant(value)
    except (ValueError, ArithmeticError, TypeError):
        return 0


def table(paths: Sequence[Path], needed: Sequence[str], aside: Aside) -> Iterator[Row]:
    """The rows of all files. Raises Refused where one has not the columns that are needed."""
    for path in paths:
        yield from _parquet(path, needed, aside) if path.suffix.lower() == ".parquet" else rows(path, needed, aside)


def _parquet(path: Path, needed: Sequence[str], aside: Aside) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    missing = sorted(set(needed) - set(file.schema_arrow.names))
    if missing:
        raise Refused(f"{path.name} has no column {', '.join(missing)}")
    number = 0
    zoned = [column.name for column in file.schema_arrow if getattr(column.type, "tz", None)]
    for batch in file.iter_batches():
        found = pyarrow.Table.from_batches([batch])
        for place, column in enumerate(found.schema):
            if pyarrow.types.is_timestamp(column.type):  # whole nanoseconds, which Python's own times cannot hold
                whole = found[column.name].cast(pyarrow.timestamp("ns", column.type.tz)).cast(pyarrow.int64())
                found = found.set_column(place, column.name, whole)
        for row in found.to_pylist():
            number += 1
            aside.place = f"{path.name} row {number}"
            yield {**row, **{name: Universal(row[name]) for name in zoned if row[name] is not None}} if zoned else row
