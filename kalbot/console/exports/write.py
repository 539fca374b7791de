"""Tables that a spreadsheet opens without running anything, and JSON, in pieces: no file is held as a whole."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kalbot.console.exports.kept import Line

NUMBER: Final = re.compile(r"-?\d+(\.\d+)?\Z")
BLANK: Final = r"[\s\x00-\x1f\u200b-\u200f\ufeff]*"
SIGN: Final = "[=+\\-@＝＋－＠]"
FORMULA: Final = re.compile(rf"(\A|[;\t\r\n])(?={BLANK}{SIGN})")
"""Where a cell could begin whose first sign makes it a formula: the beginning, and what some spreadsheets take for a separator."""
DANGEROUS: Final = ("\t", "\r", "\n", "\0")
HARMLESS: Final = re.compile(rf"(?!{BLANK}{SIGN})[^;\t\r\n\0]*\Z")
"""Most cells: no sign at the beginning and nothing that could separate; read once."""
PIECE: Final = 64 * 2**10
"""Characters of a table that are sent at once."""


def safe(text: str) -> str:
    """A text that would begin a formula gets an apostrophe before it; numbers stay numbers."""
    if HARMLESS.match(text) or NUMBER.match(text):
        return text
    found = FORMULA.sub(r"\1'", text)
    return f"'{found}" if found.startswith(DANGEROUS) else found


def lines(rows: Iterable[Line], columns: Sequence[str]) -> Iterator[str]:
    """Comma-separated values of named cells, in pieces."""
    return table(([row[name] for name in columns] for row in rows), columns)


def table(rows: Iterable[Sequence[str]], heading: Sequence[str], delimiter: str = ",") -> Iterator[str]:
    """A table in pieces, the heading first even when there is no row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    size = writer.writerow(heading)
    for row in rows:
        size += writer.writerow([safe(cell) for cell in row])
        if size >= PIECE:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
            size = 0
    yield buffer.getvalue()


def objects(rows: Iterable[Sequence[str]], names: Sequence[str]) -> Iterator[str]:
    """A JSON array with an object for each row, in pieces. Every text as it is stored: for a program nothing is a formula."""
    piece, size, before = ["["], 1, ""
    for row in rows:
        one = before + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
        piece.append(one)
        size, before = size + len(one), ",\n"
        if size >= PIECE:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join([*piece, "]"])
