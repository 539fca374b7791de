"""CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kalbot.console.exports.rows import Line

NUMBER: Final = re.compile(r"-?\d+(\.\d+)?\Z")
DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def safe(text: str) -> str:
    """A text that would begin a formula gets an apostrophe in front; numbers stay numbers."""
    return f"'{text}" if text.startswith(DANGEROUS) and not NUMBER.match(text) else text


def lines(rows: Iterable[Line], columns: Sequence[str]) -> Iterator[str]:
    """The file, line by line, the heading first even when there is no row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe(row[name]) for name in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
