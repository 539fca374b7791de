"""Lines in order of time without holding them: they wait in a temporary file, and memory keeps where each begins (24 bytes a line)."""

from __future__ import annotations

import json
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, overload

Line = dict[str, str]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Ordered(Sequence[Line]):
    """The lines of ``dated`` by their moments; those of one moment stay as they came. Everything is read at once, so an error in it is
    raised here and not in the middle of a download."""

    def __init__(self, dated: Iterable[tuple[datetime, Line]]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with this object)
        weakref.finalize(self, self._file.close)
        moments, self._places = array("q"), array("q")
        place = 0
        for moment, line in dated:
            moments.append((moment - EPOCH) // MICROSECOND)
            self._places.append(place)
            place += self._file.write(json.dumps(line).encode() + b"\n")
        self._order = array("q", sorted(range(len(moments)), key=moments.__getitem__))

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Line: ...

    @overload
    def __getitem__(self, place: slice) -> list[Line]: ...

    def __getitem__(self, place: int | slice) -> Line | list[Line]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        self._file.seek(self._places[self._order[place]])
        found: Line = json.loads(self._file.readline())
        return found
