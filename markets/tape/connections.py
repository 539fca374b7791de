"""The frames of a tape, read through the parse boundary with one intake for each connection, as they were when they came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from markets.kalshi.ws.frames import Frame
from markets.kalshi.ws.intake import Intake
from markets.tape.records import Kind, Record, content, unpack_frames

Reading = TypeVar("Reading", bound=Intake)


class Connections(Generic[Reading]):
    """The connections that a tape has open at its present moment, by epoch."""

    def __init__(self, make: Callable[[str], Reading]) -> None:
        self._make = make
        self.open: dict[str, Reading] = {}

    def connection(self, record: Record) -> bool:
        """A CONNECTION record: true if it opened one. ``sequence`` in it says which numbers had come before a cut."""
        self.open.pop(record.key, None)
        said = content(record)
        if said.get("state") != "open":
            return False
        intake = self.open[record.key] = self._make(record.key)
        for sid, last in said.get("sequence", {}).items():
            intake.sequence.resume(int(sid), last)
        return True

    def feed(self, record: Record) -> list[Frame]:
        """The frames of a FRAMES record. Those of a connection that is not open are nothing that can be relied on: none."""
        intake = self.open.get(record.key)
        return intake.feed(unpack_frames(record.payload)) if intake is not None else []

    def apply(self, record: Record) -> list[Frame]:
        """Either of the two."""
        if record.kind is Kind.CONNECTION:
            self.connection(record)
        return self.feed(record) if record.kind is Kind.FRAMES else []
