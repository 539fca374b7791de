"""Which part of a tape is wanted, and whether it is there."""

from __future__ import annotations

from markets.tape.imports.source import iso
from markets.tape.reader import END_OF_TIME, Tape


def nothing_between(tape: Tape, start: int, end: int = END_OF_TIME) -> str:
    """Why nothing of the tape lies from ``start`` to ``end`` (nanoseconds), in a sentence; empty if something does."""
    if start >= end:
        return f"--from {iso(start)} is not before --to {iso(end)}"
    if start > tape.last_ns or end <= tape.first_ns:
        return f"the tape goes from {iso(tape.first_ns)} to {iso(tape.last_ns)}: nothing of it is in that time"
    return ""
