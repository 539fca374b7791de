"""The frames of a tape, read through the parse boundary with one intake for each connection, as they were when they came."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from markets.kalshi.ws.frames import Frame
from markets.kalshi.ws.intake import Intake
from markets.tape.records import Damaged, Kind, Record, content, unpack_frames

Reading = TypeVar("Reading", bound=Intake)
WITHOUT_BOOKS: Final = re.compile(r"(scan|status|trades|triage)_.*_\d+")
"""Writers of ours that say no book: a hole of theirs takes none."""


class Connections(Generic[Reading]):
    """The connections that a tape has open at its present moment, by epoch."""

    def __init__(self, make: Callable[[str], Reading]) -> None:
        self._make = make
        self.open: dict[str, Reading] = {}
        self._writer: dict[str, str] = {}
        """Epoch -> who recorded it, where the tape says so."""

    def connection(self, record: Record) -> bool:
        """A CONNECTION record: true if it opened one. ``sequence`` in it says which numbers had come before a cut."""
        self.open.pop(record.key, None)
        said = content(record)
        if said.get("state") != "open":
            return False
        if isinstance(writer := said.get("writer"), str):
            self._writer[record.key] = writer
        intake = self.open[record.key] = self._make(record.key)
        for sid, last in said.get("sequence", {}).items():
            intake.sequence.resume(int(sid), last)
        return True

    def taken_by(self, gap: Record) -> Callable[[str], bool]:
        """Whether what an epoch had said of books is not known after ``gap``, which names no event: not what another process recorded.
        Where the tape does not say who did, it is not known."""
        try:
            writer = content(gap).get("writer")
        except Damaged:
            writer = None
        if not isinstance(writer, str):
            return lambda epoch: True
        if WITHOUT_BOOKS.fullmatch(writer):
            return lambda epoch: False
        return lambda epoch: self._writer.get(epoch, writer) == writer

    def feed(self, record: Record) -> list[Frame]:
        """The frames of a FRAMES record. Those of a connection that is not open are nothing that can be relied on: none."""
        intake = self.open.get(record.key)
        return intake.feed(unpack_frames(record.payload)) if intake is not None else []

    def apply(self, record: Record) -> list[Frame]:
        """Either of the two."""
        if record.kind is Kind.CONNECTION:
            self.connection(record)
        return self.feed(record) if record.kind is Kind.FRAMES else []
