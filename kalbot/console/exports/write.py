"""CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kalbot.console.exports.rows import Line

NUMBER: Final = re.compile(r"-?\d+(\.\d+)?\Z")
FORMULA: Final = re.compile(r"(\A|[;\t\r\n])(?=[\s\x00-\x1f\u200b-\u200f\ufeff]*[=+\-@＝＋－＠])")
"""Where a cell could begin whose first sign makes it a formula: the beginning, and what some spreadsheets take for a separator."""
DANGEROUS: Final = ("\t", "\r", "\n", "\0")


def safe(text: str) -> str:
    """A text that would begin a formula gets an apostrophe before it; numbers stay numbers."""
    if NUMBER.match(text):
        return text
    found = FORMULA.sub(r"\1'", text)
    return f"'{found}" if found.startswith(DANGEROUS) else found


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
